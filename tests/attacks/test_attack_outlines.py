"""COCO annotations: odd and missing values, outlines that are no outlines, run lengths of other pictures, points far
away. Masks come of them, of their picture's size; or the annotation is left out; or one line refuses the file."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import ODD_VALUES, damaged_json, within_seconds
from pycocotools import mask as rle

from mmx.datasets.coco import read_instances
from mmx.datasets.outlines import masks_of
from mmx.errors import UsageError

SQUARE = [[1, 1, 4, 1, 4, 3, 1, 3]]
RUNS = {"size": [6, 8], "counts": [10, 12, 26]}
CODE = {"size": [6, 8], "counts": rle.frPyObjects(RUNS, 6, 8)["counts"].decode()}  # type: ignore[call-overload]
FAR = (1e5, 1e9, 1e18, 1e30, 1e308, -1e5, -1e9, -1e308, float("nan"), float("inf"), 2**31, 2**63, 10**400, -0.0, 1e-320)


def document(segmentation: Any = SQUARE, **changed: Any) -> dict[str, Any]:
    """Two annotations of two pictures, the first of this outline."""
    note = {"id": 1, "image_id": 7, "category_id": 1, "bbox": [1, 1, 3, 2], "area": 6, "iscrowd": 0}
    return {"images": [{"id": one, "file_name": f"{one}.png", "height": 6, "width": 8} for one in (7, 9)],
            "categories": [{"id": 1, "name": "cat"}],
            "annotations": [{**note, "segmentation": segmentation, **changed},
                            {**note, "id": 2, "image_id": 9, "segmentation": SQUARE}]}


def outlines() -> Iterator[tuple[str, Any]]:
    for number, value in enumerate(ODD_VALUES):
        yield f"outline odd {number}", value
        yield f"polygon odd {number}", [value]
        yield f"point odd {number}", [[1, 1, 4, value, 4, 3]]
        yield f"after a whole polygon {number}", [SQUARE[0], value]
        yield f"counts odd {number}", {**RUNS, "counts": value}
        yield f"run odd {number}", {**RUNS, "counts": [10, value, 26]}
        yield f"size odd {number}", {**CODE, "size": value}
        yield f"side odd {number}", {**CODE, "size": [6, value]}
    for number, value in enumerate(FAR):
        yield f"far {number}", [[1, 1, value, 1, 4, 3]]
        yield f"far both ways {number}", [[value, value, 4, 1, -value, 3]]
        yield f"far run {number}", {**RUNS, "counts": [value, 48]}
        yield f"far box {number}", {**RUNS, "counts": [48, value]}
    for count in (0, 1, 2, 3, 4, 5, 7, 30_000):
        yield f"{count} numbers", [[1.5] * count]
        yield f"{count} runs", {**RUNS, "counts": [1] * count}
        yield f"{count} polygons", SQUARE * count
    draw = random.Random(0)
    for number in range(60):
        text = "".join(chr(draw.randrange(1, 128) if number % 2 else draw.randrange(48, 112))
                       for _ in range(draw.randrange(12)))
        yield f"text {number}", {**CODE, "counts": text}
    for text in ("P" * 9, "`" * 50, "o" * 100, "0", "0" * 1000, "\ud800", CODE["counts"] * 500, "\x00", "é"):
        yield f"text {text[:4]!a} of {len(text)}", {**CODE, "counts": text}


def attacks() -> Iterator[tuple[str, bytes]]:
    yield from damaged_json(document())
    yield from ((how, json.dumps(document(one)).encode()) for how, one in outlines())
    for key in ("bbox", "area", "iscrowd", "category_id"):
        for number, value in enumerate((*FAR, [1, 2, 3], [0, 0, -1, 5], [1, 1, 0, 0])):
            yield f"{key} far {number}", json.dumps(document(**{key: value})).encode()
            yield f"{key} of a crowd {number}", json.dumps(document(RUNS, iscrowd=1, **{key: value}) if key != "iscrowd"
                                                           else document(RUNS, iscrowd=value)).encode()


ATTACKS = dict(attacks())


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("strict", [False, True])
def test_masks_or_one_line(attack: str, strict: bool, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    path = tmp_path / "instances.json"
    path.write_bytes(ATTACKS[attack])
    with within_seconds(20):
        try:
            found = read_instances(path, tmp_path, strict=strict)
        except UsageError as error:
            assert "\n" not in str(error) and "instances.json" in str(error)
        else:
            sizes = {image.id: (image.height, image.width) for image in found.images}
            for image, notes in found.annotations.items():
                masks = masks_of([note["segmentation"] for note in notes], *sizes[image])
                assert masks.shape == (len(notes), *sizes[image]) and masks.dtype == np.bool_
            assert not (strict and found.left_out)
            assert all("\n" not in line for line in found.warnings)
    assert capfd.readouterr() == ("", "")


def test_whole_ones_are_read(tmp_path: Path) -> None:
    for outline, pixels in ((SQUARE, 6), (RUNS, 12), (CODE, 12)):
        (tmp_path / "whole.json").write_text(json.dumps(document(outline)))
        found = read_instances(tmp_path / "whole.json", tmp_path)
        [mask] = masks_of([found.annotations[7][0]["segmentation"]], 6, 8)
        assert mask.sum() == pixels
