"""Where the perturbation test's questions and pictures come from: files, rows, or the drawn world."""

import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmx.datasets.soft_accuracy import truth_of, truth_of_one
from mmx.datasets.vqa import VqaSample, read_vqa
from mmx.errors import ImageError, UsageError, shown_path
from mmx.images import Source, open_picture
from mmx.perturbation.protocol import RemovalProtocol
from mmx.results import Picture
from mmx.shapes.questions import draw_question
from mmx.shapes.world import draw_scene
from mmx.studies.scenes import FRESH_SCENES, drawn

DRAWN_SAMPLES = 200
_SUFFIXES = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG")
_ROW = "Give each row image (a file or a picture), question and answer or answers."

PlainRows = Sequence[Mapping[str, Any]]
"""image: a file's path or a picture, as `mmx.load(...).explain` takes it; question; answer, or answers of several
people, or a score for each; id."""


@dataclass(frozen=True)
class VqaData:
    """The samples of a run in order, and what they are, among the parameters.

    Attributes:
        picture: opens a sample's picture.
        path: where its file is, None for a picture that has none.
    """

    samples: tuple[VqaSample, ...]
    picture: Callable[[VqaSample], Picture]
    path: Callable[[VqaSample], Path | None]
    parameters: Mapping[str, Any]
    divisor: int
    """What sums of accuracies are divided by, if every sample can be evaluated."""

    @property
    def has_truth(self) -> bool:
        """Whether it is known which answers are right."""
        return all(sample.truth is not None for sample in self.samples)


def read_data(data: str | Path | PlainRows | None, annotations: Path | None, images: Path | None, number: int | None,
              seed: int, protocol: RemovalProtocol, *, with_truth: bool = True) -> VqaData:
    """Questions and answers by what they are; see `mmx.perturb`. Raises UsageError where they cannot be read.

    Args:
        with_truth: each question must have an answer; otherwise all of them may have none.
    """
    if data is None:
        if annotations or images:
            raise UsageError("`annotations=` and `images=` go with `data=`.", "Give `data=` as well.")
        return drawn_data(number or DRAWN_SAMPLES, seed, protocol)
    if isinstance(data, str | Path):
        return data_from_file(Path(data), annotations, images, number, seed, protocol, with_truth=with_truth)
    return data_from_rows(data, images, number, seed, protocol, with_truth=with_truth)


def data_from_file(path: Path, annotations: Path | None, images: Path | None, number: int | None, seed: int,
                   protocol: RemovalProtocol, *, with_truth: bool = True) -> VqaData:
    """Shuffled as the reference shuffles, by `random.seed(seed)`, then the first `number`."""
    if images is not None and not images.is_dir():
        raise UsageError(f"{shown_path(images)} is not a folder.", "Give the pictures' folder as `images=`.")
    found = read_vqa(path, annotations, images, with_truth=with_truth)
    return _taken(found.samples, _Pictures(images), found.kind, found.sha256, number, seed, protocol)


def data_from_rows(rows: PlainRows, images: Path | None, number: int | None, seed: int,
                   protocol: RemovalProtocol, *, with_truth: bool = True) -> VqaData:
    """The same out of rows in memory; a relative path of a picture counts from `images`."""
    samples, pictures, total = [], {}, hashlib.sha256()
    with_truth = with_truth or any(row.get("answers", row.get("answer")) for row in rows)
    for place, row in enumerate(rows):
        image, answers = row.get("image"), row.get("answers", row.get("answer"))
        if not (isinstance(image, Source) and row.get("question") and (answers or not with_truth)):
            raise UsageError(f"Row {place}: image, question or answer is missing.", _ROW)
        name = str(row.get("id", f"row {place}"))
        path = Path(images or "", image) if isinstance(image, str | Path) else None
        try:
            truth = truth_of(answers) if with_truth else None
        except ValueError as error:
            raise UsageError(f"Row {place}, {'answers' if 'answers' in row else 'answer'}: {error}.", _ROW) from error
        samples.append(VqaSample(name, name if path is None else path.stem, row["question"], truth, path))
        if path is None:
            pictures[name] = open_picture(image)
        shown = str(path) if path is not None else pictures[name].sha256
        total.update(json.dumps([name, shown, row["question"], answers]).encode())
    if not samples:
        raise UsageError("There are no questions.", _ROW)
    return _taken(tuple(samples), _Pictures(images, pictures), "rows", total.hexdigest(), number, seed, protocol)


