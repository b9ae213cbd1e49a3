"""Scenes as a COCO data set: pictures, and their truth as an annotation file."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as rle

from mmx.files import write_new
from mmx.shapes.world import CLASSES, Picture, Scene, draw_scene, render
from mmx.show.plotting import png_bytes

ANNOTATIONS = "instances.json"


def write_coco(folder: Path, seeds: Iterable[int], size: int, overwrite: bool = False) -> list[Path]:
    """`scene-<seed>.png` for every seed and `instances.json`; returns what was written.

    A picture's id is its seed; category ids count from 1 in the order of `CLASSES`.

    Raises:
        UsageError: other files of these names are there, and are not to be overwritten.
        OutputError: they cannot be written; then none is.
    """
    files, images, annotations = dict[Path, bytes](), [], []
    for seed in seeds:
        scene = draw_scene(seed)
        picture = render(scene, size)
        path = folder / f"scene-{seed}.png"
        files[path] = png_bytes(picture.image)
        images.append({"id": seed, "file_name": path.name, "height": size, "width": size})
        annotations += _annotations(seed, scene, picture, first_id=len(annotations) + 1)
    categories = [{"id": number, "name": name, "supercategory": name.split()[1]}
                  for number, name in enumerate(CLASSES, start=1)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    files[folder / ANNOTATIONS] = (json.dumps(document) + "\n").encode()
    write_new(files, overwrite)
    return list(files)


def _annotations(seed: int, scene: Scene, picture: Picture, first_id: int) -> list[dict[str, Any]]:
    found = []
    for number, (thing, mask, box) in enumerate(zip(scene.things, picture.masks, picture.boxes_xyxy_px, strict=True)):
        left, top, right, bottom = map(float, box)
        code: Any = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
        found.append({"id": first_id + number, "image_id": seed, "category_id": CLASSES.index(thing.name) + 1,
                      "bbox": [left, top, right - left, bottom - top], "area": int(mask.sum()), "iscrowd": 0,
                      "segmentation": {"size": code["size"], "counts": code["counts"].decode()}})
    return found
