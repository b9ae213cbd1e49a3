"""Where the perturbation test's questions and pictures come from: files, or the drawn world."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmx.datasets.soft_accuracy import truth_of_one
from mmx.datasets.vqa import VqaSample, read_vqa
from mmx.errors import ImageError, UsageError, shown_path
from mmx.images import open_picture
from mmx.shapes.questions import draw_question
from mmx.shapes.world import draw_scene, render
from mmx.studies.exam.asking import PICTURE_SIZE_PX
from mmx.studies.exam.study import FRESH_SCENES
from mmx.studies.perturb.protocol import Protocol
from mmx.types import Picture

REFERENCE_SEED = 1234
DRAWN_SAMPLES = 200
_TRAINING_SCENES = 1_000_000
_SUFFIXES = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG")


@dataclass(frozen=True)
class VqaData:
    """The samples of a run in order, how a sample's picture is opened, and what they are, among the parameters."""

    samples: tuple[VqaSample, ...]
    picture: Callable[[VqaSample], Picture]
    parameters: Mapping[str, Any]
    divisor: int
    """What sums of accuracies are divided by, if every sample can be evaluated."""


def data_from_file(path: Path, annotations: Path | None, images: Path | None, number: int | None, seed: int,
                   protocol: Protocol) -> VqaData:
    """Shuffled as the reference shuffles, by `random.seed(seed)`, then the first `number`."""
    if images is not None and not images.is_dir():
        raise UsageError(f"--images {shown_path(images)} is not a folder.", "Give the pictures' folder.")
    found = read_vqa(path, annotations, images)
    order = list(range(len(found.samples)))
    random.Random(seed).shuffle(order)
    wanted = len(order) if number is None else number
    taken = order[:wanted + int(protocol.takes_one_more)]
    parameters = {"kind": found.kind, "sha256": found.sha256, "num_samples": number, "seed": seed}
    return VqaData(tuple(found.samples[index] for index in taken), _PictureFolder(images).open, parameters,
                   min(len(taken), wanted))


def drawn_data(number: int, seed: int, protocol: Protocol) -> VqaData:
    """One question about each of some scenes that no shipped model was trained on."""
    wanted = number + int(protocol.takes_one_more)
    scenes = random.Random(seed).sample(range(FRESH_SCENES, _TRAINING_SCENES), wanted)
    parameters = {"kind": "drawn scenes", "sha256": None, "num_samples": number, "seed": seed}
    return VqaData(tuple(map(_drawn_sample, scenes)), _drawn_picture, parameters, number)


def _drawn_sample(scene: int) -> VqaSample:
    question = draw_question(draw_scene(scene), scene)
    return VqaSample(f"scene {scene}", str(scene), question.text, truth_of_one(question.answer))


def _drawn_picture(sample: VqaSample) -> Picture:
    return open_picture(render(draw_scene(int(sample.image)), PICTURE_SIZE_PX).image)


@dataclass(frozen=True)
class _PictureFolder:
    """Pictures by their COCO name: COCO_val2014_000000262148.jpg, in val2014/ as well, or 000000262148.jpg."""

    folder: Path | None

    def open(self, sample: VqaSample) -> Picture:
        if sample.path is not None:
            return open_picture(sample.path)
        if self.folder is None:
            raise UsageError("The data name pictures, but not where they are.",
                             "Add --images DIR, or --features FILE with features of their regions.")
        return open_picture(self._find(sample.image, self.folder))

    def _find(self, name: str, folder: Path) -> Path:
        _, _, rest = name.partition("_")
        subset, _, number = rest.partition("_")
        stems = [name, f"{subset}/{name}", number, name.zfill(12)] if subset and number else [name, name.zfill(12)]
        for stem in stems:
            for suffix in ("", *_SUFFIXES):
                path = folder / f"{stem}{suffix}"
                if stem and path.is_file():
                    return path
        raise ImageError(f"{shown_path(folder)} has no picture {name}.",
                         f"It is looked for as {name}.jpg and the like.")
