"""Classes and texts on a sheet: one panel each, within the frame that the model saw, and the words under it."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from mmx.errors import UsageError
from mmx.render.colors import SEQUENTIAL
from mmx.render.map_methods import map_methods_sheet
from mmx.render.map_sheet import framed, map_sheet
from mmx.render.map_words import counted, heading, layers_read
from mmx.render.overlay import overlay_map
from mmx.types import Explanation, Explanations, Match, Prediction


def of(*explanations: Explanation, method: str = "relevance") -> Explanations:
    first = explanations[0]
    return Explanations(first.picture, method, first.model, explanations)


@pytest.fixture
def text(build: Callable[..., Explanation]):
    def explanation(question: str = "a red circle", **changes: object) -> Explanation:
        return build(question, image_scores=[0.0, 1.0, 0.2, 0.4], boxes=[], **{
            "grid": (2, 2), "match": Match(0.268, 26.8), "view_xyxy_px": (16, 0, 48, 48),
            "start_layers": {"image": -1, "text": -1}, **changes})

    return explanation


@pytest.fixture
def label(text):
    return lambda **changes: text(**{"question": "", "tokens": (), "match": None, "start_layers": {"image": 0},
                                     "scores": {"image": np.array([0.0, 1.0, 0.2, 0.4])}, **changes})


def test_headings(text, label) -> None:
    assert heading(label()).replace("\u00a0", " ") == "cat 80 %"
    assert heading(text()).replace("\u00a0", " ") == "similarity 0.27, softmax 80 %"
    alone = text(predictions=(Prediction(0, "a red circle", 1.0),), match=Match(-0.1, -10))
    assert heading(alone) == "similarity \u22120.10"
    assert [counted(of(text(), text())), counted(of(text())), counted(of(label())), counted(of(label(), label()))] == [
        "2 texts", "1 text", "1 class", "2 classes"]


@pytest.mark.parametrize(("starts", "told"), [
    ({"image": 0}, ""), ({"image": -1}, "last layer only"), ({"image": 3}, "image layers from 3 on"),
    ({"image": -1, "text": -1}, "last layer of each stream"), ({"image": 0, "text": 0}, "all layers of each stream"),
    ({"image": 0, "text": -1}, "all image layers, last text layer"),
    ({"image": 2, "text": -2}, "image layers from 2 on, text layers from -2 on"), ({}, "")])
def test_which_layers_were_read(text, starts: dict[str, int], told: str) -> None:
    assert layers_read(text(start_layers=starts)) == told


def test_a_map_lies_on_what_the_model_saw_alone() -> None:
    image = Image.new("RGB", (80, 40), (120, 120, 120))
    whole = np.asarray(overlay_map(image, np.ones((2, 2)), SEQUENTIAL)).astype(int)
    part = np.asarray(overlay_map(image, np.ones((2, 2)), SEQUENTIAL, (20, 0, 60, 40))).astype(int)
    untouched = np.asarray(overlay_map(image, np.zeros((2, 2)), SEQUENTIAL)).astype(int)
    assert (part[:, 20:60] == whole[:, 20:60]).all()
    assert (part[:, :20] == untouched[:, :20]).all()
    assert (part[:, 60:] == untouched[:, 60:]).all()
    beyond = np.asarray(overlay_map(image, np.ones((2, 2)), SEQUENTIAL, (-20, -10, 100, 50))).astype(int)
    assert (beyond == whole).all()


@pytest.mark.parametrize(("view", "is_framed"), [
    ((16, 0, 48, 48), True), ((0, 12, 64, 36), True), ((0, 0, 64, 48), False), ((0.5, 0, 63.5, 48), False),
    (None, False)])
def test_a_frame_shows_what_the_model_saw_where_that_is_not_all(text, view: tuple | None, is_framed: bool) -> None:
    picture = Image.new("RGB", (320, 240), (120, 120, 120))
    drawn = np.asarray(framed(text(view_xyxy_px=view), picture))
    assert (drawn != 120).any() == is_framed
    if view == (16, 0, 48, 48):
        assert sorted({*np.nonzero((drawn[120] != 120).any(axis=-1))[0].tolist()})[0] in range(75, 81)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 30])
def test_a_sheet_has_a_panel_for_each(text, count: int) -> None:
    sheet = map_sheet(of(*(text(f"text {number}") for number in range(count))))
    assert sheet.width == 1536
    assert sheet.height > 500


def test_a_sheet_of_texts_is_higher_by_the_words_under_the_maps(text, label) -> None:
    plain = map_sheet(of(label(), label()))
    assert map_sheet(of(text(), text())).height > plain.height - 40
    assert map_sheet(of(text("word " * 60), text())).height > map_sheet(of(text(), text())).height + 60


def test_methods_side_by_side(text, label) -> None:
    results = [of(text(method=name), text("another", method=name), method=name) for name in ("relevance", "rollout")]
    of_one = map_methods_sheet([of(one[0], method=one.method) for one in results])
    assert map_methods_sheet(results).height > of_one.height + 300
    assert map_methods_sheet([of(label())] * 9).width > 2000
    with pytest.raises(UsageError, match="differ in picture, model, classes or texts"):
        map_methods_sheet([of(text()), of(text("other"))])
    with pytest.raises(UsageError, match="at least one"):
        map_methods_sheet([])


def test_one_explanation_draws_and_saves_itself(text, label, tmp_path) -> None:
    assert text().to_dict()["texts"][0]["text"] == "a red circle"
    assert label().to_dict()["classes"][0]["label"] == "cat"
    assert [path.name for path in text().save(tmp_path)] == ["my_cat.text-7.relevance.png",
                                                             "my_cat.text-7.relevance.json"]
    assert label().save(tmp_path)[0].name == "my_cat.class-7.relevance.png"
    assert [path.name for path in of(label()).save(tmp_path, "it")] == ["it.relevance.png", "it.relevance.json"]


def test_in_a_notebook_the_alternative_text_says_what_it_is(text) -> None:
    html = of(text("a <red> circle"), text())._repr_html_()
    assert 'alt="a &lt;red&gt; circle similarity 0.27' in html
    assert html.startswith("<figure")
