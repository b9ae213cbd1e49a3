"""DINOv2: half of what explains a class is [CLS], half the mean of the patches; registers are not handed out."""

from pathlib import Path

import pytest
import torch
from dense_oracle import dense_fused, dense_mean, dense_rollout, dense_walk
from family_checks import (
    assert_every_method_is_there,
    assert_left_alone,
    assert_same_items,
    close,
    own_forward,
    picture,
)
from torch import Tensor

import mmx
from mmx.capture import lrp_chefer as lrp
from mmx.errors import CaptureError, UsageError
from mmx.methods import all_methods
from mmx.model import Model
from mmx.results import Patches
from mmx.schedule import Site

# Every step of this class is in float64.
EXACT = 1e-9
PATCHES = 16


@pytest.fixture(scope="module", params=["tiny_dinov2", "tiny_dinov2_registers"])
def dinov2(request: pytest.FixtureRequest) -> Model:
    folder: Path = request.getfixturevalue(request.param)
    return mmx.load(folder, dtype="float64")


@pytest.fixture(scope="module")
def inputs(dinov2: Model) -> dict[str, Tensor]:
    return dinov2.encode(picture())


def registers_of(model: Model) -> int:
    return getattr(model.network.config, "num_register_tokens", 0)


def halves(model: Model, matrix: Tensor) -> Tensor:
    """What is read of R or a map, (tokens, tokens): patches alone, row by row."""
    first = 1 + registers_of(model)
    rows = matrix[first:]
    assert len(rows) == PATCHES
    return (0.5 * matrix[0] + 0.5 * sum(rows) / PATCHES)[first:]


