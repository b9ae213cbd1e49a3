"""LXMERT's files of region features."""

import base64
from pathlib import Path

import numpy as np
import pytest

from mmx.datasets.obj36 import Obj36
from mmx.errors import ImageError, UsageError

CONFIDENCES = [0.9, 0.4]


def coded(values: list[float]) -> str:
    return base64.b64encode(np.array(values, dtype="<f4").tobytes()).decode()


def line(name: str, boxes: list[float], features: list[float], count: int = 2, width: str = "200",
         confidences: list[float] = CONFIDENCES) -> str:
    return "\t".join([name, "50", width, "", coded(confidences), "", "", str(count), coded(boxes), coded(features)])


BOXES, FEATURES = [0, 0, 200, 50, 50, 10, 100, 20], [1, 2, 3, 4, 5, 6]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "features.tsv"
    path.write_text("\n".join([line("a", BOXES, FEATURES), line("b", BOXES, FEATURES[:5]),
                               line("c", BOXES, FEATURES, 3), line("d", BOXES, FEATURES).replace("=", "*")]) + "\n")
    return path


def test_boxes_are_shares_of_width_and_height(file: Path) -> None:
    found = Obj36(file)["a"]
    assert found.boxes_xyxy_unit.tolist() == pytest.approx(np.array([[0, 0, 1, 1], [0.25, 0.2, 0.5, 0.4]]))
    assert found.features.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert found.confidences.tolist() == pytest.approx([0.9, 0.4])
    assert found.features.dtype == found.boxes_xyxy_unit.dtype == np.float32


@pytest.mark.parametrize("name", ["b", "c", "d"])
def test_a_broken_line_fails_for_its_picture_alone(file: Path, name: str) -> None:
    with pytest.raises(ImageError, match=f"The features of {name} in .* are broken"):
        Obj36(file)[name]
    assert len(Obj36(file)) == 4


@pytest.mark.parametrize(("more", "why"), [
    ({"features": [1, 2, 3, np.nan, 5, 6]}, "the features of region 2 of 2 are not finite"),
    ({"features": [np.inf, 2, 3, 4, 5, 6]}, "the features of region 1 of 2 are not finite"),
    ({"boxes": [*BOXES[:7], -np.inf]}, "the boxes of region 2 of 2 are not finite"),
    ({"confidences": [np.nan, 1]}, "the confidences of region 1 of 2 are not finite"),
    ({"confidences": [1]}, "1 confidences of 2 regions"),
    ({"width": "inf"}, "its picture has inf"), ({"width": "0"}, "its picture has 0 x 50"),
    ({"width": "nan"}, "its picture has nan x 50"), ({"count": 0}, "0 regions"), ({"count": -1}, "-1 regions"),
])
def test_numbers_that_are_not_finite_are_refused_by_file_line_and_region(tmp_path: Path, more: dict, why: str) -> None:
    path = tmp_path / "f.tsv"
    path.write_text(line("a", BOXES, FEATURES) + "\n" + line("b", **{"boxes": BOXES, "features": FEATURES, **more}))
    assert Obj36(path)["a"].features.shape == (2, 3)
    with pytest.raises(ImageError, match=rf"features of b in .*f\.tsv, line 2, are broken \({why}"):
        Obj36(path)["b"]


def test_indices_that_name_nothing_leave_regions_without_names(tmp_path: Path) -> None:
    def indices(*values: int) -> str:
        return base64.b64encode(np.array(values, dtype="<i8").tobytes()).decode()

    path = tmp_path / "f.tsv"
    for objects, attributes, known in (((0, 1599), (0, 399), True), ((0, 1600), (0, 399), False),
                                       ((-1, 5), (0, 1), False)):
        fields = line("a", BOXES, FEATURES).split("\t")
        fields[3], fields[5] = indices(*objects), indices(*attributes)
        path.write_text("\t".join(fields))
        assert (Obj36(path)["a"].objects is not None) == known


def test_bottom_up_attention_s_files_of_six_fields(tmp_path: Path) -> None:
    """Width comes before height there, and pictures go by their number."""
    path = tmp_path / "trainval_resnet101_faster_rcnn_genome_36.tsv"
    path.write_text("\t".join(["262148", "200", "50", "2", coded(BOXES), coded(FEATURES)]) + "\r\n")
    for name in ("262148", "000000262148", "COCO_val2014_000000262148"):
        found = Obj36(path)[name]
        assert found.boxes_xyxy_unit.tolist() == pytest.approx(np.array([[0, 0, 1, 1], [0.25, 0.2, 0.5, 0.4]]))
        assert found.features.tolist() == [[1, 2, 3], [4, 5, 6]]
        assert found.confidences is None and found.objects is None
    for name in ("1262148", "262148_1", "scene-262148", "x"):
        with pytest.raises(ImageError, match="has no features of"):
            Obj36(path)[name]


def test_names_may_have_any_letters_and_the_file_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "f.tsv"
    path.write_text("\ufeff" + line("caf\u00e9", BOXES, FEATURES), encoding="utf-8")
    assert Obj36(path)["caf\u00e9"].features.shape == (2, 3)
    with pytest.raises(ImageError, match=r"has no features of '\\ud800'"):
        Obj36(path)["\ud800"]


def test_a_picture_that_is_not_there(file: Path) -> None:
    with pytest.raises(ImageError, match="has no features of z"):
        Obj36(file)["z"]


@pytest.mark.parametrize(("content", "said"), [(b"", "has no line of 10 or 6 fields"),
                                               (b"image,question\n", "has no line"),
                                               (None, "cannot be read")])
def test_what_is_no_such_file(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "f.tsv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        Obj36(path)


def test_a_real_file(shared: Path) -> None:
    file = Obj36(shared / "realdata/lxmert/features/train2014_obj36.tsv")
    found = file["COCO_train2014_000000084002"]
    assert len(file) == 10 and found.features.shape == (36, 2048)
    assert found.boxes_xyxy_unit.min() >= 0 and 0.9 < found.boxes_xyxy_unit.max() <= 1
    assert found.confidences[0] == found.confidences.max()
