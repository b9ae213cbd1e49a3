"""A segmentation run from its data to its files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from mmx.cli.output import print_error, print_note
from mmx.cli.progress import progress_bar
from mmx.cli.segment_gallery import draw_gallery
from mmx.datasets.coco import CocoImage, Instances, read_instances
from mmx.devices import quarter_of_gpu
from mmx.errors import ImageError, MmxError, UsageError, shown_path
from mmx.explainer import Model, load, versions
from mmx.render.files import write_atomically
from mmx.shapes.coco import ANNOTATIONS, write_coco
from mmx.studies.runs import Run, World, fix_threads, open_run
from mmx.studies.segment.categories import match_categories
from mmx.studies.segment.records import Segmentation, batches
from mmx.studies.segment.summary import Summary

DETECTOR = "shapes-detr"
_FOR_PHOTOGRAPHS = "facebook/detr-resnet-50"
_SCENES, _SCENE_SIZE = 100, 480


def open_detector(name: str | None, revision: str | None, device: str, dtype: str, world: World, quiet: bool) -> Model:
    """The checkpoint that was asked for, or the one that ships; each process of a machine takes a GPU of its own."""
    if name is None and world.leads and not quiet:
        print_note(f"using {DETECTOR}, which ships with mmx and knows drawn shapes only; "
                   f"for photographs: --model {_FOR_PHOTOGRAPHS}")
    if world.size > 1 and device in ("auto", "cuda") and torch.cuda.is_available():
        device = f"cuda:{world.local_rank % torch.cuda.device_count()}"
    model = load(name or DETECTOR, device, dtype, revision=revision)
    if model.family.task != "object detection":
        raise UsageError(f"{model.info.name} does {model.family.task}; only a detector can be scored by masks.",
                         f"Name one: --model {_FOR_PHOTOGRAPHS}.")
    return model


def gradient_memory(model: Model, asked: int | None) -> int | None:
    """Bytes that gradients may take, which digits hang on; None leaves it to the engine."""
    return asked if asked is not None else quarter_of_gpu(model.info.device)


@dataclass(frozen=True)
class Data:
    """The annotations, the pictures that are asked for, and how that is put down among the parameters."""

    instances: Instances
    images: tuple[CocoImage, ...]
    parameters: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path | None, annotations: Path | None, out: Path, limit: int | None, seed: int | None,
             world: World) -> "Data":
        if (folder is None) != (annotations is None):
            raise UsageError("--images and --annotations go together.", "Give both, or neither for drawn scenes.")
        if seed is not None and limit is None:
            raise UsageError("--seed draws the pictures of --limit.", "Give --limit as well.")
        # Drawn scenes are the same wherever --out is, and so are the parameters.
        asked = {"images": folder and str(folder), "annotations": annotations and str(annotations)}
        if folder is None or annotations is None:
            asked["images"] = "drawn scenes"
            folder = out / "shapes"
            annotations = folder / ANNOTATIONS
            if world.leads:
                write_coco(folder, range(_SCENES), _SCENE_SIZE)
            world.wait()
        instances = read_instances(annotations, folder)
        images = instances.pick(limit, seed)
        if not images:
            raise UsageError(f"{shown_path(annotations)} has no pictures.")
        if not any(image.path.exists() for image in images):
            raise UsageError(f"None of the {len(images)} pictures of {shown_path(annotations)} lies in "
                             f"{shown_path(folder)}.", f"Give the folder of {images[0].path.name} with --images.")
        return cls(instances, images, {**asked, "annotations_sha256": instances.sha256, "limit": limit, "seed": seed})


def run_segmentation(work: Segmentation, data: Data, batch_size: int, out: Path, resume: bool, world: World,
                     quiet: bool) -> dict[str, Any] | None:
    """Goes through the pictures, then scores them; only the leading process gets the summary."""
    model = work.model
    classes = match_categories(model.network.config.id2label, data.instances.categories, model.info.name)
    threads = fix_threads(world) if model.info.device == "cpu" else None
    parameters = {**_parameters(work, data, batch_size), "threads": threads}
    run = open_run(out, parameters, world, resume=resume)
    _go_through(work, run, batches(data.images, work.protocol, batch_size)[world.rank::world.size], quiet)
    world.wait()
    if not world.leads:
        return None
    summary = Summary(run, data.instances, classes, parameters)
    if not summary.evaluated:
        raise MmxError("No picture could be evaluated.", "The lines above say why.")
    _write_results(out / "boxes.json", summary.score_boxes())
    for method in work.methods:
        _write_results(out / f"predictions.{method.name}.json", summary.score_method(method.name))
    draw_gallery(out / "gallery.png", run, data, classes, work)
    found = summary.document()
    write_atomically(out / "summary.json", (json.dumps(found, indent=2, allow_nan=False) + "\n").encode())
    return found


def _go_through(work: Segmentation, run: Run, groups: Sequence[Sequence[CocoImage]], quiet: bool) -> None:
    """A group of which a picture is not done yet goes through the model as a whole, for the same digits."""
    left = [group for group in groups if any(image.id not in run.done for image in group)]
    with progress_bar(sum(map(len, left)), quiet or not run.world.leads) as advance:
        for group in left:
            for record in work.records(group):
                if "error" in record:
                    print_error(ImageError(record["error"]))
                if record["id"] not in run.done:
                    run.append(record)
            advance(len(group))


def _parameters(work: Segmentation, data: Data, batch_size: int) -> dict[str, Any]:
    info = work.model.info
    return {
        "protocol": work.protocol, "methods": [method.name for method in work.methods], "threshold": work.threshold,
        **data.parameters, "batch_size": batch_size, "max_memory": work.max_memory,
        "model": info.name, "revision": info.revision, "device": info.device.partition(":")[0], "dtype": info.dtype,
        "versions": {**versions(), "pycocotools": version("pycocotools")},
    }


def _write_results(path: Path, results: Sequence[Mapping[str, Any]]) -> None:
    write_atomically(path, (json.dumps(results, separators=(",", ":"), allow_nan=False) + "\n").encode())
