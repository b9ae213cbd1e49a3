"""DAB-DETR, whose class runs in float32 alone: relevance against a dense calculation, and what is left out."""

from pathlib import Path

import pytest
import torch
from dense_oracle import dense_fused, dense_mean, dense_walk
from detector_checks import read, sizes_of, stock
from family_checks import assert_left_alone, assert_same_items, close, picture

import mmx
from mmx.model import Model

QUERY = 4


@pytest.fixture(scope="module")
def model(tiny_dab_detr: Path) -> Model:
    return mmx.load(tiny_dab_detr)


@pytest.mark.parametrize("label", [0, 2])
def test_relevance_and_raw_attention_are_the_dense_calculation(model: Model, label: int) -> None:
    inputs = model.encode(picture())
    logits, maps = stock(model, inputs)
    fused = {site: one.double() for site, one in dense_fused(maps, logits[0, QUERY, label]).items()}
    matrices = dense_walk(model.family.schedule(model.network.config), fused, sizes_of(maps))
    found = model.attribute(inputs, target=(QUERY, label))["image"][0]
    close(found.double(), read(maps, matrices, QUERY, 6), 1e-4)
    last = list(maps)[-1]
    raw = model.attribute(inputs, "raw-attention", target=(QUERY, label))["image"][0]
    close(raw, dense_mean(maps[last])[QUERY], 1e-5)


def test_detections_are_sigmoids_of_the_classes_own_outputs(model: Model) -> None:
    found = model.explain(picture(), threshold=0.0)
    with torch.no_grad():
        plain = model.network(**model.encode(picture()))
    assert len(found) == 6
    for item in found:
        shares = plain.logits[0, item.query].sigmoid()
        assert (item.unit, item.index) == ("sigmoid", int(shares.argmax()))
        assert item.score == pytest.approx(float(shares.max()), rel=1e-5)
        x, y, width, height = plain.pred_boxes[0, item.query].tolist()
        assert item.box_xyxy_px == pytest.approx((70 * (x - width / 2), 50 * (y - height / 2), 70 * (x + width / 2),
                                                  50 * (y + height / 2)), abs=1e-3)


def test_methods_that_need_lrp_are_left_out_with_the_reason(model: Model) -> None:
    names = [method.name for method in model.fitting_methods(["all"])[0]]
    found = model.explain_methods(picture(), methods=names, query=QUERY)
    left = {"attn-lrp", "partial-lrp", "relevance-lrp", "relevance-lrp-no-norm", "transformer-attribution"}
    assert [one.method for one in found] == [name for name in names if name not in left]
    assert all(one.left_out.keys() == left for one in found)
    assert {why.split(" for ")[0] for why in found[0].left_out.values()} == {"There is no relevance rule"}


def test_pictures_of_a_batch_are_what_each_is_alone(model: Model) -> None:
    pictures = [picture((70, 50), seed=seed) for seed in range(2)]
    for one, found in zip(pictures, model.explain(pictures, query=[1, QUERY]), strict=True):
        assert_same_items(found, model.explain(one, query=[1, QUERY]), 1e-4)


def test_the_network_is_left_as_it_was(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    fitting = model.fitting_methods(["all"])[0]
    able = [method for method in fitting if "lrp" not in method.needs]
    monkeypatch.setattr(model, "fitting_methods", lambda names: (able, []))
    assert_left_alone(model, model.encode(picture()), model.network.class_embed)


def test_every_pattern_of_a_query_is_a_query(model: Model) -> None:
    config = type(model.network.config)(num_queries=7, num_patterns=3)
    assert model.family.score.queries(config) == 21  # type: ignore[union-attr]
    assert model.family.score.queries(type(config)(num_queries=7)) == 7  # type: ignore[union-attr]
