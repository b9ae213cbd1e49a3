"""The pictures of a segmentation study and their annotations: COCO's files, or drawn scenes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmx.datasets.coco import CocoImage, Instances, read_instances
from mmx.errors import UsageError, shown_path
from mmx.shapes.coco import ANNOTATIONS, write_coco
from mmx.studies.world import World

DRAWN_SCENES, _SCENE_SIZE = 100, 480


@dataclass(frozen=True)
class CocoData:
    """The annotations, the pictures that are asked for, and how that is put down among the parameters."""

    instances: Instances
    images: tuple[CocoImage, ...]
    parameters: Mapping[str, Any]


def check_given(folder: Path | None, annotations: Path | None, limit: int | None, seed: int | None) -> None:
    """Raises UsageError where half of what is needed is missing."""
    if (folder is None) != (annotations is None):
        raise UsageError("--images and --annotations go together.", "Give both, or neither for drawn scenes.")
    if seed is not None and limit is None:
        raise UsageError("--seed draws the pictures of --limit.", "Give --limit as well.")


def read_data(folder: Path | None, annotations: Path | None, limit: int | None, seed: int | None, out: Path,
              world: World, *, strict: bool = False) -> CocoData:
    """Pictures in `folder`, or scenes that are drawn into `out`; the first `limit`, or as many drawn by `seed`.

    Raises:
        UsageError: there is nothing that could be evaluated, or half of it is missing; with `strict`, where an
            annotation cannot be used.
    """
    check_given(folder, annotations, limit, seed)
    # Drawn scenes are the same wherever `out` is, and so are the parameters.
    asked = {"images": folder and str(folder), "annotations": annotations and str(annotations)}
    if folder is None or annotations is None:
        asked["images"] = "drawn scenes"
        folder = out / "shapes"
        annotations = folder / ANNOTATIONS
        if world.leads:
            write_coco(folder, range(DRAWN_SCENES), _SCENE_SIZE)
        world.wait()
    instances = read_instances(annotations, folder, strict=strict)
    images = instances.pick(limit, seed)
    if not images:
        raise UsageError(f"{shown_path(annotations)} has no pictures.")
    if not any(image.path.exists() for image in images):
        raise UsageError(f"None of the {len(images)} pictures of {shown_path(annotations)} lies in "
                         f"{shown_path(folder)}.", f"Give the folder of {images[0].path.name} with --images.")
    return CocoData(instances, images,
                    {**asked, "annotations_sha256": instances.sha256, "limit": limit, "seed": seed})
