"""Sheets, JSON and HTML of detections that are built by hand."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmx.errors import UsageError
from mmx.render.boxes import Tagged, color_of, draw_boxes, draw_outline
from mmx.render.colors import INK, SEQUENTIAL
from mmx.render.detection_methods import detection_methods_sheet
from mmx.render.detection_sheet import detection_sheet
from mmx.render.detection_words import counted, surest_others, title
from mmx.render.typeset import Style
from mmx.types import Candidate, Detection, Detections, Explanation, ModelInfo, Picture, Prediction, Wanted

Find = Callable[..., Detections]
MODEL = ModelInfo("tiny", "detr", "sha256:00", "cpu", "float32")
OVER_HALF = Wanted(0.5)


@pytest.fixture
def find() -> Find:
    """Detections in a grey picture, side by side; each map is hottest in its first cell."""

    def detections(count: int = 2, size: tuple[int, int] = (64, 48), label: str = "cat", method: str = "relevance",
                   wanted: Wanted = OVER_HALF, maps: Sequence[np.ndarray] | None = None, **changes: object,
                   ) -> Detections:
        picture = Picture(Image.new("RGB", size, (120, 120, 120)), "pictures/my cat.jpg", "00ff")
        found = []
        for number in range(count):
            scores = np.array([[1.0, 0.5, 0.0], [0.25, 0.0, 0.0]]) if maps is None else maps[number]
            left = size[0] * number / count
            found.append(Explanation(
                picture, "", method, Prediction(7, label, 0.9 - number / 100), (Prediction(7, label, 0.9),),
                {"image": scores.flatten()}, (), (), "", MODEL, grid=scores.shape,
                detection=Detection(10 + number, (left, 0.0, left + size[0] / count, size[1] / 2))))
        others = (Candidate(Detection(3, (0, 0, 9, 9)), Prediction(2, "dog", 0.31)),)
        return Detections(picture, method, MODEL, wanted, tuple(found), others, **changes)  # type: ignore[arg-type]

    return detections


def margins_are_white(sheet: Image.Image, margin: int = 40) -> bool:
    pixels = np.asarray(sheet)
    edges = (pixels[:margin], pixels[-margin:], pixels[:, :margin], pixels[:, -margin:])
    return all((edge == 255).all() for edge in edges)


def pixels_of(image: Image.Image, color: Sequence[int]) -> int:
    return int((np.asarray(image) == color).all(axis=2).sum())


@pytest.mark.parametrize("size", [(64, 48), (1, 1), (2000, 20), (20, 2000), (30, 100), (300, 100)])
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_any_picture_gives_a_readable_sheet(find: Find, size: tuple[int, int], count: int) -> None:
    sheet = detection_sheet(find(count, size))
    assert sheet.mode == "RGB"
    assert sheet.width == 1536
    assert 200 < sheet.height < 4000
    assert margins_are_white(sheet)


@pytest.mark.parametrize("label", ["a label that is longer than a panel of this picture is wide " * 3, "猫", "🐈", "قط",
                                   "x" * 200, ""])
def test_any_label_stays_inside_the_sheet(find: Find, label: str) -> None:
    assert margins_are_white(detection_sheet(find(5, label=label)))
    assert margins_are_white(detection_methods_sheet([find(5, label=label), find(5, label=label, method="rollout")]))


def test_there_is_a_panel_for_each_detection_up_to_a_limit(find: Find) -> None:
    outlined = [pixels_of(detection_sheet(find(count)), INK) for count in (3, 6, 24, 30)]
    assert outlined[0] < outlined[1] < outlined[2]
    assert outlined[3] < 1.2 * outlined[2]
    heights = [detection_sheet(find(count)).height for count in (24, 30)]
    assert heights[0] < heights[1] < heights[0] + 150


def test_every_panel_is_scaled_to_its_own_largest_score(find: Find) -> None:
    maps = [np.array([[1.0, 0.0]]), np.array([[0.01, 0.0]])]
    one, other = (detection_sheet(find(1, maps=[scores])) for scores in maps)
    bar = slice(700, None)
    same = (np.asarray(one)[:bar.start] == np.asarray(other)[:bar.start]).all()
    assert same
    assert (np.asarray(one) != np.asarray(other)).any()


def test_every_box_has_its_own_color_up_to_the_number_of_colors(find: Find) -> None:
    sheet = detection_sheet(find(7))
    assert len({color_of(number) for number in range(8)}) == 8
    assert all(pixels_of(sheet, color_of(number)) > 500 for number in range(7))
    assert pixels_of(detection_sheet(find(3)), color_of(4)) == 0


def test_boxes_stand_where_the_picture_is_drawn() -> None:
    canvas = Image.new("RGB", (400, 300), (9, 9, 9))
    draw_outline(canvas, (100, 50, 300, 200), (0, 114, 178), 3)
    changed = (np.asarray(canvas) != 9).any(axis=2)
    assert np.flatnonzero(changed.any(axis=0))[[0, -1]].tolist() == [100, 300]
    assert np.flatnonzero(changed.any(axis=1))[[0, -1]].tolist() == [50, 200]
    assert not changed[60:190, 110:290].any()


@pytest.mark.parametrize("box", [(-50, -50, 900, 900), (390, 290, 500, 500), (500, 500, 600, 600), (5, 5, 5, 5)])
def test_boxes_beyond_the_picture_are_cut_to_it(box: tuple[int, ...]) -> None:
    canvas = Image.new("RGB", (400, 300), (9, 9, 9))
    draw_boxes(canvas, [Tagged(box, (0, 114, 178), "1 cat 90 %", "1")], Style(18))  # type: ignore[arg-type]
    assert (np.asarray(canvas) != 9).any()


@pytest.mark.parametrize("count", [3, 8])
def test_tags_do_not_cover_each_other(count: int) -> None:
    """Of boxes that lie on each other: every tag keeps the whole of its ground."""
    def tags(numbers: Sequence[int]) -> Image.Image:
        canvas = Image.new("RGB", (600, 450), (9, 9, 9))
        draw_boxes(canvas, [Tagged((100, 100, 400, 300), color_of(number), f"{number} cat", str(number))
                            for number in numbers], Style(18))
        return canvas

    together = tags(range(count))
    for number in range(count - 1):
        alone = tags([number])
        frame = Image.new("RGB", alone.size, (9, 9, 9))
        draw_outline(frame, (100, 100, 400, 300), color_of(number), 3)
        tag = pixels_of(alone, color_of(number)) - pixels_of(frame, color_of(number))
        assert pixels_of(together, color_of(number)) > 0.9 * tag > 300


def test_methods_sheet_has_a_row_for_each_of_the_surest_and_a_column_for_each_method(find: Find) -> None:
    sheets = [detection_methods_sheet([find(count, method=f"method-{i}") for i in range(methods)])
              for count, methods in ((2, 2), (2, 3), (6, 3), (9, 3))]
    assert sheets[0].width < sheets[1].width == sheets[2].width == sheets[3].width
    assert sheets[1].height < sheets[2].height < sheets[3].height < sheets[2].height + 60
    assert all(margins_are_white(sheet) for sheet in sheets)
    assert margins_are_white(detection_methods_sheet([find(0), find(0, method="rollout")]))


def test_methods_sheet_shows_both_scales_where_some_score_is_negative(find: Find) -> None:
    negative = [np.array([[-1.0, 1.0]])] * 2
    heights = [detection_methods_sheet([find(), find(maps=maps, method="partial-lrp")]).height
               for maps in (None, negative)]
    assert heights[1] > heights[0]


def test_methods_sheet_refuses_to_mix_subjects(find: Find) -> None:
    for other in (find(3), find(wanted=Wanted(0.6)), find(size=(64, 50))):
        with pytest.raises(UsageError, match="differ"):
            detection_methods_sheet([find(), other])
    with pytest.raises(UsageError, match="at least one"):
        detection_methods_sheet([])


@pytest.mark.parametrize(("count", "wanted", "words"), [
    (2, Wanted(0.5), "2 detections over 50 %"), (1, Wanted(0.125), "1 detection over 12.5 %"),
    (0, Wanted(0.5, (), "cat"), "no detection of cat over 50 %"), (1, Wanted(None, (4,)), "query 4"),
    (3, Wanted(None, (4, 2, 9), "dog"), "queries 4, 2 and 9 as dog"), (2, Wanted(0.0), "2 detections over 0 %")])
def test_what_was_asked_for_in_words(find: Find, count: int, wanted: Wanted, words: str) -> None:
    assert counted(find(count, wanted=wanted)).replace("\u00a0", " ") == words


def test_detections_in_words(find: Find) -> None:
    assert title(find()[1]).replace("\u00a0", " ") == "cat 89 % (query 11)"
    assert surest_others(find()).replace("\u00a0", " ") == "dog 31 % (query 3)"


def test_json_says_everything_in_plain_numbers(find: Find) -> None:
    report = find(wanted=Wanted(0.5, (), "cat")).to_dict()
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert list(report) == ["schema_version", "model", "method", "image", "asked", "detections", "others", "device",
                            "dtype", "versions", "notes"]
    assert report["asked"] == {"threshold": 0.5, "queries": None, "class": "cat"}
    assert report["detections"][1] == {
        "query": 11, "label": "cat", "index": 7, "score": 0.89, "box_xyxy_px": [32.0, 0.0, 64.0, 24.0],
        "predictions": [{"index": 7, "label": "cat", "probability": 0.9}],
        "relevance": {"grid": [2, 3], "scores": [[1.0, 0.5, 0.0], [0.25, 0.0, 0.0]]}}
    assert report["others"] == [{"query": 3, "label": "dog", "index": 2, "score": 0.31,
                                 "box_xyxy_px": [0.0, 0.0, 9.0, 9.0]}]


def test_nothing_found_is_an_empty_list(find: Find) -> None:
    assert find(0).to_dict()["detections"] == []


def test_json_refuses_scores_that_are_not_finite(find: Find, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="finite"):
        find(1, maps=[np.array([[np.nan, 1.0]])]).save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_results_are_saved_shown_and_iterated(find: Find, tmp_path: Path) -> None:
    found = find()
    assert [path.name for path in found.save(tmp_path)] == ["my_cat.relevance.png", "my_cat.relevance.json"]
    assert [path.name for path in found[1].save(tmp_path, "me")] == ["me.query-11.relevance.png",
                                                                   "me.query-11.relevance.json"]
    assert len(json.loads((tmp_path / "me.query-11.relevance.json").read_text())["detections"]) == 1
    assert [one.detection.query for one in found if one.detection] == [10, 11]
    assert (len(found), len(find(0))) == (2, 0)
    for one in (found, found[0]):
        assert one._repr_png_().startswith(b"\x89PNG")
        assert one._repr_html_().startswith("<figure")


def test_html_escapes_everything_given(find: Find) -> None:
    html = find(label='<script>alert("1")</script>')._repr_html_()
    assert "<script" not in html
    assert "&lt;script" in html.split('alt="')[1].split('"')[0]


def test_the_hottest_cell_takes_on_the_hottest_color(find: Find) -> None:
    sheet = np.asarray(detection_sheet(find(1, (60, 60), maps=[np.array([[0.0, 0.0], [0.0, 1.0]])]))).astype(int)
    right = sheet[:, sheet.shape[1] // 2:]
    distance = np.abs(right - SEQUENTIAL(1.0)).sum(axis=2)
    rows, columns = np.nonzero(distance[:900] < 160)
    assert rows.mean() > 500
    assert columns.mean() > 350
