"""The pictures of a segmentation study and their annotations: COCO's files, or drawn scenes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmx.datasets.coco import CocoImage, Instances, read_instances
from mmx.errors import ImageError, UsageError, shown_path
from mmx.images import is_turned, open_picture
from mmx.results import Picture
from mmx.shapes.coco import ANNOTATIONS, write_coco
from mmx.studies.reporting import Kind
from mmx.studies.world import World

NOTES_ON_TURNS: dict[str, Kind] = {
    "not turned as its EXIF says, since the size in the annotation file is that of the pixels as stored": "note",
    "turned as its EXIF says, and the size does not tell whether it was annotated so or as stored": "warning"}
"""What a record says of a picture that its EXIF turns, and how it is told."""
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
        raise UsageError("`images=` and `annotations=` go together.", "Give both, or neither for drawn scenes.")
    if seed is not None and limit is None:
        raise UsageError("`seed=` draws the pictures of `limit=`.", "Give `limit=` as well.")


def read_data(folder: Path | None, annotations: Path | None, limit: int | None, seed: int | None, out: Path,
              world: World, *, strict: bool = False, boxes: bool = False) -> CocoData:
    """Pictures in `folder`, or scenes that are drawn into `out`; the first `limit`, or as many drawn by `seed`.

    With `boxes`, an object is all of its box.

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
            write_coco(folder, range(DRAWN_SCENES), _SCENE_SIZE, overwrite=True)
        world.wait()
    instances = read_instances(annotations, folder, strict=strict, boxes=boxes)
    images = instances.pick(limit, seed)
    if not images:
        raise UsageError(f"{shown_path(annotations)} has no pictures.")
    if not any(image.path.exists() for image in images):
        raise UsageError(f"None of the {len(images)} pictures of {shown_path(annotations)} lies in "
                         f"{shown_path(folder)}.", f"Give the folder of {images[0].path.name} with `images=`.")
    return CocoData(instances, images,
                    {**asked, "annotations_sha256": instances.sha256, "limit": limit, "seed": seed})


def open_annotated(image: CocoImage) -> Picture:
    """A picture as it lay when it was annotated, with one of `NOTES_ON_TURNS` where it matters.

    Annotation tools differ in whether they turn a photograph as its EXIF says; the size that they put down tells, but
    for one that is upside down, mirrored or square.

    Raises:
        ImageError: it cannot be read, or its size is not what the file says.
    """
    picture, wanted, (as_stored, doubtful) = open_picture(image.path), (image.width, image.height), NOTES_ON_TURNS
    if is_turned(picture):
        stored = open_picture(image.path, upright=False)
        if stored.size == wanted != picture.size:
            return replace(stored, notes=(*stored.notes, as_stored))
        if stored.size == picture.size:
            picture = replace(picture, notes=(*picture.notes, doubtful))
    if picture.size != wanted:
        is_width, is_height = picture.size
        raise ImageError(f"{shown_path(image.path)} is {is_width} x {is_height} pixels, not {image.width} x "
                         f"{image.height} as the annotation file says.", "Is it another picture of that name?")
    return picture


def lines_on_turns(records: Iterable[Mapping[str, Any]], images: Iterable[CocoImage]) -> Iterator[tuple[Kind, str]]:
    """How turned pictures were taken, one line for all that were taken alike."""
    names, found = {image.id: image.path.name for image in images}, {note: [] for note in NOTES_ON_TURNS}
    for record in records:
        for note in record.get("notes", ()):
            found.setdefault(note, []).append(names[record["id"]])
    for note, kind in NOTES_ON_TURNS.items():
        first, *more = found[note] or [None]
        if first is not None:
            yield kind, f"{first}{f' and {len(more)} more pictures' if more else ''}: {note}"
