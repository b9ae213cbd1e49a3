"""DETR's relatives and YOLOS: relevance against a dense calculation, and a detection is what it is alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from dense_oracle import dense_fused, dense_mean, dense_rollout, dense_walk
from detector_checks import read, sizes_of, stock
from family_checks import (
    Inputs,
    assert_every_method_is_there,
    assert_left_alone,
    assert_same_items,
    close,
    picture,
)

import mmx
from mmx.capture import run_forward
from mmx.engine import attribute
from mmx.methods import all_methods
from mmx.model import Model
from mmx.results import Patches

# Every step of these classes is in float64.
EXACT = 1e-9
UNITS = {"tiny_detr": "softmax", "tiny_detr_segmentation": "softmax", "tiny_table_transformer": "softmax",
         "tiny_conditional_detr": "sigmoid", "tiny_yolos": "softmax"}
QUERY = 4


@pytest.fixture(scope="module", params=UNITS)
def detector(request: pytest.FixtureRequest) -> Model:
    folder: Path = request.getfixturevalue(request.param)
    return mmx.load(folder, dtype="float64")


@pytest.fixture(scope="module")
def unit(detector: Model) -> str:
    return next(unit for name, unit in UNITS.items() if detector.source.folder.name == name.replace("_", "-"))


@pytest.fixture(scope="module")
def inputs(detector: Model) -> Inputs:
    return detector.encode(picture())


@pytest.mark.parametrize("label", [0, 1])
def test_relevance_is_the_dense_calculation(detector: Model, inputs: Inputs, label: int) -> None:
    logits, maps = stock(detector, inputs)
    fused = dense_fused(maps, logits[0, QUERY, label])
    matrices = dense_walk(detector.family.schedule(detector.network.config), fused, sizes_of(maps))
    found = detector.attribute(inputs, target=(QUERY, label))
    assert found.keys() == {"image"}
    close(found["image"][0], read(maps, matrices, QUERY, logits.shape[1]), EXACT)
    assert found["image"].count_nonzero() == found["image"].shape[1]


def test_raw_attention_and_rollout_are_the_dense_calculation(detector: Model, inputs: Inputs) -> None:
    logits, maps = stock(detector, inputs)
    last = list(maps)[-1]
    rolled = dense_rollout([map_ for site, map_ in maps.items() if site.rows == site.cols == "image"])
    if not last.is_self:
        among = dense_rollout([map_ for site, map_ in maps.items() if site.rows == site.cols == "query"])
        rolled = among.T @ dense_mean(maps[last]) @ rolled
    for method, matrix in (("raw-attention", dense_mean(maps[last])), ("rollout", rolled)):
        expected = read(maps, {(last.rows, "image"): matrix}, QUERY, logits.shape[1])
        close(detector.attribute(inputs, method, target=(QUERY, None))["image"][0], expected, EXACT)


def test_every_attention_gives_its_map_times_its_values(detector: Model, inputs: Inputs) -> None:
    described = detector.described
    passed = run_forward(detector.network, described.schedule({}), detector.family.roots,
                         lambda: described.run(inputs), in_graph=False, rules=None)
    _, maps = stock(detector, inputs)
    for site, mixed in passed.mixed.items():
        if mixed.map is None:
            assert mixed.value is not None and mixed.departure() < 1e-12
            made = mixed.map_rows(slice(0, mixed.shape[2]), mixed.key)  # type: ignore[arg-type]
        else:
            made = mixed.map
        close(made, maps[site].detach(), 1e-12)


def test_the_captured_forward_finds_what_the_class_finds(detector: Model, inputs: Inputs) -> None:
    outputs = attribute(detector.described, inputs, all_methods()[:1], (QUERY, None)).outputs
    with torch.no_grad():
        plain = detector.network(**inputs)
    close(outputs["logits"], plain.logits, 1e-12)
    close(outputs["boxes"], plain.pred_boxes, 1e-12)


def test_scores_and_boxes_are_those_of_the_processors_own_post_processing(detector: Model, unit: str,
                                                                          inputs: Inputs) -> None:
    """Conditional DETR's lists a query under each class by itself; mmx keeps the surest."""
    found = detector.explain(picture(), threshold=0.0)
    with torch.no_grad():
        plain = detector.network(**inputs)
    [listed] = detector.processor.post_process_object_detection(plain, threshold=0.0, target_sizes=[(50, 70)])
    listed = {name: values.tolist() for name, values in listed.items()}
    best: dict[tuple, tuple] = {}
    for score, label, box in sorted(zip(*listed.values(), strict=True), reverse=True):
        best.setdefault(tuple(box), (score, label))
    assert len(found) == len(best) == plain.logits.shape[1]
    for item, (box, (score, label)) in zip(found, best.items(), strict=True):
        assert (item.index, item.unit) == (label, unit)
        assert item.score == pytest.approx(score, rel=1e-6)
        assert item.box_xyxy_px == pytest.approx(box, abs=1e-4)
    total = sum(one.score for one in found[0].predictions)
    assert (total < 1) if unit == "softmax" else (total != pytest.approx(1))


