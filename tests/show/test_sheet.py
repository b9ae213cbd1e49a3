"""Figures as pictures: readable for any picture and text, nothing cut, the colours where the scores are."""

from dataclasses import replace

import numpy as np
import pytest
from by_hand import by, drawn, explanation_of, picture_of
from matplotlib import rc_context
from matplotlib.text import Text
from PIL import Image

from mmx.results import Asked, Explanation, Item, Patches, Prediction
from mmx.show import view
from mmx.show.colors import INK, SEQUENTIAL, Colors, Look
from mmx.show.figure import figure_of
from mmx.show.panels import color_of
from mmx.show.plotting import FORMATS
from mmx.show.saving import Drawing, to_image, to_plot
from mmx.show.view import Pictures, fitted, view_block

SIZES = [(64, 48), (1, 1), (2000, 10), (10, 2000), (30, 100), (300, 100)]
LONG = "a label that is longer than a panel of this picture is wide " * 3
STRONGEST = (182, 10, 30)


def sheet_of(*explanations: Explanation) -> Image.Image:
    return to_image(explanations)


def margins_are_white(sheet: Image.Image, margin: int = 40) -> bool:
    pixels = np.asarray(sheet)
    edges = (pixels[:margin], pixels[-margin:], pixels[:, :margin], pixels[:, -margin:])
    return all((edge == 255).all() for edge in edges)


def pixels_of(image: Image.Image, color: tuple[int, ...]) -> int:
    return int((np.asarray(image) == color).all(axis=2).sum())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mix", ["answer", "joint", "texts", "classes", "detections"])
def test_any_picture_gives_a_readable_figure(mix: str, size: tuple[int, int], request) -> None:
    one = request.getfixturevalue(mix)(size=size)
    for sheet, widths in ((sheet_of(one), (816, 1536)), (sheet_of(*by(one, "a", "b")), (816, 2496))):
        assert sheet.mode == "RGB"
        assert widths[0] <= sheet.width <= widths[1]
        assert 200 < sheet.height < 4000
        assert margins_are_white(sheet)


@pytest.mark.parametrize("count", [0, 1, 5])
@pytest.mark.parametrize("size", SIZES)
def test_any_number_of_detections_in_any_picture(detections, count: int, size: tuple[int, int]) -> None:
    sheet = sheet_of(detections(count, size))
    assert sheet.width == 1536 and 200 < sheet.height < 4000 and margins_are_white(sheet)


@pytest.mark.parametrize("text", ["ما لون الكرة؟", "猫はどこですか", "🐈\u200d⬛?", "a\nb\x00c", "x" * 400,
                                  "why " * 150, " ", "\ud83d ?", "<b>&", ""])
def test_any_text_stays_inside_the_figure(answer, texts, detections, text: str) -> None:
    for one in (answer(text), texts(text, "other"), detections(2, label=text)):
        assert margins_are_white(sheet_of(one))
        assert margins_are_white(sheet_of(*by(one, "a", "b")))


def test_long_texts_make_the_figure_grow(answer, texts, detections) -> None:
    short = sheet_of(answer()).height
    assert sheet_of(answer("why " * 300)).height > short + 200
    assert sheet_of(answer(notes=("a note " * 100,))).height > short + 80
    assert sheet_of(answer(predictions=(Prediction(7, "word " * 80, 0.8, "softmax"),))).height > short + 80
    assert sheet_of(texts("word " * 60)).height > sheet_of(texts("word")).height + 60
    assert sheet_of(detections(3, label=LONG)).height > sheet_of(detections(3)).height + 40


def test_no_regions_and_many_regions(answer) -> None:
    assert margins_are_white(sheet_of(answer(boxes=[])))
    many = [(i % 64, i % 48, i % 64 + 9, i % 48 + 9) for i in range(500)]
    assert margins_are_white(sheet_of(answer(boxes=many, labels=("a", None, "猫"))))


def view_of(one: Explanation, size: int, look: Look | None = None) -> np.ndarray:
    shown = figure_of([one], look).rows[0].panels[0].views[0]
    return drawn(view_block(shown, Pictures(one.pictures), size, size))


def test_regions_grow_with_the_picture(answer) -> None:
    pixels = view_of(answer(), 960)
    redness = (pixels[..., 0] - pixels[..., 2])[600]
    assert pixels.shape == (720, 960, 3)
    assert (redness[:480] >= 30).all()
    assert (redness[480:] == 0).all()


def test_a_picture_without_relevance_is_plain(answer) -> None:
    assert (view_of(answer(streams=()), 64) == 120).all()


