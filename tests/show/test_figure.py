"""The one figure as plain data: rows are items, columns are methods, and what is told beside them."""

from dataclasses import replace

import numpy as np
import pytest
from by_hand import MODEL, by, explanation_of, picture_of, words_of

from mmx.errors import UsageError
from mmx.results import Asked, Explanation, Item, Patches, Prediction, Region, Regions
from mmx.show.colors import DIVERGING, GREY, INK, SEQUENTIAL, Colors, Look
from mmx.show.figure import MOST_ROWS, MOST_ROWS_OF_METHODS, Figure, figure_of
from mmx.show.panels import Map, Outlines, color_of
from mmx.show.wording import number


def told(text: str) -> str:
    return text.replace("\u00a0", " ")


def layers(figure: Figure) -> list[Map | Outlines]:
    return [layer for row in figure.rows for panel in row.panels for view in panel.views for layer in view.layers]


def test_a_question_over_regions_is_one_panel_beneath_its_shaded_words(answer) -> None:
    figure = figure_of([answer()])
    assert (figure.title, figure.overview, figure.columns) == ("What is it?", None, ("relevance",))
    assert [word.text for word in figure.title_text.words] == ["What", "is", "it", "?"]
    assert tuple(map(told, figure.lines)) == ("Answer: cat (80 %)", "then dog (15 %), cow (4 %)")
    assert told(figure.origin) == "tiny · relevance · regions: by hand"
    panel, = figure.rows[0].panels
    assert (panel.heading, panel.texts) == ("", ())
    assert [scale.label for scale in panel.scales] == ["relevance of regions"]
    assert panel.caption == "strongest: 1 cat 0.2"


def test_a_question_over_patches_stands_beside_the_plain_picture(joint) -> None:
    figure = figure_of([joint()])
    assert [word.text for word in figure.title_text.words] == ["What", "is", "it", "?"]
    assert figure.overview.heading == "picture" and figure.overview.views[0].marks == ()
    layer, = layers(figure)
    (strengths, _), = layer.grids
    assert strengths == pytest.approx(np.array([[0, 0.2, 0.4], [0.6, 0.8, 1]]))
    assert told(figure.rows[0].panels[0].heading) == "cat 80 %"


def test_the_score_of_a_special_token_scales_neither_words_nor_patches(joint) -> None:
    figure = figure_of([joint()])
    assert layers(figure)[0].shades.largest == 0.1
    assert figure.title_text.shades.largest < 1


def test_words_that_are_not_the_question_stay_in_their_panel(joint) -> None:
    figure = figure_of([replace(joint("is it\n red"), asked=Asked("is it red"))])
    assert figure.title_text is not None
    figure = figure_of([replace(joint("User: is it red"), asked=Asked("is it red"))])
    assert figure.title_text is None and len(figure.rows[0].panels[0].texts) == 1


def test_texts_have_their_own_words_under_their_own_maps(texts) -> None:
    figure = figure_of([texts()])
    assert (figure.title, figure.lines, figure.title_text) == ("my cat.jpg", (), None)
    assert told(figure.origin) == "2 texts · tiny · relevance · last layer of each stream"
    panels = [row.panels[0] for row in figure.rows]
    assert [told(panel.heading) for panel in panels] == ["similarity 0.27, softmax 83 %"] * 2
    assert [" ".join(word.text for word in panel.texts[0].words) for panel in panels] == ["a red circle", "a dog"]


def test_a_text_without_relevance_of_its_words_is_named(texts) -> None:
    both = texts()
    mute = replace(both, items=tuple(replace(item, scores={"image": item.scores["image"]}) for item in both))
    panels = [row.panels[0] for row in figure_of([mute]).rows]
    assert [told(panel.heading) for panel in panels] == [
        "a red circle: similarity 0.27, softmax 83 %", "a dog: similarity 0.27, softmax 83 %"]


@pytest.mark.parametrize(("view", "is_framed"), [
    ((16, 0, 48, 48), True), ((0, 12, 64, 36), True), ((0, 0, 64, 48), False), ((0.5, 0, 63.5, 48), False),
    ((-8, -8, 72, 56), False)])
def test_a_frame_shows_what_the_model_saw_where_that_is_not_all(texts, view: tuple, is_framed: bool) -> None:
    figure = figure_of([texts(box=view)])
    views = [figure.overview.views[0], figure.rows[0].panels[0].views[0]]
    assert all([(mark.box_xyxy_px, mark.color) for mark in one.marks] == ([(view, GREY)] if is_framed else [])
               for one in views)
    assert any("inside the frame" in line for line in figure.small_print) == is_framed


