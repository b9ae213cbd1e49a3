"""DETR: its schedule, which detections are kept, what may be named as a target, and the grid of its cells."""

import pytest
import torch
from transformers import DetrConfig

from mmx.asking import Subject
from mmx.asking.base import Each
from mmx.asking.queries import Keep, QueriesAsked, class_shares, kept_queries
from mmx.errors import UsageError
from mmx.families.base import Queries
from mmx.families.detr import FAMILY
from mmx.results import Asked
from mmx.schedule import sites_of
from mmx.wiring import grid_of, readouts, valid_tokens


def logits_of(*probabilities: tuple[float, ...]) -> torch.Tensor:
    """One picture; a row for each query, the rest of the probability goes to "no object"."""
    return torch.tensor([[(*row, 1 - sum(row)) for row in probabilities]]).log()


ASKING = QueriesAsked(FAMILY.score, Subject("tiny", FAMILY.does, DetrConfig(num_queries=4), lambda: ("a", "b"), None))
ONE = logits_of((0.7, 0.2), (0.1, 0.2), (0.05, 0.9), (0.4, 0.5))


def test_the_schedule_is_the_encoder_and_then_each_decoder_layer_twice() -> None:
    sites = sites_of(FAMILY.schedule(DetrConfig(encoder_layers=2, decoder_layers=1)))
    assert [(site.module, site.rows, site.cols) for site in sites] == [
        ("model.encoder.layers.0.self_attn", "image", "image"),
        ("model.encoder.layers.1.self_attn", "image", "image"),
        ("model.decoder.layers.0.self_attn", "query", "query"),
        ("model.decoder.layers.0.encoder_attn", "query", "image")]


@pytest.mark.parametrize(("keep", "queries"), [
    (Keep(), [0, 2]), (Keep(0.45), [0, 2, 3]), (Keep(0.0), [0, 1, 2, 3]), (Keep(0.95), []), (Keep(0.0, 1), [1, 2, 3]),
    (Keep(0.6, 1), [2]), (Keep(0.6, 0), [0])])
def test_kept_detections(keep: Keep, queries: list[int]) -> None:
    assert kept_queries(ONE[0], keep, "softmax").tolist() == queries
    chosen = ASKING.choose({"logits": ONE}, keep)
    assert chosen.positions is not None
    assert (chosen.samples.tolist(), chosen.positions.tolist()) == ([0] * len(queries), queries)


EACH_BY_ITSELF = QueriesAsked(Queries(unit="sigmoid", queries=lambda config: config.num_queries + 1), ASKING.subject)
BOTH = torch.tensor([[(0.7, 0.6), (0.1, 0.3), (0.2, 0.9)]]).logit()


@pytest.mark.parametrize(("keep", "queries", "classes"), [
    (None, [0, 2], [0, 1]), (Keep(0.25), [0, 1, 2], [0, 1, 1]), (Keep(0.65, 1), [2], [1]), (Keep(0.95), [], [])])
def test_with_a_sigmoid_the_last_class_is_one_like_the_others(keep: Keep | None, queries: list[int],
                                                              classes: list[int]) -> None:
    chosen = EACH_BY_ITSELF.choose({"logits": BOTH}, keep)
    assert chosen.positions is not None
    assert (chosen.positions.tolist(), chosen.targets.tolist()) == (queries, classes)
    assert torch.equal(chosen.scores, BOTH[0, queries, classes])
    torch.testing.assert_close(class_shares(BOTH, "sigmoid"), BOTH.sigmoid())
    with pytest.raises(UsageError, match=r"There is no class 2; the model has 2 \(0 to 1\)"):
        EACH_BY_ITSELF.choose({"logits": BOTH}, (0, 2))


def test_there_are_as_many_queries_as_the_family_reads_off_the_config() -> None:
    assert EACH_BY_ITSELF.settled(Asked(queries=(4,))).queries == (4,)
    with pytest.raises(UsageError, match=r"There is no query 5; tiny has 5 \(0 to 4\)"):
        EACH_BY_ITSELF.settled(Asked(queries=(5,)))


@pytest.mark.parametrize("target", [Keep(0.6), Each([Keep(0.6), Keep(0.6)])], ids=["for all", "for each"])
def test_kept_detections_are_those_of_each_picture(target: object) -> None:
    chosen = ASKING.choose({"logits": torch.cat([ONE, ONE.flip(1)])}, target)
    assert chosen.positions is not None
    assert list(zip(chosen.samples.tolist(), chosen.positions.tolist(), strict=True)) == [
        (0, 0), (0, 2), (1, 1), (1, 3)]


