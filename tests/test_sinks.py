"""How much relevance lies on a text's first token and on the border of patches, by hand."""

from pathlib import Path

import numpy as np
import pytest
from noise import noise

import mmx
from mmx.results import Block, Patches, Region, Regions, Token, Words
from mmx.results.sinks import is_sink, sink_shares

BOX = (0.0, 0.0, 40.0, 30.0)


def words(*tokens: str) -> Words:
    return Words(" ".join(tokens), tuple(Token(one, one, False, None) for one in tokens))


@pytest.mark.parametrize(("rows", "columns", "inside"), [(3, 4, [5, 6]), (4, 3, [4, 7]), (2, 5, []), (1, 1, [])])
def test_the_border_of_a_grid(rows: int, columns: int, inside: list[int]) -> None:
    assert np.flatnonzero(~is_sink(Patches(rows, columns, BOX))).tolist() == inside


def test_shares_of_the_positive_relevance() -> None:
    image = np.array([1, 0, 0, 0, 0, 2, 3, 0, -9, 0, 0, 4.0])
    found = sink_shares([Block("text", words("[CLS]", "a"), np.array([1.0, 3.0])),
                         Block("image", Patches(3, 4, BOX), image),
                         Block("regions", Regions((Region(BOX),)), np.ones(1)),
                         Block("answer", words("[BOS]", "red"), np.ones(2))])
    assert found == {"text": 0.25, "image": 0.5}


def test_a_stream_of_several_blocks_has_one_first_token_and_every_border() -> None:
    grid = Patches(1, 2, BOX)
    assert sink_shares([Block("text", words("a", "b"), np.ones(2)), Block("text", words("c"), np.ones(1)),
                        Block("image", grid, np.ones(2)), Block("image", grid, np.ones(2))]) == {
        "text": pytest.approx(1 / 3), "image": 1}


def test_without_positive_relevance_there_is_no_share() -> None:
    assert sink_shares([Block("image", Patches(2, 2, BOX), -np.ones(4))]) == {"image": None}
    assert sink_shares([Block("image", Patches(0, 0, BOX), np.zeros(0))]) == {"image": None}


def test_a_map_and_its_file_have_it_and_the_scores_stay(tiny_clip: Path) -> None:
    picture = noise((40, 40), 60)
    found = mmx.load(tiny_clip).explain(picture, text="a")
    [item], [written] = found, found.to_dict()["items"]
    side = round(len(item.scores["image"]) ** 0.5)
    grid = np.asarray(item.scores["image"], dtype=float).reshape(side, side)
    inner = grid[1:-1, 1:-1].sum() / grid.sum()
    assert (grid >= 0).all() and written["scores"]["image"] == grid.flatten().tolist()
    assert found.sink_shares() == written["sink_shares"]
    assert written["sink_shares"] == {
        "image": pytest.approx(1 - inner), "text": pytest.approx(item.scores["text"][0] / item.scores["text"].sum())}