def test_a_map_takes_on_the_hottest_colour_where_its_largest_score_is(classes) -> None:
    one = classes(image=(0.0, 0.0, 0.0, 1.0), size=(60, 60))
    distance = np.abs(view_of(one, 600) - STRONGEST).sum(axis=2)
    rows, columns = np.nonzero(distance < 160)
    assert len(rows) > 1000 and rows.min() > 300 and columns.min() > 300


def test_a_map_shows_its_cells_where_they_are_asked_for(classes) -> None:
    one = classes(image=(0.0, 0.5, 0.75, 1.0), size=(60, 60))
    smooth, cells = (view_of(one, 600, look) for look in (None, Look(cells=True)))
    colors = Colors(SEQUENTIAL).over(np.full((4, 3), 120), np.array([0.0, 0.5, 0.75, 1.0])).tolist()
    for color, (top, left) in zip(colors, ((0, 0), (0, 300), (300, 0), (300, 300)), strict=True):
        assert (cells[top:top + 300, left:left + 300] == color).all()
    assert len(np.unique(smooth.reshape(-1, 3), axis=0)) > 40


def test_a_picture_has_more_pixels_where_the_sheet_can_be_enlarged(classes) -> None:
    one = classes(size=(60, 60))
    shown, dense = figure_of([one]).rows[0].panels[0].views[0], Pictures(one.pictures, 3)
    assert dense.fitted(0, 200, 100).size == (300, 300)
    block, plain = view_block(shown, dense, 200, 100), view_block(shown, Pictures(one.pictures), 200, 100)
    assert (block.width, block.height) == (plain.width, plain.height) == (100, 100)
    assert np.abs(drawn(block) - drawn(plain)).max() < 12


def test_the_frame_and_the_box_stand_where_they_are(texts, detections) -> None:
    framed = view_of(texts(image=(0.0, 0.0, 0.0, 0.0), box=(16.0, 0.0, 48.0, 48.0)), 320)
    changed = np.flatnonzero((framed[120] != framed[120, 0]).any(axis=-1))
    assert changed[0] in range(76, 82) and changed[-1] in range(238, 244)
    boxed = view_of(detections(maps=[np.zeros((2, 3))] * 2), 320)
    assert (boxed == INK).all(axis=2)[:120].any() and not (boxed == INK).all(axis=2)[130:].any()


def test_a_picture_is_scaled_once_for_all_views_of_one_size(detections, monkeypatch) -> None:
    scaled = []
    monkeypatch.setattr(view, "fitted", lambda image, *size: scaled.append(size) or fitted(image, *size))
    sheet_of(*by(detections(4), "a", "b", "c"))
    assert len(scaled) == 1


def test_small_pictures_have_no_tags_that_hide_them(answer) -> None:
    small, large = (view_of(answer(size=(64, 64), boxes=[(0, 0, 64, 64)]), size) for size in (80, 600))
    assert not (small == STRONGEST).all(axis=2)[10:-10, 10:-10].any()
    assert (large == STRONGEST).all(axis=2)[10:-10, 10:-10].sum() > 500


def test_a_panel_for_each_detection_up_to_a_limit(detections) -> None:
    outlined = [pixels_of(sheet_of(detections(count)), INK) for count in (3, 6, 24, 30)]
    assert outlined[0] < outlined[1] < outlined[2]
    assert outlined[3] < 1.3 * outlined[2]


def test_every_box_has_its_own_color_up_to_the_number_of_colors(detections) -> None:
    sheet = sheet_of(detections(7))
    assert all(pixels_of(sheet, color_of(number)) > 500 for number in range(7))
    assert pixels_of(sheet_of(detections(3)), color_of(4)) == 0


def test_every_map_is_scaled_to_its_own_largest_score(classes) -> None:
    one, other = (classes(image=(scale, 0.0, 0.0, 0.0)) for scale in (1.0, 0.01))
    assert (view_of(one, 300) == view_of(other, 300)).all()
    assert sheet_of(one).tobytes() != sheet_of(other).tobytes()  # the ends of the scale are told


@pytest.mark.parametrize("count", [2, 3, 4, 6, 7, 12])
def test_every_method_has_a_panel(answer, count: int) -> None:
    sheet = sheet_of(*by(answer(), *(f"method {number}" for number in range(count))))
    assert margins_are_white(sheet)
    assert pixels_of(sheet, STRONGEST) > 1000 * count
    assert sheet.width <= 2496


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 30])
def test_every_text_has_a_panel(texts, count: int) -> None:
    sheet = sheet_of(texts(*(f"text {number}" for number in range(count))))
    assert sheet.width == 1536 and sheet.height > 500 and margins_are_white(sheet)


