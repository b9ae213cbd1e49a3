"""Questions about pictures with what people answered: LXMERT's entries, the official VQA v2 pair, or plain rows."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmx.datasets.questions import DELIMITERS, read_questions
from mmx.datasets.soft_accuracy import Truth, truth_of_one, truth_of_people
from mmx.errors import UsageError, shown_path

_BETWEEN = "|"
_KINDS = "Give LXMERT's valid.json, VQA's questions with --annotations, or rows with image, question and answer."


@dataclass(frozen=True)
class VqaSample:
    """One question. `image` is the picture's name in its data set, `path` its file where the data say so."""

    id: str
    image: str
    question: str
    truth: Truth
    path: Path | None = None


@dataclass(frozen=True)
class VqaFile:
    """The samples in the order of the file, what kind of file it was, and a hash of its bytes."""

    samples: tuple[VqaSample, ...]
    kind: str
    sha256: str


def read_vqa(path: Path, annotations: Path | None = None, images: Path | None = None) -> VqaFile:
    """Reads questions and answers; a relative path of a picture counts from `images`, or else from the file.

    Raises:
        UsageError: the file cannot be read, is of no known kind, or has no samples; one line says where.
    """
    files = [path] if annotations is None else [path, annotations]
    content = b"".join(map(_bytes_of, files))
    kind, read = _kind_of(path, annotations)
    try:
        samples = read(path, annotations, images)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        named, said = " with ".join(map(shown_path, files)), f"{type(error).__name__}: {error}"
        raise UsageError(f"{named} cannot be read as {kind} ({said}).", _KINDS) from error
    if not samples:
        raise UsageError(f"{shown_path(path)} has no questions with answers.", _KINDS)
    return VqaFile(tuple(samples), kind, hashlib.sha256(content).hexdigest())


Reader = Callable[[Path, Path | None, Path | None], list[VqaSample]]


def _kind_of(path: Path, annotations: Path | None) -> tuple[str, Reader]:
    document = _document(path) if path.suffix.lower() == ".json" else None
    if isinstance(document, dict) and "annotations" in document and "questions" not in document:
        raise UsageError(f"{shown_path(path)} holds VQA's answers, without the questions.",
                         "Give the questions file as --data and this one as --annotations.")
    if isinstance(document, dict) and "questions" in document:
        if annotations is None:
            raise UsageError(f"{shown_path(path)} holds VQA's questions, without the answers.",
                             "Add --annotations with the file of answers.")
        return "the official VQA v2 pair", _official
    if annotations is not None:
        raise UsageError("--annotations goes with VQA's questions file.", "Leave it out for other data.")
    if isinstance(document, list) and document and isinstance(document[0], dict) and "sent" in document[0]:
        return "LXMERT's entries", _lxmert
    return "rows", _rows


def _lxmert(path: Path, annotations: Path | None, images: Path | None) -> list[VqaSample]:
    """`label` maps answers to soft scores; it may be empty, and then no answer is right."""
    return [VqaSample(str(one["question_id"]), str(one["img_id"]), one["sent"],
                      Truth({answer: float(score) for answer, score in one["label"].items()}))
            for one in _document(path)]


def _official(path: Path, annotations: Path | None, images: Path | None) -> list[VqaSample]:
    """Questions without annotations are left out."""
    assert annotations is not None
    asked = _document(path)
    answers = {one["question_id"]: [person["answer"] for person in one["answers"]]
               for one in _document(annotations)["annotations"]}
    subset = asked.get("data_subtype")
    return [VqaSample(str(one["question_id"]), _coco_name(one["image_id"], subset), one["question"],
                      truth_of_people(answers[one["question_id"]]))
            for one in asked["questions"] if one["question_id"] in answers]


def _rows(path: Path, annotations: Path | None, images: Path | None) -> list[VqaSample]:
    """`answers` holds one answer, several people's, or a score for each; in a table people's stand between bars."""
    samples = []
    for row in read_questions(path, images):
        truth = _truth(row.answers, in_table=path.suffix.lower() in DELIMITERS)
        if truth is None or row.image == Path() or not row.question:
            raise UsageError(f"{shown_path(path)}, line {row.line}: image, question or answer is missing.", _KINDS)
        samples.append(VqaSample(row.id or f"line {row.line}", row.image.stem, row.question, truth, row.image))
    return samples


def _truth(answers: Any, in_table: bool) -> Truth | None:
    if isinstance(answers, dict):
        return Truth({str(answer): float(score) for answer, score in answers.items()}) if answers else None
    if isinstance(answers, str) and in_table and _BETWEEN in answers:
        answers = answers.split(_BETWEEN)
    if isinstance(answers, list) and len(answers) > 1:
        return truth_of_people([str(answer) for answer in answers])
    one = answers[0] if isinstance(answers, list) and answers else answers
    return None if one is None or one in ([], "") else truth_of_one(str(one))


def _coco_name(image: Any, subset: str | None) -> str:
    return f"COCO_{subset}_{image:012d}" if isinstance(image, int) and subset else str(image)


def _document(path: Path) -> Any:
    try:
        return json.loads(_bytes_of(path))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{shown_path(path)} is broken JSON ({error}).", _KINDS) from error


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{shown_path(path)} cannot be read ({error.strerror}).", "Check the path.") from error
