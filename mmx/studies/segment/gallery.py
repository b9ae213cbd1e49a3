"""A few pictures of a segmentation study with their true masks and those of each method."""

from collections.abc import Mapping
from typing import Any

from mmx.datasets.coco import CocoImage
from mmx.datasets.outlines import masks_of
from mmx.errors import ImageError
from mmx.show.gallery import GalleryRow, Masks, gallery
from mmx.show.plotting import png_bytes
from mmx.studies.runs import Record, Run
from mmx.studies.segment.categories import CategoryMap
from mmx.studies.segment.data import CocoData, open_annotated
from mmx.studies.segment.records import Segmentation

_ROWS = 6


def gallery_png(run: Run, data: CocoData, classes: CategoryMap, work: Segmentation) -> bytes:
    """The first pictures in which something was found, or else the first ones, as a PNG file."""
    images = {image.id: image for image in data.images}
    rows = []
    for record in _shown(run):
        try:
            rows.append(_row(record, images[record["id"]], data, classes, work))
        except ImageError:  # it was there when it went through the model
            continue
    detector = work.detector
    caption = (f"{detector.model.info.name}, detections surer than {detector.threshold:g}. One colour is one class in "
               "a row. The truth holds every object that is annotated; methods differ in masks, not in what is "
               "detected.")
    return png_bytes(gallery(f"Masks from relevance ({work.protocol})",
                             ["truth", *(method.name for method in work.methods)], rows, caption))


def _shown(run: Run) -> list[Record]:
    found: list[Record] = []
    others: list[Record] = []
    for record in run.records():
        (found if record["kept"] else others).append(record)
        others = others[:_ROWS]
        if len(found) == _ROWS:
            break
    return sorted((found + others)[:_ROWS], key=lambda record: record["id"])


def _row(record: Mapping[str, Any], image: CocoImage, data: CocoData, classes: CategoryMap,
         work: Segmentation) -> GalleryRow:
    names, size = data.instances.categories, (image.height, image.width)
    notes = [note for note in data.instances.annotations.get(image.id, ()) if not note["iscrowd"]]
    truth = Masks(masks_of([note["segmentation"] for note in notes], *size),
                  tuple(names[note["category_id"]] for note in notes))
    labels = tuple(_name(record["indices"][query], classes, names, work) for query in record["kept"])
    found = [Masks(masks_of([{"size": size, "counts": counts} for counts in record["masks"][method.name]], *size),
                   labels) for method in work.methods]
    opened = open_annotated(image).image
    assert opened is not None
    return GalleryRow(opened, image.path.name, (truth, *found))


def _name(label: int, classes: CategoryMap, names: Mapping[int, str], work: Segmentation) -> str:
    """By the annotation file; a class that it does not have by the checkpoint."""
    category = classes.ids[label]
    if category is not None and category in names:
        return names[category]
    return str(work.detector.labels.get(label, label))
