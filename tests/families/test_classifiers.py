"""Classifiers of one stream: each reads its own rows, and is explained by them, at any size that it takes."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from dense_oracle import dense_fused, dense_mean, dense_rollout, dense_walk
from family_checks import (
    assert_every_method_is_there,
    assert_left_alone,
    assert_same_items,
    close,
    picture,
)
from torch import Tensor

import mmx
from mmx.errors import CheckpointError, UsageError
from mmx.methods import get_method
from mmx.model import Model
from mmx.results import Patches
from mmx.schedule import Site, layers_of

EXACT = 1e-9
SIZE = 24
"""Pixels that every config here says, in patches of 8."""
OTHER = (32, 40)
"""Height and width that they are shown in its place."""


def mean(special: int, patches: int) -> list[float]:
    return [0.0] * special + [1 / patches] * patches


def first(special: int, patches: int) -> list[float]:
    return [1.0, *[0.0] * (special - 1 + patches)]


@dataclass(frozen=True)
class Case:
    """What is known of a class: tokens before the patches, what its head reads, and what a forward needs else."""

    special: int
    reads: Callable[[int, int], list[float]]
    resized_by: str | None = "interpolate_pos_encoding"


CASES = {
    "tiny_vit_resized": Case(1, first),
    "tiny_vit_msn": Case(1, first),
    "tiny_deit": Case(2, first),
    "tiny_deit_distilled": Case(2, lambda special, patches: [0.5, 0.5, *[0.0] * patches]),
    "tiny_beit": Case(1, mean, resized_by=None),
    "tiny_beit_cls": Case(1, first, resized_by=None),
    "tiny_data2vec_vision": Case(1, mean, resized_by=None),
    "tiny_clip_classifier": Case(1, mean),
    "tiny_metaclip_2_classifier": Case(1, mean),
    "tiny_siglip_classifier": Case(0, mean),
    "tiny_ijepa": Case(0, mean),
}


@pytest.fixture(scope="module", params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def case(name: str) -> Case:
    return CASES[name]


@pytest.fixture(scope="module")
def folder(name: str, request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(name)


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return mmx.load(folder, dtype="float64")


@dataclass(frozen=True)
class Shown:
    """A picture of noise of some size, and what the class itself says of it, in eager attention.

    Attributes:
        logits: (classes,).
        maps: (1, heads, tokens, tokens) of each layer.
        weights: of the rows that are read, and how many tokens come before the patches.
    """

    inputs: dict[str, Tensor]
    logits: Tensor
    maps: tuple[Tensor, ...]
    weights: list[float]
    special: int

    def read(self, matrix: Tensor) -> Tensor:
        """Of R or a map, (tokens, tokens), row by row: what patches have."""
        assert len(self.weights) == len(matrix)
        return sum(weight * row for weight, row in zip(self.weights, matrix, strict=True))[self.special:]


def shown(folder: Path, case: Case, size: tuple[int, int]) -> Shown:
    """The softmax in float32 that some classes take is left in float64."""
    generator = torch.Generator().manual_seed(size[0])
    pixels = torch.randn(1, 3, *size, dtype=torch.float64, generator=generator)
    architecture = json.loads((folder / "config.json").read_text())["architectures"][0]
    network = getattr(transformers, architecture).from_pretrained(
        folder, dtype=torch.float64, attn_implementation="eager").eval()
    more = {case.resized_by: True} if case.resized_by and size != (SIZE, SIZE) else {}
    softmax = torch.nn.functional.softmax
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.functional, "softmax", lambda scores, dim, dtype=None: softmax(scores, dim))
        found = network(pixel_values=pixels, output_attentions=True, **more)
    patches = size[0] // 8 * (size[1] // 8)
    return Shown({"pixel_values": pixels}, found.logits[0], found.attentions, case.reads(case.special, patches),
                 case.special)


@pytest.fixture(scope="module", params=[(SIZE, SIZE), OTHER], ids=["as the config says", "another size"])
def at_size(request: pytest.FixtureRequest, folder: Path, case: Case) -> Shown:
    return shown(folder, case, request.param)


@pytest.fixture(scope="module")
def inputs(model: Model) -> dict[str, Tensor]:
    return model.encode(picture())


@pytest.mark.parametrize("target", [0, 2])
def test_relevance_is_the_dense_calculation(model: Model, at_size: Shown, target: int) -> None:
    fused = dense_fused({Site(str(i), "image", "image"): map_ for i, map_ in enumerate(at_size.maps)},
                        at_size.logits[target])
    for start in (0, 1, -1):
        matrix = dense_walk(tuple((site,) for site in tuple(fused)[start:]), fused,
                            {"image": len(at_size.weights)})["image", "image"]
        found = model.attribute(at_size.inputs, target=target, start_layer=start)
        assert found.keys() == {"image"}
        # R is read without the identity that it starts from, of which a row that is no patch's has nothing anyway.
        close(found["image"][0], at_size.read(matrix - torch.eye(len(matrix))), EXACT)


def test_raw_attention_and_rollout_are_the_dense_calculation(model: Model, at_size: Shown) -> None:
    maps = at_size.maps
    for method, matrix in (("raw-attention", dense_mean(maps[-1])), ("rollout", dense_rollout(maps))):
        close(model.attribute(at_size.inputs, method)["image"][0], at_size.read(matrix), EXACT)


def test_the_captured_forward_gives_the_logits_of_the_class(model: Model, at_size: Shown) -> None:
    passed = mmx.engine.attribute(model.described, at_size.inputs, [get_method("relevance")]).outputs["logits"]
    close(passed[0], at_size.logits.detach(), EXACT)


def test_the_head_reads_what_the_row_says_that_it_reads(model: Model, inputs: dict[str, Tensor], case: Case) -> None:
    """The logits change with the tokens that the last layer gives to the head, and with no other."""
    plain, (height, width) = model.described.run(inputs)["logits"], inputs["pixel_values"].shape[-2:]
    weights = case.reads(case.special, height // 8 * (width // 8))
    modules = dict(model.network.named_modules())
    [site] = [one for one in layers_of(model.described.schedule({}), "image")[-1].module.split("|") if one in modules]
    last = modules[site.partition(".attention")[0].partition(".self_attn")[0]]
    for token, weight in enumerate(weights):
        def change(_module: object, _inputs: object, output: Any, token: int = token) -> Any:
            states = output if isinstance(output, Tensor) else output[0]
            assert states.shape[1] == len(weights)
            changed = states.index_fill(1, torch.tensor([token]), 0.3)
            return changed if isinstance(output, Tensor) else (changed, *output[1:])

        handle = last.register_forward_hook(change)
        try:
            changed = model.described.run(inputs)["logits"]
        finally:
            handle.remove()
        assert torch.equal(changed, plain) == (weight == 0), token


def test_a_batch_of_two_is_what_each_is_alone(model: Model) -> None:
    alone = [model.encode(picture(seed=seed)) for seed in range(2)]
    for one, other in ((0, 1), (1, 0)):
        pixels = torch.cat([alone[one]["pixel_values"], alone[other]["pixel_values"]])
        found = model.attribute({"pixel_values": pixels}, target=[2, 0])["image"]
        close(found[0], model.attribute(alone[one], target=2)["image"][0], EXACT)
        close(found[1], model.attribute(alone[other], target=0)["image"][0], EXACT)


def test_pictures_of_several_sizes_are_what_each_is_alone(folder: Path) -> None:
    """Where a processor makes larger ones of them, and of two sides."""
    model = mmx.load(folder, dtype="float64")
    processor = model.parts.pictures.processor
    processor.size, processor.do_center_crop = {"shortest_edge": 32}, False
    pictures = [picture((70, 50)), picture((40, 60), seed=1), picture((50, 35), seed=2)]
    together = model.explain(pictures, target=["dog", 0])
    assert [(found.elements["image"][0].rows, found.elements["image"][0].columns) for found in together] == [
        (4, 5), (6, 4), (4, 5)]
    for one, found in zip(pictures, together, strict=True):
        assert [item.label for item in found] == ["dog", "cat"]
        assert_same_items(found, model.explain(one, target=["dog", 0]), EXACT)


def test_a_class_is_explained_over_the_patches(model: Model, case: Case, name: str) -> None:
    found = model.explain(picture(), target="dog")
    [patches] = found.elements["image"]
    assert isinstance(patches, Patches)
    assert (patches.rows, patches.columns) == ((5, 4) if name == "tiny_vit_resized" else (3, 3))
    assert [(item.kind, item.label, item.unit) for item in found] == [("class", "dog", "softmax")]
    assert found[0].scores["image"].shape == (patches.rows * patches.columns,)
    assert sum(one.score for one in found.predictions) == pytest.approx(1)
    assert {one.label for one in found.predictions} == {"cat", "dog", "red circle"}


def test_a_reader_is_told_where_positions_are_interpolated(folder: Path, case: Case) -> None:
    model = mmx.load(folder)
    processor = model.parts.pictures.processor
    told = "the model is shown 40 x 32 pixels, its config says 24 x 24: its position embeddings are interpolated"
    processor.size = {"height": SIZE, "width": SIZE}
    assert told not in model.explain(picture()).notes
    processor.size = {"height": 40, "width": 32}
    if getattr(processor, "do_center_crop", False):
        processor.crop_size = {"height": 40, "width": 32}
    assert (told in model.explain(picture()).notes) == (case.resized_by is not None)


def test_the_network_is_left_as_it_was(model: Model, inputs: dict[str, Tensor]) -> None:
    assert_left_alone(model, inputs, getattr(model.network, "classifier", None) or model.network.cls_classifier)


def test_every_method_explains_it(model: Model) -> None:
    assert_every_method_is_there(model, lambda methods: model.explain_methods(picture(), methods=methods))


# Random weights, drawn wide, make attention sharper than it is in trained models: measured 0.17 and 0.014.
@pytest.mark.parametrize(("dtype", "bound"), [("bfloat16", 0.3), ("float16", 0.1)])
def test_half_precision_stays_close(model: Model, folder: Path, dtype: str, bound: float) -> None:
    full = model.explain(picture(), target=1)[0].scores["image"]
    half = mmx.load(folder, dtype=dtype).explain(picture(), target=1)[0].scores["image"]
    assert half.dtype == "float32"
    assert abs(half - full).max() <= bound * abs(full).max()


@pytest.mark.parametrize(("problem", "unit", "values"), [
    ("multi_label_classification", "sigmoid", torch.sigmoid), ("regression", "value", lambda logits: logits)])
def test_items_are_in_the_unit_of_the_problem(folder: Path, tmp_path: Path, problem: str, unit: str,
                                              values: Callable[[Tensor], Tensor]) -> None:
    copied = Path(shutil.copytree(folder, tmp_path / "copied"))
    config = json.loads((copied / "config.json").read_text()) | {"problem_type": problem}
    (copied / "config.json").write_text(json.dumps(config))
    model = mmx.load(copied)
    logits = model.described.run(model.encode(picture()))["logits"][0]
    found = model.explain(picture(), target=[0, 1, 2])
    assert [(item.index, item.unit) for item in found] == [(0, unit), (1, unit), (2, unit)]
    assert [item.score for item in found] == pytest.approx(values(logits).tolist(), abs=1e-6)


@pytest.mark.parametrize(("asked", "what"), [
    ({"question": "is it red?"}, "a question does"), ({"text": "a dog"}, "a text does"),
    ({"threshold": 0.5}, "a threshold does"), ({"target": "horse"}, "'horse' is not a class")])
def test_what_is_not_asked_of_a_classifier(model: Model, asked: dict, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        model.explain(picture(), **asked)


def test_positions_of_a_grid_that_is_no_square_are_not_interpolated(tiny_vit: Path) -> None:
    model = mmx.load(tiny_vit)
    with pytest.raises(CheckpointError, match=r"fails on pixel_values \(1 x 3 x 48 x 48\): Input image size"):
        model.attribute({"pixel_values": torch.zeros(1, 3, 48, 48)})
    model.parts.pictures.processor.size = {"height": 48, "width": 48}
    with pytest.raises(CheckpointError, match="makes pictures of 48 x 48 pixels; the model takes 24 x 36"):
        model.explain(picture())
