"""Maps of any model's relevance, scored against COCO annotations by category."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from mmx.datasets.synonyms import Synonyms
from mmx.errors import UsageError
from mmx.images import hash_of_file
from mmx.studies.models import Model, fitting_methods, identity_of, signed_notes
from mmx.studies.reporting import Reporter
from mmx.studies.result import DrawnStudy, finished
from mmx.studies.runs import Run, go_through, open_run
from mmx.studies.segment.asking import CategoriesAsked, kind_of
from mmx.studies.segment.data import CocoData, lines_on_turns
from mmx.studies.segment.map_gallery import gallery_png
from mmx.studies.segment.map_summary import BASELINES, summed_up
from mmx.studies.segment.maps import MapScores, batches, fault_of
from mmx.studies.segment.records import failed
from mmx.studies.world import World, fix_threads

_SIGNED = ("pointing, rank and AP take scores as they are, the most positive first; mass and IoU count the positive "
           "ones alone")


class MapStudy(DrawnStudy):
    """How well each method's maps lie on the objects of the categories that the model was asked about."""

    figure = "gallery.png"
    columns: ClassVar = ("model", "protocol", "group", "kind", "method", "metric", "mean", "low", "high", "difference",
                         "difference_low", "difference_high", "items", "pictures")

    def __repr__(self) -> str:
        found = self.document
        group = next((name for name, one in found["groups"].items() if one["items"]), "all")
        whole = found["groups"][group]
        scores = ", ".join(f"{method} {100 * metrics['pointing']['mean']:.1f}"
                           for method, metrics in whole["methods"].items())
        return (f"<MapStudy of {found['parameters']['model']['name']}, {whole['items']} maps of {whole['pictures']} "
                f"images ({group}): pointing {scores or '-'} %>")

    def rows(self) -> list[dict[str, Any]]:
        """A row for each group of items, method and metric; then chance and a picture's centre, which are no methods.

        Shares of 1, with 95 % intervals over pictures, and paired differences to the first method.
        """
        found = self.document
        whole = {"model": found["parameters"]["model"]["name"], "protocol": found["protocol"]}
        return [
            {**whole, "group": group, "kind": kind, "method": method, "metric": metric, **estimate,
             **_difference(one["differences"].get(method), metric), "items": one["items"],
             "pictures": one["pictures"]}
            for group, one in found["groups"].items()
            for kind, method, metrics in [*(("method", method, metrics) for method, metrics in one["methods"].items()),
                                          *((name, None, one[name]) for name in BASELINES if one[name])]
            for metric, estimate in metrics.items()]


def _difference(metrics: Mapping[str, Any] | None, metric: str) -> dict[str, float | None]:
    estimate = metrics[metric] if metrics else {}
    return {"difference": estimate.get("mean"), "difference_low": estimate.get("low"),
            "difference_high": estimate.get("high")}


def score_maps(model: Model, data: CocoData, folder: Path, world: World, reporter: Reporter, *, methods: Sequence[str],
               threshold: float, template: str | None, synonyms: Path | None, boxes: bool, batch_size: int,
               max_memory: int | None, resume: bool, overwrite: bool) -> MapStudy:
    """The study of a model whose maps are asked for by category; see `segment`.

    Raises:
        UsageError: no category is known to the model, or something else that is asked for makes no sense.
    """
    able, left_out = fitting_methods(model, methods, reporter)
    names, used = data.instances.categories, data.instances.used_categories
    further = Synonyms.read(synonyms)
    further.check(list(names.values()))
    asking = kind_of(model)(model, {number: name for number, name in names.items() if number in used}, further,
                            template, threshold)
    work = MapScores(asking, able, data.instances, max_memory)
    images = [image for image in data.images if work.own(image)]
    skipped = len(data.images) - len(images)
    if not images:
        raise UsageError(f"In none of the {skipped} pictures is an object that {model.info.name} can be asked about.",
                         "Take more pictures, or name classes with `synonyms=FILE`.")
    if skipped:
        reporter.line("note", f"{skipped} of {len(data.images)} pictures have no object that {model.info.name} can be "
                              "asked about")
    threads = fix_threads(world) if model.info.device == "cpu" else None
    parameters = {**_parameters(asking, [method.name for method in able], data),
                  "truth": "boxes" if boxes else "masks", "synonyms_sha256": further.sha256,
                  "batch_size": batch_size, "max_memory": max_memory, "left_out": left_out, "threads": threads}
    fault = fault_of(images, parameters["methods"], asking.stands_for)
    paths = {image.id: image.path for image in images}
    run = open_run(folder, parameters, world, resume=resume, overwrite=overwrite, fault=fault,
                   picture=lambda record: hash_of_file(paths[record["id"]]))
    go_through(run, batches(images, batch_size), work.records, failed, reporter)

    def sum_up() -> MapStudy:
        whole = Run(folder, world, fault)
        for kind, line in lines_on_turns(whole.records(), images):
            reporter.line(kind, line)
        document = {**summed_up(whole, data.instances, asking, parameters, skipped),
                    "notes": signed_notes(able, _SIGNED)}
        return MapStudy(document, gallery_png(whole, images, work))

    return finished(MapStudy, folder, world, sum_up)


def _parameters(asking: CategoriesAsked, methods: Sequence[str], data: CocoData) -> dict[str, Any]:
    """All that decides on a digit."""
    identity = identity_of(asking.model)
    return {"kind": "segment", "protocol": "maps", "methods": list(methods), "threshold": asking.threshold,
            "template": asking.written, **data.parameters, **identity,
            "versions": {**identity["versions"], "pycocotools": version("pycocotools")}}