def test_detections_are_numbered_and_coloured_on_an_overview(detections) -> None:
    figure = figure_of([detections()])
    assert told(figure.origin) == "2 detections over 50 % · tiny · relevance"
    marks = figure.overview.views[0].marks
    assert [(told(mark.tag), mark.short, mark.color) for mark in marks] == [
        ("1 cat 90 %", "1", color_of(0)), ("2 cat 89 %", "2", color_of(1))]
    assert [(told(row.heading), row.color) for row in figure.rows] == [
        ("1 cat 90 % (query 10)", color_of(0)), ("2 cat 89 % (query 11)", color_of(1))]
    box, = figure.rows[1].panels[0].views[0].marks
    assert (box.box_xyxy_px, box.color) == ((32.0, 0.0, 64.0, 24.0), INK)


def test_nothing_found_is_told_beneath_the_picture(detections) -> None:
    figure = figure_of([detections(0)])
    assert figure.rows == () and figure.overview is not None
    assert told(figure.remarks[0]) == "Nothing is explained: no detection over 50 %. Surest: dog 31 % (query 3)."
    assert figure_of(by(detections(0), "a", "b")).overview is not None
    assert figure.small_print == ()


def test_more_items_than_panels_are_told_in_words(detections, classes) -> None:
    figure = figure_of([detections(MOST_ROWS + 2)])
    assert len(figure.rows) == MOST_ROWS
    assert told(figure.remarks[0]) == ("and 2 more, whose relevance the JSON file has: 25 cat 66 % (query 34), "
                                       "26 cat 65 % (query 35)")
    assert figure_of([detections(MOST_ROWS)]).remarks == ()
    assert figure_of([classes(300)]).remarks == ("and 276 more, whose relevance the JSON file has",)
    several = figure_of(by(classes(MOST_ROWS_OF_METHODS + 1), "one", "two"))
    assert len(several.rows) == MOST_ROWS_OF_METHODS
    assert told(several.remarks[0]) == "and 1 more, which each method's own figure shows: cat 8 80 %"


def test_methods_are_columns_beside_the_plain_picture_of_each_item(detections) -> None:
    figure = figure_of(by(detections(), "relevance", "rollout"))
    assert figure.columns == ("relevance", "rollout") and figure.overview is None
    assert "rollout" not in figure.origin
    row = figure.rows[1]
    assert told(row.heading) == "2 cat 89 % (query 11)"
    assert [(mark.color, mark.tag) for mark in row.plain.views[0].marks] == [(color_of(1), "")]
    assert [panel.heading for panel in row.panels] == ["relevance", "rollout"]
    assert [(panel.caption, panel.scales) for panel in row.panels] == [("largest 1", ())] * 2
    assert [scale.label for scale in figure.scales] == ["share of the largest score"]


def test_one_answer_by_several_methods_is_told_once(answer) -> None:
    figure = figure_of(by(answer(), "relevance", "rollout"))
    assert (figure.title_text, figure.rows[0].heading) == (None, "")
    assert all(len(panel.texts) == 1 for panel in figure.rows[0].panels)
    assert told(figure.lines[0]) == "Answer: cat (80 %)"


def test_a_scale_is_shown_for_each_kind_of_colours_in_use(classes) -> None:
    signed = classes(image=(-1.0, 1.0, 0.2, 0.0))
    assert layers(figure_of([signed]))[0].shades.colors == Colors(DIVERGING, signed=True)
    figure = figure_of([classes(method="a"), replace(signed, method="b")])
    assert [scale.shades.colors for scale in figure.scales] == [Colors(SEQUENTIAL), Colors(DIVERGING, signed=True)]
    assert [scale.shades.ends for scale in figure.scales] == [(0.0, 1.0), (-1.0, 1.0)]
    silent = figure_of(by(classes(image=np.zeros(4)), "a", "b"))
    assert silent.scales == () and silent.rows[0].panels[0].caption == "all zero"


@pytest.mark.parametrize(("mixed", "rule"), [
    ("regions", "Regions and words are"), ("patches", "Maps and words are"), ("texts", "Maps and words are"),
    ("classes", "Maps are"), ("detections", "Maps are"), ("nothing", None)], indirect=["mixed"])
def test_the_small_print_says_how_colours_are_scaled(mixed: Explanation, rule: str | None) -> None:
    lines = [line for line in figure_of([mixed]).small_print if "scaled" in line]
    assert lines == ([] if rule is None else [
        f"{rule} each scaled to their own largest score: compare where, not how much."])


def test_every_note_is_told_once(classes) -> None:
    one = classes(2, notes=("careful", "careful"), left_out={"lrp": "no rule"})
    one = replace(one, items=tuple(replace(item, notes=("of items", "careful")) for item in one),
                  pictures=(replace(picture_of(), notes=("turned",)),))
    lines = figure_of([one]).small_print
    assert [line for line in lines if line.startswith("Note")] == ["Note: careful", "Note: of items", "Note: turned"]
    assert told(lines[0]) == "Most probable: cat 0 80 %, cat 1 80 %, dog 15 %"
    assert not any("Left out" in line for line in lines)
    assert "Left out: lrp: no rule" in figure_of(by(one, "a", "b")).small_print


