"""On a GPU: what is found is what a CPU finds, targets go through it together, and memory stays near the floor's."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

import mmx
from mmx.bench.floor import floor
from mmx.bench.memory import peak_bytes
from mmx.bench.models import vit_base
from mmx.checkpoints.catalog import shipped_names
from mmx.engine import Scores, attribute
from mmx.methods import all_methods, get_method
from mmx.model import Model

TINY = ["tiny_lxmert", "tiny_detr", "tiny_vit", "tiny_clip", "tiny_vilt", "tiny_siglip", "tiny_dinov2",
        "tiny_dinov2_registers", "tiny_blip"]
SEVERAL = {"tiny_vit": [0, 1, 2, 1], "tiny_detr": [(query, query % 2) for query in range(4)]}

pytestmark = pytest.mark.cuda


@pytest.fixture(autouse=True)
def _whole_float32() -> Iterator[None]:
    """Convolutions drop digits on a GPU by default."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


def scores_of(model: Model, inputs: dict[str, Tensor]) -> Scores:
    methods = [method for method in all_methods() if method.name not in model.left_out(all_methods())]
    return attribute(model.described, inputs, methods, model.asking.any_target).scores


@pytest.mark.parametrize("name", [*shipped_names(), *TINY])
def test_every_family_says_on_a_gpu_what_it_says_on_a_cpu(request: pytest.FixtureRequest, name: str,
                                                          device: str) -> None:
    """Within what float32 loses on a CPU, twenty times over: LRP divides."""
    source = request.getfixturevalue(name) if name in TINY else name
    models = [mmx.load(source, "cpu", "float64"), mmx.load(source, "cpu", "float32"),
              mmx.load(source, device, "float32")]
    exact, on_cpu, found = (scores_of(model, model.to_model(models[0].small_inputs())) for model in models)
    assert set(found) == set(exact) and len(found) >= 4
    for method, streams in exact.items():
        for stream, expected in streams.items():
            assert found[method][stream].device.type == torch.device(device).type
            largest = expected.abs().max()
            lost = (on_cpu[method][stream] - expected).abs().max()
            apart = (found[method][stream].cpu() - expected).abs().max()
            assert apart <= 20 * lost + 1e-4 * largest, f"{method}, {stream}: {apart / largest:.1e}"


@pytest.mark.parametrize("name", SEVERAL)
def test_targets_that_go_through_together_are_as_alone(request: pytest.FixtureRequest, name: str, device: str) -> None:
    model = mmx.load(request.getfixturevalue(name), device)
    inputs, targets, methods = model.small_inputs(), SEVERAL[name], [get_method("relevance")]
    together = attribute(model.described, inputs, methods, targets).scores["relevance"]["image"]
    in_turns = attribute(model.described, inputs, methods, targets, max_memory=1).scores["relevance"]["image"]
    alone = torch.cat([attribute(model.described, inputs, methods, [target]).scores["relevance"]["image"]
                       for target in targets])
    assert len(together) == len(targets) and not torch.allclose(alone[0], alone[1])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(in_turns, alone, rtol=1e-4, atol=1e-5)


def test_memory_of_a_large_picture_stays_near_the_floors(device: str) -> None:
    subject = vit_base(768 if device == "cuda" else 224).on(device)
    methods = [get_method("relevance")]

    def explain() -> None:
        attribute(subject.model, subject.inputs, methods, subject.target)

    for task in (lambda: floor(subject), explain):
        task()  # workspaces that libraries keep
    least, needed = peak_bytes(lambda: floor(subject), device), peak_bytes(explain, device)
    print(f"floor {least / 1e6:.0f} MB, relevance {needed / 1e6:.0f} MB")
    assert needed <= 1.15 * least