def test_methods_have_a_row_for_each_item(detections) -> None:
    sheets = [sheet_of(*by(detections(count), *"abc"[:methods])) for count, methods in ((2, 2), (2, 3), (6, 3), (9, 3))]
    assert sheets[0].width < sheets[1].width == sheets[2].width == sheets[3].width
    assert sheets[1].height < sheets[2].height < sheets[3].height


def test_several_pictures_stand_beneath_each_other() -> None:
    pictures = picture_of(), picture_of((48, 64))
    grids = Patches(1, 2, (0.0, 0.0, 64.0, 48.0)), Patches(2, 1, (0.0, 0.0, 48.0, 64.0), picture=1)
    item = Item("answer", 0, "yes", 0.5, "softmax", {"joint": np.arange(4.0)})
    both = explanation_of((item,), Asked("Same?"), (64, 48), elements={"joint": grids}, pictures=pictures)
    one = replace(both, elements={"joint": grids[:1]}, pictures=pictures[:1],
                  items=(replace(item, scores={"joint": np.arange(2.0)}),))
    assert sheet_of(both).height > sheet_of(one).height + 400
    assert margins_are_white(sheet_of(both))


def test_words_without_a_picture_are_a_figure(answer) -> None:
    one = answer(streams=("text",), pictures=())
    one = replace(one, elements={"text": one.elements["text"]})
    assert margins_are_white(sheet_of(one)) and margins_are_white(sheet_of(*by(one, "a", "b")))
    assert margins_are_white(sheet_of(replace(one, items=())))


def test_what_is_the_same_for_every_item_takes_one_panel(classes) -> None:
    same, other = classes(3, same=True), classes(3)
    assert sheet_of(same).height < sheet_of(other).height
    several = [*by(other, "a", "b"), *by(same, "c", "d")]
    assert sheet_of(*several).height < sheet_of(*by(other, "a", "b", "c", "d", "e", "f", "g")).height
    assert margins_are_white(sheet_of(same)) and margins_are_white(sheet_of(*several))
    assert margins_are_white(sheet_of(*by(same, "a", "b")))


def test_words_that_are_the_same_for_every_item_need_no_picture(answer) -> None:
    one = answer(streams=("text",), pictures=())
    items = one[0], replace(one[0], label="dog", index=3)
    several = replace(one, elements={"text": one.elements["text"]}, items=items)
    assert margins_are_white(sheet_of(several)) and margins_are_white(sheet_of(*by(several, "a", "b")))


def test_scripts_without_a_font_are_told_once_beneath_it(answer, installed) -> None:
    one = answer("猫はどこ？ 🐈", labels=("แมว",), notes=("猫", "แมว"))
    for explanations in ([one], by(one, "a", "b")):
        told = [text.get_text() for text in to_plot(explanations).findobj(Text) if "No font" in text.get_text()]
        assert len(told) == len(set(told)) == 3
    assert not [text for text in to_plot([answer("ما לון?")]).findobj(Text) if "No font" in text.get_text()]


STYLES = {"image.origin": "lower", "font.style": "italic", "font.stretch": "condensed", "font.size": 30.0,
          "font.family": ["serif"], "text.hinting": "none", "text.antialiased": False, "text.color": "red",
          "path.sketch": (1, 100, 2), "path.snap": False, "patch.antialiased": False, "patch.linewidth": 9.0,
          "patch.force_edgecolor": True, "figure.facecolor": "red", "figure.edgecolor": "red", "figure.frameon": False,
          "figure.dpi": 300.0, "figure.autolayout": True, "savefig.bbox": "tight", "savefig.transparent": True,
          "savefig.facecolor": "red", "savefig.dpi": 300.0, "svg.fonttype": "none", "svg.hashsalt": "x",
          "pdf.fonttype": 3, "pdf.compression": 0, "image.composite_image": False, "image.interpolation": "bilinear"}


@pytest.mark.parametrize("kind", ["sheet", "overlay"])
def test_no_file_depends_on_a_users_style(answer, kind: str, installed) -> None:
    drawing, one = Drawing(kind, FORMATS), answer("What? מה", (640, 20))  # type: ignore[arg-type]
    plain = drawing.files([one], "a")
    installed()  # forgets every width that it has measured
    with rc_context(STYLES):
        styled = drawing.files([one], "a")
    assert [name for name in plain if styled[name] != plain[name]] == []


def test_no_picture_depends_on_a_users_style(answer, installed) -> None:
    one = answer("What? מה", (640, 20))
    images = one.to_image().tobytes(), one.overlay().tobytes(), one._repr_html_()
    installed()
    with rc_context(STYLES):
        assert (one.to_image().tobytes(), one.overlay().tobytes(), one._repr_html_()) == images