def stock(model: Model, inputs: dict[str, Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
    found = own_forward(model, inputs)
    return found.logits, found.attentions


@pytest.mark.parametrize("target", [0, 2])
def test_relevance_is_the_dense_calculation(dinov2: Model, inputs: dict[str, Tensor], target: int) -> None:
    logits, maps = stock(dinov2, inputs)
    fused = dense_fused({Site(str(i), "image", "image"): map_ for i, map_ in enumerate(maps)}, logits[0, target])
    for start in (0, 1, 2, -1):
        used = tuple(fused)[start:]
        size = {"image": 1 + registers_of(dinov2) + PATCHES}
        matrix = dense_walk(tuple((site,) for site in used), fused, size)["image", "image"]
        found = dinov2.attribute(inputs, target=target, start_layer=start)
        assert found.keys() == {"image"}
        close(found["image"][0], halves(dinov2, matrix), EXACT)


def test_raw_attention_and_rollout_are_the_dense_calculation(dinov2: Model, inputs: dict[str, Tensor]) -> None:
    _, maps = stock(dinov2, inputs)
    for method, matrix in (("raw-attention", dense_mean(maps[-1])), ("rollout", dense_rollout(maps))):
        close(dinov2.attribute(inputs, method)["image"][0], halves(dinov2, matrix), EXACT)


def test_the_classifier_reads_what_the_row_says_that_it_reads(dinov2: Model, inputs: dict[str, Tensor]) -> None:
    """The logits change with [CLS] and with any patch of the last layer, and not with a register."""
    first = 1 + registers_of(dinov2)
    plain = dinov2.described.run(inputs)["logits"]
    norm = next(module for name, module in dinov2.network.named_modules() if name.endswith(".layernorm"))
    for token in range(first + PATCHES):
        def change(_module: object, _inputs: object, output: Tensor, token: int = token) -> Tensor:
            return output.index_fill(1, torch.tensor([token]), 0)

        handle = norm.register_forward_hook(change)
        changed = dinov2.described.run(inputs)["logits"]
        handle.remove()
        assert torch.equal(changed, plain) == (0 < token < first), token


def test_the_captured_forward_gives_the_logits_of_the_class(dinov2: Model, inputs: dict[str, Tensor]) -> None:
    passed = mmx.engine.attribute(dinov2.described, inputs, all_methods()[:1]).outputs["logits"]
    with torch.no_grad():
        assert torch.equal(passed, dinov2.network(**inputs).logits)


def test_a_batch_of_two_is_what_each_is_alone(dinov2: Model) -> None:
    alone = [dinov2.encode(picture(seed=seed)) for seed in range(2)]
    for first, second in ((0, 1), (1, 0)):
        pixels = torch.cat([alone[first]["pixel_values"], alone[second]["pixel_values"]])
        found = dinov2.attribute({"pixel_values": pixels}, target=[2, 0])["image"]
        close(found[0], dinov2.attribute(alone[first], target=2)["image"][0], EXACT)
        close(found[1], dinov2.attribute(alone[second], target=0)["image"][0], EXACT)


def test_what_the_processor_crops_away_is_not_in_the_grid(dinov2: Model) -> None:
    """70 x 50 pixels become 25 x 18, of which 16 x 16 from (4, 1) on are kept: 4 x 4 patches of the config's 5 x 5."""
    found = dinov2.explain(picture())
    [patches] = found.elements["image"]
    assert isinstance(patches, Patches)
    assert (patches.rows, patches.columns) == (4, 4)
    across, down = 70 / 25, 50 / 18
    assert patches.box_xyxy_px == pytest.approx((4 * across, 1 * down, 20 * across, 17 * down))
    assert found[0].scores["image"].shape == (PATCHES,)
    assert (found[0].kind, found[0].unit) == ("class", "softmax")
    assert sum(one.score for one in found.predictions) == pytest.approx(1)


def test_the_picture_may_be_as_large_as_the_config_says_too(tiny_dinov2: Path) -> None:
    model = mmx.load(tiny_dinov2)
    processor = model.parts.pictures.processor
    processor.size, processor.crop_size = {"shortest_edge": 20}, {"height": 20, "width": 20}
    [patches] = model.explain(picture()).elements["image"]
    assert isinstance(patches, Patches)
    assert (patches.rows, patches.columns) == (5, 5)


def test_noise_is_no_larger_than_what_it_is_mostly_shown(dinov2: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Position embeddings of 518 pixels make 1,369 patches, and LRP on them takes gigabytes."""
    monkeypatch.setattr(dinov2.network.config, "image_size", 518)
    assert dinov2.small_inputs()["pixel_values"].shape[-2:] == (224, 224)


def test_pictures_of_several_sizes_are_what_each_is_alone(dinov2: Model) -> None:
    pictures = [picture((70, 50)), picture((40, 90), seed=1)]
    for one, found in zip(pictures, dinov2.explain(pictures, target=["dog", 0]), strict=True):
        assert [item.label for item in found] == ["dog", "cat"]
        assert_same_items(found, dinov2.explain(one, target=["dog", 0]), EXACT)


def test_the_network_is_left_as_it_was(dinov2: Model, inputs: dict[str, Tensor]) -> None:
    assert_left_alone(dinov2, inputs, dinov2.network.classifier)


def test_every_method_explains_it(dinov2: Model) -> None:
    assert_every_method_is_there(dinov2, lambda methods: dinov2.explain_methods(picture(), methods=methods))


def test_methods_that_need_a_missing_rule_are_left_out_with_the_reason(dinov2: Model,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are what they are without them."""
    monkeypatch.delitem(lrp._RULES, Tensor.mean)
    names = [method.name for method in dinov2.fitting_methods(["all"])[0]]
    needing = {method.name for method in dinov2.fitting_methods(["all"])[0] if "lrp" in method.needs}
    assert len(needing) >= 3
    found = dinov2.explain_methods(picture(), methods=names)
    assert [one.method for one in found] == [name for name in names if name not in needing]
    for one in found:
        assert one.left_out == dict.fromkeys(needing, "There is no relevance rule for torch.Tensor.mean.")
        assert_same_items(one, dinov2.explain(picture(), method=one.method), EXACT)
    with pytest.raises(CaptureError, match=r"There is no relevance rule for torch\.Tensor\.mean"):
        dinov2.explain_methods(picture(), methods=["partial-lrp", "relevance-lrp"])


@pytest.mark.parametrize("method", ["relevance-no-norm", "ablation-no-self-in-10"])
def test_a_method_without_sense_of_its_own_is_refused(dinov2: Model, method: str) -> None:
    with pytest.raises(UsageError, match=f"{method} says nothing of its own about"):
        dinov2.explain(picture(), method=method)