def drawn_data(number: int, seed: int, protocol: RemovalProtocol) -> VqaData:
    """One question about each of some scenes that no shipped model was trained on."""
    if number >= len(FRESH_SCENES):
        raise UsageError(f"There are {len(FRESH_SCENES):,} drawn scenes that no shipped model was trained on.",
                         "Give a smaller `num_samples=`.")
    scenes = random.Random(seed).sample(FRESH_SCENES, number + int(protocol.takes_one_more))
    parameters = {"kind": "drawn scenes", "sha256": None, "num_samples": number, "seed": seed}
    return VqaData(tuple(map(_drawn_sample, scenes)), _drawn_picture, lambda sample: None, parameters, number)


def _taken(samples: Sequence[VqaSample], pictures: "_Pictures", kind: str, sha256: str, number: int | None, seed: int,
           protocol: RemovalProtocol) -> VqaData:
    order = list(range(len(samples)))
    random.Random(seed).shuffle(order)
    wanted = len(order) if number is None else number
    taken = order[:wanted + int(protocol.takes_one_more)]
    parameters = {"kind": kind, "sha256": sha256, "num_samples": number, "seed": seed}
    return VqaData(tuple(samples[index] for index in taken), pictures.open, pictures.path, parameters,
                   min(len(taken), wanted))


def _drawn_sample(scene: int) -> VqaSample:
    question = draw_question(draw_scene(scene), scene)
    return VqaSample(f"scene {scene}", str(scene), question.text, truth_of_one(question.answer))


def _drawn_picture(sample: VqaSample) -> Picture:
    [(_, picture)] = drawn([int(sample.image)])
    return open_picture(picture.image)


@dataclass(frozen=True)
class _Pictures:
    """Those that are open, by sample, and files: where a sample says, or by the name of their data set.

    That is COCO_val2014_000000262148.jpg, in val2014/ as well, or 000000262148.jpg; of VQA's drawn scenes
    abstract_v002_val2015_000000020000.png, in the folder of their archive as well.
    """

    folder: Path | None
    opened: Mapping[str, Picture] = field(default_factory=dict)

    def open(self, sample: VqaSample) -> Picture:
        path = self.path(sample)
        return self.opened[sample.id] if path is None else open_picture(path)

    def path(self, sample: VqaSample) -> Path | None:
        """None for one that is open. Raises UsageError or ImageError where there is none."""
        if sample.id in self.opened:
            return None
        if sample.path is not None:
            return sample.path
        if self.folder is None:
            raise UsageError("The data name pictures, but not where they are.",
                             "Add `images=DIR`, or `features=FILE` with features of their regions.")
        return self._find(sample.image, self.folder)

    def _find(self, name: str, folder: Path) -> Path:
        stems = [name, name.zfill(12)]
        if name.count("_") > 1:
            kind, subset, number = name.rsplit("_", 2)
            stems += [f"{subset}/{name}", f"{kind}_{subset}/{name}", f"scene_img_{kind}_{subset}/{name}", number]
        for stem in stems:
            for suffix in ("", *_SUFFIXES):
                path = folder / f"{stem}{suffix}"
                if stem and _is_file(path):
                    return path
        raise ImageError(f"{shown_path(folder)} has no picture {shown_path(name)}.",
                         f"It is looked for as {shown_path(name)}.jpg and the like.")


def _is_file(path: Path) -> bool:
    """No name that the file system refuses is one's."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
