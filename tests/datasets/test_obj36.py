"""LXMERT's files of region features."""

import base64
from pathlib import Path

import numpy as np
import pytest

from mmx.datasets.obj36 import Obj36
from mmx.errors import ImageError, UsageError


def coded(values: list[float]) -> str:
    return base64.b64encode(np.array(values, dtype="<f4").tobytes()).decode()


def line(name: str, boxes: list[float], features: list[float], count: int = 2) -> str:
    return "\t".join([name, "50", "200", "", coded([0.9, 0.4]), "", "", str(count), coded(boxes), coded(features)])


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


def test_a_picture_that_is_not_there(file: Path) -> None:
    with pytest.raises(ImageError, match="has no features of z"):
        Obj36(file)["z"]


@pytest.mark.parametrize(("content", "said"), [(b"", "has no line of 10 fields"), (b"image,question\n", "has no line"),
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
