"""A few pictures of a study of maps: where the objects are, and where each method says that the model looked."""

from collections.abc import Mapping, Sequence

from mmx.datasets.coco import CocoImage
from mmx.errors import MmxError
from mmx.show.gallery import GalleryRow, Masks, gallery
from mmx.show.plotting import png_bytes
from mmx.studies.runs import Record, Run
from mmx.studies.segment.data import open_annotated
from mmx.studies.segment.maps import MapScores

_ROWS = 6


def gallery_png(run: Run, images: Sequence[CocoImage], work: MapScores) -> bytes:
    """The first pictures in which something was recognised, or else the first ones, as a PNG file."""
    by_id = {image.id: image for image in images}
    rows = [row for record, item in _shown(run) if (row := _row(item, by_id[record["id"]], work)) is not None]
    asking = work.asking
    caption = (f"{asking.model.info.name}: maps for a category, and where its objects are. The first pictures in which "
               f"it recognises one: {asking.recognises}.")
    return png_bytes(gallery("Maps of categories", ["objects", *(method.name for method in work.methods)], rows,
                             caption))


def _shown(run: Run) -> list[tuple[Record, Record]]:
    """Records with the item of each that is shown: one that is recognised, of a category that was not shown before."""
    new: list[tuple[Record, Record]] = []
    others: list[tuple[Record, Record]] = []
    categories: set[int] = set()
    for record in run.records():
        if record["items"]:
            item = max(record["items"], key=lambda one: (one["recognised"], one["category"] not in categories,
                                                         one["area"]))
            is_new = item["recognised"] and item["category"] not in categories
            (new if is_new else others).append((record, item))
            categories |= {item["category"]} if is_new else set()
            others = sorted(others, key=lambda one: not one[1]["recognised"])[:_ROWS]
        if len(new) == _ROWS:
            break
    return sorted((new + others)[:_ROWS], key=lambda one: one[0]["id"])


def _row(item: Mapping, image: CocoImage, work: MapScores) -> GalleryRow | None:
    try:
        picture = open_annotated(image)
        [shown] = work.explained([(image, picture)])
    except MmxError:  # it was there when it went through the model
        return None
    one = next((one for one in shown if one.said.category == item["category"]), None)
    if one is None:
        return None
    assert picture.image is not None
    name = work.asking.names[item["category"]]
    truth = Masks(work.truth(image, item["category"])[None], (name,))
    overlays = [found.overlay(one.said.place) for found in one.found]
    said = "" if item["recognised"] else ", not recognised"
    return GalleryRow(picture.image, f"{image.path.name}, {item['label']} {item['score']:.2f} {item['unit']}{said}",
                      (truth, *overlays))