def test_several_blocks_and_pictures_share_a_scale() -> None:
    """A stream of two words blocks and patches of two pictures, one of them in two tiles."""
    first, second = words_of("is it"), words_of("or not")
    tiles = [Patches(1, 2, (0.0, 0.0, 32.0, 48.0)), Patches(1, 2, (32.0, 0.0, 64.0, 48.0)),
             Patches(2, 1, (0.0, 0.0, 64.0, 48.0), picture=1)]
    scores = np.array([0, 1, 2, 0, 0, 4, 8, 0, *[1, 2, 3, 4, 5, 10]], dtype=float)
    one = explanation_of((Item("token", 5, "cat", 0.5, "softmax", {"joint": scores}),), Asked("is it"), (64, 48),
                         elements={"joint": (first, second, *tiles)}, pictures=(picture_of(), picture_of((32, 32))))
    figure = figure_of([one])
    panel, = figure.rows[0].panels
    assert [text.shades.strengths.tolist() for text in panel.texts] == [[0.125, 0.25], [0.5, 1.0]]
    assert [view.picture for view in panel.views] == [0, 1]
    assert [[strengths.tolist() for strengths, _ in layer.grids] for layer in layers(figure)] == [
        [[[0.1, 0.2]], [[0.3, 0.4]]], [[[0.5], [1.0]]]]
    assert [layer.shades.strengths.tolist() for layer in layers(figure)] == [[0.1, 0.2, 0.3, 0.4], [0.5, 1.0]]
    assert figure.overview.heading == "pictures" and len(figure.overview.views) == 2
    assert all(view.marks == () for view in panel.views)


def test_regions_and_patches_of_one_item_are_two_views(classes) -> None:
    one = classes(elements={"image": (Patches(2, 2, (0.0, 0.0, 64.0, 48.0)),), "regions": (
        Regions((Region((0.0, 0.0, 9.0, 9.0), "dog"),), "by hand"),)})
    one = replace(one, items=(replace(one[0], scores={**one[0].scores, "regions": np.ones(1)}),))
    assert [type(layer) for layer in layers(figure_of([one]))] == [Map, Outlines]


def test_what_was_not_explained_is_a_plain_picture(answer, classes) -> None:
    for one in (answer(streams=()), replace(classes(), items=(replace(classes()[0], scores={}),)), answer(boxes=[])):
        figure = figure_of([one])
        assert layers(figure) == [] and len(figure.rows[0].panels[0].views) == 1


def test_a_result_without_pictures_has_words_alone(answer) -> None:
    figure = figure_of([answer(streams=("text",), pictures=(), elements={"text": (words_of("What is it?"),)})])
    assert figure.overview is None and figure.rows[0].panels[0].views == ()
    assert figure.title_text is not None


@pytest.mark.parametrize("change", [
    {"pictures": (replace(picture_of(), sha256="11"),)}, {"asked": Asked("Was it?")}, {"items": ()},
    {"items": (Item("answer", 3, "dog", 0.15, "softmax"),)}])
def test_different_subjects_are_not_compared(answer, change: dict) -> None:
    with pytest.raises(UsageError, match="differ in picture, model or what they explain"):
        figure_of([answer(), replace(answer(), **change)])


def test_there_must_be_something_to_show() -> None:
    with pytest.raises(UsageError, match="nothing to compare"):
        figure_of([])


def test_scores_that_do_not_fit_are_refused(answer) -> None:
    for scores, words in (([1.0, 2.0], "'image' scores have shape"), ([np.nan], "'image' scores are not all finite")):
        with pytest.raises(ValueError, match=words):
            figure_of([answer(image=scores)])


def test_a_regression_is_shown_as_what_it_is(classes) -> None:
    age = classes(unit="value", score=42.0, label="years", predictions=(Prediction(7, "years", 42.0, "value"),))
    figure = figure_of([age])
    assert figure.rows[0].heading == "years 42" and "%" not in " ".join(figure.small_print)


def test_a_look_is_that_of_every_layer_word_and_scale(joint) -> None:
    figure = figure_of([joint()], Look("viridis", 0.5, cells=True))
    colors = Colors("viridis", alpha=0.5)
    assert [(layer.shades.colors, layer.cells) for layer in layers(figure)] == [(colors, True)]
    assert figure.title_text.shades.colors == colors
    assert [scale.shades.colors for scale in figure.rows[0].panels[0].scales] == [colors]
    shared = figure_of(by(joint(), "a", "b"), Look("viridis", 0.5)).scales
    assert [scale.shades.colors for scale in shared] == [colors]
    assert not layers(figure_of([joint()]))[0].cells