def test_a_batch_of_two_is_what_each_is_alone(detector: Model) -> None:
    alone = [detector.encode(picture(seed=seed)) for seed in range(2)]
    together = {name: torch.cat([one[name] for one in alone]) for name in alone[0]}
    found = detector.attribute(together, target=[(1, 1), (QUERY, 0)])["image"]
    close(found[0], detector.attribute(alone[0], target=(1, 1))["image"][0], EXACT)
    close(found[1], detector.attribute(alone[1], target=(QUERY, 0))["image"][0], EXACT)


def test_pictures_of_several_sizes_are_what_each_is_alone(detector: Model) -> None:
    pictures = [picture((70, 50)), picture((40, 90), seed=1)]
    for one, found in zip(pictures, detector.explain(pictures, threshold=0.0), strict=True):
        assert len(found) == len(found.items) > 0
        assert_same_items(found, detector.explain(one, threshold=0.0), 1e-7)


def test_the_network_is_left_as_it_was(detector: Model, inputs: Inputs) -> None:
    head = next(module for name, module in detector.network.named_modules() if name.endswith("class_labels_classifier"))
    assert_left_alone(detector, inputs, head)


def test_every_method_explains_it(detector: Model) -> None:
    assert_every_method_is_there(
        detector, lambda methods: detector.explain_methods(picture(), methods=methods, query=QUERY))


def grid_of(model: Model, size: tuple[int, int]) -> Patches:
    [patches] = model.explain(picture(size), query=0).elements["image"]
    assert isinstance(patches, Patches)
    return patches


def test_yolos_sees_a_whole_picture_of_any_size(tiny_yolos: Path) -> None:
    """Its processor rounds sides down to whole patches: 70 x 50 become 67 x 48, and then 64 x 48."""
    model = mmx.load(tiny_yolos)
    for size, rows, columns in (((70, 50), 3, 4), ((40, 90), 6, 2), ((200, 100), 3, 6)):
        patches = grid_of(model, size)
        assert (patches.rows, patches.columns) == (rows, columns)
        assert patches.box_xyxy_px == pytest.approx((0, 0, *size))


def test_the_layer_that_yolos_is_read_from_can_be_chosen(tiny_yolos: Path) -> None:
    model = mmx.load(tiny_yolos, dtype="float64")
    inputs = model.encode(picture())
    logits, maps = stock(model, inputs)
    [*_, last] = maps
    fused = dense_fused({last: maps[last]}, logits[0, 2, 1])
    matrices = dense_walk(((last,),), fused, sizes_of(maps))
    found = model.attribute(inputs, target=(2, 1), start_layer=-1)["image"][0]
    close(found, read(maps, matrices, 2, logits.shape[1]), EXACT)


def test_the_masks_of_a_detr_for_segmentation_change_nothing_and_are_not_made(tiny_detr_segmentation: Path) -> None:
    model = mmx.load(tiny_detr_segmentation)
    inputs, calls = model.encode(picture()), list[int]()
    handle = model.network.mask_head.output_conv.register_forward_hook(lambda *_: calls.append(1))
    model.attribute(inputs, target=(QUERY, None))
    assert not calls
    with torch.no_grad():
        assert model.network(**inputs).pred_masks.shape[1] == 6
    assert calls
    handle.remove()


@pytest.mark.parametrize("name", UNITS)
def test_classes_and_a_threshold_choose_what_is_explained(request: pytest.FixtureRequest, name: str) -> None:
    model = mmx.load(request.getfixturevalue(name))
    every = model.explain(picture(), threshold=0.0)
    label = every[0].label
    kept = model.explain(picture(), threshold=0.0, class_name=label.upper())
    assert [item.query for item in kept] == [item.query for item in every if item.label == label]
    sure = float(np.median(scores_of(every)))
    assert scores_of(model.explain(picture(), threshold=sure)) == [score for score in scores_of(every) if score > sure]


def scores_of(found: Sequence) -> list[float]:
    return [item.score for item in found]
