import numpy as np
import pytest
from PIL import Image

from mmx.errors import UsageError
from mmx.render.colors import shades_of
from mmx.render.legend import number, percent, ranking, scale_bar
from mmx.render.panel import answer_lines, explanation_panel, small_print
from mmx.render.picture import picture_with_regions
from mmx.render.sheet import comparison_sheet
from mmx.render.tags import draw_tags, ranked
from mmx.render.typeset import Style
from mmx.types import Prediction, Region


def margins_are_white(panel: Image.Image, margin: int = 40) -> bool:
    pixels = np.asarray(panel)
    edges = (pixels[:margin], pixels[-margin:], pixels[:, :margin], pixels[:, -margin:])
    return all((edge == 255).all() for edge in edges)


@pytest.mark.parametrize("size", [(1, 1), (3000, 20), (20, 3000), (640, 480), (7, 5)])
def test_any_picture_gives_a_readable_figure(build, size) -> None:
    panel = explanation_panel(build(size=size, labels=("a label that is longer than this picture is wide",)))
    assert panel.mode == "RGB"
    assert panel.width >= 720
    assert 300 < panel.height < 2000
    assert margins_are_white(panel)


@pytest.mark.parametrize(
    "question",
    ["ما لون الكرة؟", "猫はどこですか", "🐈\u200d⬛?", "a\nb\x00c", "x" * 400, "why " * 300, " ", "\ud83d ?", "<b>&"],
)
def test_any_question_stays_inside_the_figure(build, question: str) -> None:
    panel = explanation_panel(build(question))
    assert margins_are_white(panel)


def test_long_texts_make_the_figure_grow(build) -> None:
    short = explanation_panel(build())
    assert explanation_panel(build("why " * 300)).height > short.height + 200
    assert explanation_panel(build(notes=("a note " * 100,))).height > short.height + 80
    long_answer = Prediction(7, "word " * 80, 0.8)
    assert explanation_panel(build(predictions=(long_answer,))).height != short.height


def test_no_regions_and_many_regions(build) -> None:
    assert margins_are_white(explanation_panel(build(boxes=[])))
    many = [(i % 64, i % 48, i % 64 + 9, i % 48 + 9) for i in range(500)]
    assert margins_are_white(explanation_panel(build(boxes=many, labels=("a", None, "猫"))))


def test_missing_streams_are_drawn_plain(build) -> None:
    explanation = build(scores={})
    plain = picture_with_regions(explanation, 64)
    assert (np.asarray(plain) == 120).all()
    assert margins_are_white(explanation_panel(explanation))


def test_every_region_needs_a_score(build) -> None:
    with pytest.raises(ValueError, match="2 image scores for 1 regions"):
        picture_with_regions(build(image_scores=[1.0, 2.0]))


def test_boxes_grow_with_the_picture(build) -> None:
    pixels = np.asarray(picture_with_regions(build(size=(64, 48)), 960)).astype(int)
    redness = (pixels[..., 0] - pixels[..., 2])[600]
    assert pixels.shape == (720, 960, 3)
    assert (redness[:480] >= 30).all()
    assert (redness[480:] == 0).all()


def test_tags_stay_inside_the_picture_and_apart() -> None:
    canvas = Image.new("RGB", (400, 300), "white")
    boxes = np.array([(0, 0, 60, 20), (0, 0, 60, 21), (350, 280, 400, 300)], dtype=float)
    draw_tags(canvas, boxes, [Region((0, 0, 0, 0), "red")] * 3, np.array([1.0, 0.6, 0.3]), shades_of(boxes[0]).colormap,
              Style(16))  # fmt: skip
    colors = {color for _, color in canvas.getcolors(100000)}
    fills = shades_of(boxes[0]).colormap(np.array([1.0, 0.6, 0.3]))
    shown = [np.asarray(canvas).reshape(-1, 3).tolist().count(fill.tolist()) for fill in fills]
    assert all(tuple(fill) in colors for fill in fills.tolist())
    assert min(shown) > 0.6 * max(shown)


def test_ranking_names_the_strongest_and_leaves_out_what_is_zero() -> None:
    regions = [Region((0, 0, 1, 1), label) for label in ("a", "b", None, "d")]
    assert ranked(np.array([0.1, -0.9, 0.5, 0.0])) == [1, 2, 0]
    assert ranked(np.zeros(4)) == []
    assert ranking(regions, np.array([0.1, -0.9, 0.512, 0.0])) == "1 b\u00a0(\u22120.9), 2\u00a0(0.51), 3 a\u00a0(0.1)"


def test_answer_lines(build) -> None:
    assert answer_lines(build()) == ("Answer: cat (80\u00a0%)", "then dog (15\u00a0%), cow (4\u00a0%)")
    explained, aside = answer_lines(build(target=1))
    assert explained == "Explained: dog (15\u00a0%)"
    assert aside == "Predicted: cat (80\u00a0%), then cow (4\u00a0%)"
    assert answer_lines(build(predictions=())) == ("Answer: cat (80\u00a0%)", "")


def test_small_print_says_rule_origin_and_each_note_once(build) -> None:
    lines = small_print(build(notes=("careful", "careful")))
    assert lines[0] == "relevance \u00b7 tiny \u00b7 regions: by hand"
    assert lines[1:] == ["Words and regions are each scaled to their own largest score.", "Note: careful"]


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.0, "0"), (1.0, "1"), (0.04149, "0.041"), (1234.5, "1200"), (-0.0333, "\u22120.033"), (1.23e-7, "1.2e\u221207")],
)
def test_numbers_have_two_significant_digits(value: float, written: str) -> None:
    assert number(value) == written


@pytest.mark.parametrize(
    ("share", "written"), [(0.0, "0 %"), (0.004, "< 1 %"), (0.97, "97 %"), (0.9991, "> 99 %"), (1.0, "100 %")]
)
def test_percent_is_never_rounded_to_certainty(share: float, written: str) -> None:
    assert percent(share).replace("\u00a0", " ") == written


def test_scale_bar_shows_both_end_colors() -> None:
    for scores in (np.array([0.0, 2.0]), np.array([-2.0, 1.0])):
        shades = shades_of(scores)
        colors = {color for _, color in scale_bar(shades, "relevance", Style(18), 700).getcolors(100000)}
        assert tuple(shades.colormap(1.0).tolist()) in colors
        assert tuple(shades.colormap(shades.colormap.low).tolist()) in colors


def test_scale_bar_of_nothing_is_a_sentence() -> None:
    bar = np.asarray(scale_bar(shades_of(np.zeros(3)), "relevance", Style(18), 700)).astype(int)
    assert bar.min() < 60
    assert np.ptp(bar, axis=2).max() <= 22


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 7])
def test_sheet_has_a_cell_for_each_method(build, count: int) -> None:
    sheet = comparison_sheet([build(method=f"method {i}") for i in range(count)])
    assert margins_are_white(sheet)
    red = np.asarray(sheet).astype(int)
    hottest = (abs(red - [182, 10, 30]).sum(axis=2) == 0).sum()
    assert hottest > 1000 * count


def test_sheet_refuses_to_mix_subjects(build) -> None:
    with pytest.raises(UsageError, match="differ"):
        comparison_sheet([build("Is it?"), build("Was it?")])
    with pytest.raises(UsageError, match="differ"):
        comparison_sheet([build(target=0), build(target=1)])
    with pytest.raises(UsageError, match="at least one"):
        comparison_sheet([])
