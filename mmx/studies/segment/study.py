"""`mmx.segment`: masks out of a detector's relevance, scored against COCO annotations; no mask is ever trained on.

Chefer, Gur & Wolf 2021, section 5.3.
"""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Literal

from mmx.errors import UsageError
from mmx.images import hash_of_file
from mmx.studies.folders import path_of, study_folder
from mmx.studies.masks import MaskProtocol
from mmx.studies.models import Model, able_methods, identity_of
from mmx.studies.reporting import Reporter, reporter_of
from mmx.studies.result import DrawnStudy, finished
from mmx.studies.runs import Run, go_through, open_run
from mmx.studies.segment.asking import finds_own_classes
from mmx.studies.segment.categories import match_categories
from mmx.studies.segment.data import CocoData, lines_on_turns, read_data
from mmx.studies.segment.detector import Detector
from mmx.studies.segment.gallery import gallery_png
from mmx.studies.segment.map_study import MapStudy, score_maps
from mmx.studies.segment.records import DEFAULT_METHODS, Segmentation, batches, failed, fault_of, methods_named
from mmx.studies.segment.summary import summed_up
from mmx.studies.world import World, fix_threads, joined_world

SegmentProtocol = MaskProtocol | Literal["maps"]
PROTOCOLS = (*DEFAULT_METHODS, "maps")
DEFAULT_OF_MAPS = ("relevance",)


class SegmentationStudy(DrawnStudy):
    """COCO's figures of each method's masks, and of the detector's own boxes."""

    figure = "gallery.png"
    columns: ClassVar = ("model", "protocol", "kind", "method", "iou_low", "iou_high", "figure", "value", "samples")

    def __repr__(self) -> str:
        found, parameters = self.document, self.document["parameters"]
        scores = ", ".join(f"{method} {_percent(ranges[found['headline']]['AP'])}"
                           for method, ranges in found["methods"].items())
        return (f"<SegmentationStudy of {parameters['model']['name']}, {found['samples']['evaluated']} images, "
                f"{found['protocol']}: AP {scores} %>")

    def rows(self) -> list[dict[str, Any]]:
        """A row for each method, range of IoU and figure: masks of the methods, then boxes, which have no method.

        A value is a share of 1, None where the truth has no object of that size.
        """
        found = self.document
        whole = {"model": found["parameters"]["model"]["name"], "protocol": found["protocol"]}
        scored = [*(("masks", method, ranges) for method, ranges in found["methods"].items()),
                  ("boxes", None, found["boxes"])]
        return [{**whole, "kind": kind, "method": method, "iou_low": float(low), "iou_high": float(high),
                 "figure": figure, "value": value, "samples": found["samples"]["evaluated"]}
                for kind, method, ranges in scored for name, figures in ranges.items()
                for _, low, high in [name.split("_")] for figure, value in figures.items()]