def test_each_picture_may_be_asked_something_else() -> None:
    chosen = ASKING.choose({"logits": torch.cat([ONE, ONE.flip(1)])}, Each([[(3, None), (1, 0)], Keep(0.8)]))
    assert chosen.positions is not None
    assert list(zip(chosen.samples.tolist(), chosen.positions.tolist(), chosen.targets.tolist(), strict=True)) == [
        (0, 3, 1), (0, 1, 0), (1, 1, 1)]


def test_a_detection_is_read_at_the_row_of_its_query() -> None:
    chosen = ASKING.choose({"logits": ONE}, [(3, None), (0, 1)])
    [readout] = readouts(FAMILY, {}, {"logits": ONE}, chosen, {"query": 4}, DetrConfig())
    assert (readout.stream, readout.index.tolist()) == ("query", [3, 0])


@pytest.mark.parametrize(("target", "queries", "classes"), [
    (None, [0, 2], [0, 1]), (Keep(0.8), [2], [1]), ((1, None), [1], [1]), ((1, 0), [1], [0]),
    ([(3, 0), (3, None), (0, 1)], [3, 3, 0], [0, 1, 1])])
def test_explained_scores_are_the_logits_of_the_class(target: object, queries: list[int], classes: list[int]) -> None:
    chosen = ASKING.choose({"logits": ONE}, target)
    assert chosen.positions is not None
    assert chosen.positions.tolist() == queries
    assert chosen.targets.tolist() == classes
    assert torch.equal(chosen.scores, ONE[0, queries, classes])


def test_a_target_for_each_picture_of_a_batch() -> None:
    both = torch.cat([ONE, ONE.flip(1)])
    chosen = ASKING.choose({"logits": both}, [(0, None), (0, 0)])
    assert chosen.samples.tolist() == [0, 1]
    assert torch.equal(chosen.scores, both[[0, 1], [0, 0], [0, 0]])


@pytest.mark.parametrize(("target", "message"), [
    ([(4, None)], r"There is no query 4; the model has 4 \(0 to 3\)"), ([(-1, None)], "There is no query -1"),
    ((0, 2), r"There is no class 2; the model has 2 \(0 to 1\)"), ((0, -1), "There is no class -1"),
    ([3], r"A target of a detector is \(query, class or None\), not 3"), ([(1, 2, 3)], r"not \(1, 2, 3\)")])
def test_what_is_no_target_is_named(target: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ASKING.choose({"logits": ONE}, target)


def test_a_list_of_another_length_than_the_batch_is_refused() -> None:
    with pytest.raises(UsageError, match=r"1 targets were given for 2 pictures\. Give one for each."):
        ASKING.choose({"logits": torch.cat([ONE, ONE])}, [(0, None)])


@pytest.mark.parametrize(("size", "cells", "grid"), [
    ((800, 1066), 25 * 34, (25, 34)), ((64, 64), 4, (2, 2)), ((33, 65), 2 * 3, (2, 3)), ((24, 32), 12, (3, 4)),
    ((48, 16), 3, (3, 1)), ((5, 7), 35, (5, 7))])
def test_the_grid_follows_from_size_and_cells(size: tuple[int, int], cells: int, grid: tuple[int, int]) -> None:
    assert grid_of(torch.zeros(1, 3, *size), cells) == grid


def test_cells_that_fit_no_stride_are_refused() -> None:
    with pytest.raises(UsageError, match="64 x 64 pixels does not give 5 cells"):
        grid_of(torch.zeros(1, 3, 64, 64), 5)


def test_cells_beyond_a_picture_are_not_valid() -> None:
    mask = torch.ones(2, 64, 96)
    mask[1, 32:] = 0
    inputs = {"pixel_values": torch.zeros(2, 3, 64, 96), "pixel_mask": mask}
    outputs, sizes = {"logits": torch.zeros(2, 4, 3), "cells": torch.zeros(2, 6)}, {"image": 6, "query": 4}
    valid = valid_tokens(FAMILY, inputs, outputs, sizes)
    assert valid.keys() == {"image"}
    assert valid["image"].tolist() == [[True] * 6, [True] * 3 + [False] * 3]
    assert valid_tokens(FAMILY, {"pixel_values": inputs["pixel_values"]}, outputs, sizes) == {}