def test_what_is_the_same_for_every_target_is_one_panel(classes) -> None:
    figure = figure_of([classes(3, same=True)])
    panel, = figure.rows[0].panels
    assert told(panel.heading) == "the same for all 3: cat 0 80 %, cat 1 80 % and cat 2 80 %"
    assert len(figure.rows) == len(layers(figure)) == 1 and figure.rows[0].color is None
    assert figure.remarks == () and told(figure.origin).startswith("3 classes")
    many = figure_of([classes(MOST_ROWS + 5, same=True)])
    assert len(many.rows) == 1 and many.remarks == ()
    assert told(many.rows[0].panels[0].heading).startswith(f"the same for all {MOST_ROWS + 5}: cat 0 80 %, cat 1 80 %")


def test_what_differs_for_one_target_has_a_panel_each(classes, texts, detections) -> None:
    same = classes(3, same=True)
    other = replace(same, items=(*same[:2], replace(same[2], scores={"image": np.array([0.0, 1.0, 0.2, 0.4001])})))
    assert len(figure_of([other]).rows) == 3
    assert len(figure_of([texts()]).rows) == 2  # each has words of its own
    assert len(figure_of([detections()]).rows) == 2  # each has a box of its own
    assert len(figure_of([classes(1)]).rows) == 1 and "same" not in figure_of([classes(1)]).rows[0].heading
    mute = replace(same, items=tuple(replace(item, scores={}) for item in same))
    assert len(figure_of([mute]).rows) == 3


def test_of_methods_what_is_the_same_for_every_target_is_shown_once(classes) -> None:
    figure = figure_of([*by(classes(3), "relevance", "gradcam"), *by(classes(3, same=True), "rollout", "raw")])
    assert [[panel.heading for panel in row.panels] for row in figure.rows] == [
        ["relevance", "gradcam", "rollout", "raw"], ["relevance", "gradcam"], ["relevance", "gradcam"]]
    assert [row.plain.caption for row in figure.rows] == ["", *["As above, whatever the target: rollout and raw"] * 2]
    assert [told(row.heading) for row in figure.rows] == ["cat 0 80 %", "cat 1 80 %", "cat 2 80 %"]
    figure = figure_of(by(classes(2, same=True), "rollout", "raw"))
    assert [(len(row.panels), told(row.heading)) for row in figure.rows] == [
        (2, "the same for all 2: cat 0 80 % and cat 1 80 %")]
    assert figure.remarks == ()
    many = figure_of(by(classes(300, same=True), "rollout", "raw"))
    assert told(many.rows[0].heading).startswith("the same for all 300: cat 0 80 %")
    assert told(many.rows[0].heading).endswith("cat 7 80 % and 292 more") and many.remarks == ()
    different = figure_of(by(classes(2), "relevance", "gradcam"))
    assert [(len(row.panels), row.plain.caption) for row in different.rows] == [(2, ""), (2, "")]


@pytest.mark.parametrize(("dtype", "score", "is_drawn"), [
    ("float32", 1e-37, False), ("float32", -1e-37, False), ("float32", 1e-20, True), ("bfloat16", 1e-37, False),
    ("float16", 1e-7, False), ("float16", 1e-3, True), ("float64", 1e-37, True), ("float64", 1e-300, False)])
def test_scores_below_the_noise_of_their_dtype_have_no_colours(classes, dtype: str, score: float,
                                                               is_drawn: bool) -> None:
    one = classes(image=(0.0, score, score / 2, 0.0), model=replace(MODEL, dtype=dtype))
    figure = figure_of([one])
    [layer], [scale] = layers(figure), figure.rows[0].panels[0].scales
    assert layer.shades.strengths.any() == is_drawn
    said = "" if is_drawn else f"all but zero: none is over {abs(score):.0e}, which is rounding noise"
    assert scale.without.replace("\u2212", "-") == said
    several = figure_of(by(one, "a", "b"))
    assert (several.scales != ()) == is_drawn
    caption = several.rows[0].panels[0].caption
    assert caption.replace("\u2212", "-") == said or (is_drawn and caption == f"largest {number(score)}")


def test_words_and_regions_below_the_noise_have_no_colours_either(answer) -> None:
    figure = figure_of([answer(text=[0, *[1e-37] * 4, 0], image=[1e-37])])
    assert not figure.title_text.shades.strengths.any() and not layers(figure)[0].shades.strengths.any()
    assert "all but zero" in figure.rows[0].panels[0].scales[0].without
    assert figure.rows[0].panels[0].caption == ""  # no region is the strongest
    assert figure_of([answer(image=[1e-20])]).rows[0].panels[0].caption.startswith("strongest: 1 cat 1e")