def segment(model: Model, images: str | Path | None = None, annotations: str | Path | None = None, *,
            methods: Sequence[str] | None = None, protocol: SegmentProtocol | None = None, threshold: float = 0.5,
            template: str | None = None, synonyms: str | Path | None = None, boxes: bool = False,
            limit: int | None = None, seed: int | None = None, strict: bool = False, batch_size: int = 8,
            max_memory: int | None = None, out: str | Path | None = None, resume: bool = False, overwrite: bool = False,
            progress: Reporter | None = None) -> SegmentationStudy | MapStudy:
    """Scores any model's relevance against COCO annotations: maps by category, or masks of a detector's detections.

    Under `torchrun`, the processes share the pictures and all get the result.

    Args:
        model: one that classifies pictures, matches texts with them, answers questions about them or finds objects.
        images: the folder of the pictures; None draws 100 scenes.
        annotations: their COCO instances file.
        methods: by name, or by group: "paper", "fast" or "all", of which those that have sense on this model. None is
            relevance, in "iccv21" with the reference's accidents.
        protocol: "maps" asks the model about each category that objects in a picture are of, and scores the maps by
            pointing game, relevance mass and rank, IoU and average precision of pixels. Of a detector of classes,
            "iccv21" (its default) scores masks as the paper's code does; "clean" makes finer masks, only of what is
            kept.
        threshold: detections whose score, a probability, is above it are scored.
        template: of a model that matches texts: what says that a category is there ("a photo of {a} {name}"); of one
            that answers: what asks whether it is ("is there {a} {name}?"). {a} is "a" or "an".
        synonyms: a JSON file of further names of categories, {"tv": ["television"]}: classes of the model that are of
            them, or what texts call them. ImageNet's classes are known.
        boxes: of "maps": an object is all of its box, as where a file has no outlines.
        limit: this many pictures, the first by id, or as many drawn by `seed`.
        strict: refuses a file in which an annotation cannot be used; else it is left out, with a warning.
        batch_size: pictures of one size that run through the model at once in "clean", at most.
        max_memory: bytes that gradients may take; None for mmx's own choice.
        out: where run.json, a line for each picture, results in COCO's format, the summary and gallery.png go; None
            for a temporary folder.
        resume: goes on with the run in `out`.
        overwrite: replaces the run in `out`.
        progress: hears how far it is.

    Raises:
        UsageError: something that is asked for makes no sense, there is a run in `out` and neither `resume`
            nor `overwrite`, another one is writing there, or it had other parameters, pictures or records.
        MmxError: no picture could be evaluated.
        OutputError: `out` cannot be written.

    Source:
        Chefer, Gur & Wolf 2021 (arXiv 2103.15679), section 5.3.

    Example:
        >>> model = mmx.load("shapes-detr")
        >>> study = mmx.segment(model, "sample_inputs/coco", "sample_inputs/coco/instances.json", limit=2)
        >>> study
        <SegmentationStudy of shapes-detr, 2 images, iccv21: AP ours_no_lrp ... %>
        >>> study.rows()[0]["figure"]
        'AP'
    """
    chosen = protocol or ("iccv21" if finds_own_classes(model) else "maps")
    if chosen not in PROTOCOLS:
        raise UsageError(f"There is no protocol '{chosen}'.", f"There are: {', '.join(PROTOCOLS)}.")
    with joined_world() as world, study_folder(out, world, resume=resume, overwrite=overwrite) as folder:
        reporter = reporter_of(progress, world.leads)
        if chosen == "maps":
            data = _data(images, annotations, limit, seed, folder, world, strict, reporter, boxes)
            return score_maps(model, data, folder, world, reporter, methods=methods or DEFAULT_OF_MAPS,
                              threshold=threshold, template=template, synonyms=path_of(synonyms), boxes=boxes,
                              batch_size=batch_size, max_memory=max_memory, resume=resume, overwrite=overwrite)
        if template is not None or synonyms is not None or boxes:
            raise UsageError("`template=`, `synonyms=` and `boxes=` are of the protocol 'maps'.", "Leave them out.")
        protocol = chosen
        detector = Detector(model, threshold, max_memory, reference_sizes=protocol == "iccv21")
        names = methods or DEFAULT_METHODS[protocol]
        fitting, notes = model.sieved(methods_named(names, protocol), names)
        for note in notes:
            reporter.line("note", note)
        able, left_out = able_methods(model, fitting, reporter)
        work = Segmentation(detector, able, protocol)
        data = _data(images, annotations, limit, seed, folder, world, strict, reporter)
        classes = match_categories(detector.labels, data.instances.categories, data.instances.used_categories,
                                   model.info.name)
        threads = fix_threads(world) if detector.on_cpu else None
        size = 1 if protocol == "iccv21" else batch_size
        parameters = {**_parameters(work, data, size), "left_out": left_out, "threads": threads}
        fault, paths = fault_of(data.images, able, len(classes.ids)), {image.id: image.path for image in data.images}
        run = open_run(folder, parameters, world, resume=resume, overwrite=overwrite, fault=fault,
                       picture=lambda record: hash_of_file(paths[record["id"]]))
        go_through(run, batches(data.images, protocol, size), work.records, failed, reporter)

        def sum_up() -> SegmentationStudy:
            whole = Run(folder, world, fault)
            for kind, line in lines_on_turns(whole.records(), data.images):
                reporter.line(kind, line)
            document = summed_up(whole, data.instances, classes, parameters)
            return SegmentationStudy(document, gallery_png(whole, data, classes, work))

        return finished(SegmentationStudy, folder, world, sum_up)


def _data(images: str | Path | None, annotations: str | Path | None, limit: int | None, seed: int | None, folder: Path,
          world: World, strict: bool, reporter: Reporter, boxes: bool = False) -> CocoData:
    """See `read_data`; says what is left out."""
    data = read_data(path_of(images), path_of(annotations), limit, seed, folder, world, strict=strict,
                     boxes=boxes)
    for line in data.instances.warnings:
        reporter.line("warning", line)
    return data


def _parameters(work: Segmentation, data: CocoData, batch_size: int) -> dict[str, Any]:
    """All that decides on a digit."""
    identity = identity_of(work.detector.model)
    return {
        "kind": "segment", "protocol": work.protocol, "methods": [method.name for method in work.methods],
        "threshold": work.detector.threshold, **data.parameters, "batch_size": batch_size,
        "max_memory": work.detector.max_memory, **identity,
        "versions": {**identity["versions"], "pycocotools": version("pycocotools")},
    }


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"
