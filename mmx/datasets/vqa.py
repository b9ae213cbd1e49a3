"""Questions about pictures with what people answered: LXMERT's entries, the official VQA v2 pair, or plain rows."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmx.datasets.questions import DELIMITERS, read_questions
from mmx.datasets.soft_accuracy import Truth, truth_of, truth_of_scores
from mmx.errors import UsageError, shown_path, shown_value

_BETWEEN = "|"
_NONE = (None, "", [], {})
_KINDS = "Give LXMERT's valid.json, VQA's questions with `annotations=FILE`, or rows with image, question and answer."
_ANSWERS = ('Give an answer, a list of what people answered, as texts or as {"answer": "yes"}, or scores from 0 to 1, '
            'as {"yes": 1, "no": 0.3}.')


@dataclass(frozen=True)
class VqaSample:
    """One question, its `id` and the `truth`: how good each answer is, None where that is not known.

    `image` is the picture's name in its data set, `path` its file where the data say so.
    """

    id: str
    image: str
    question: str
    truth: Truth | None
    path: Path | None = None


@dataclass(frozen=True)
class VqaFile:
    """The `samples` in the order of the file, what `kind` of file it was, and the `sha256` of its bytes."""

    samples: tuple[VqaSample, ...]
    kind: str
    sha256: str


def read_vqa(path: Path, annotations: Path | None = None, images: Path | None = None, *,
             with_truth: bool = True) -> VqaFile:
    """Reads questions and answers; a relative path of a picture counts from `images`, or else from the file.

    Args:
        with_truth: answers must be there. Otherwise a file may have none at all.

    Raises:
        UsageError: the file cannot be read, is of no known kind, or has no samples; one line says where.
    """
    files = [path] if annotations is None else [path, annotations]
    content = b"".join(map(_bytes_of, files))
    kind, read = _kind_of(path, annotations, with_truth)
    try:
        samples = read(path, annotations, images)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        named, said = " with ".join(map(shown_path, files)), f"{type(error).__name__}: {error}"
        raise UsageError(f"{named} cannot be read as {kind} ({said}).", _KINDS) from error
    if not samples:
        raise UsageError(f"{shown_path(path)} has no questions with answers.", _KINDS)
    return VqaFile(tuple(samples), kind, hashlib.sha256(content).hexdigest())


Reader = Callable[[Path, Path | None, Path | None], list[VqaSample]]


def _kind_of(path: Path, annotations: Path | None, with_truth: bool) -> tuple[str, Reader]:
    document = _document(path) if path.suffix.lower() == ".json" else None
    if isinstance(document, dict) and "annotations" in document and "questions" not in document:
        raise UsageError(f"{shown_path(path)} holds VQA's answers, without the questions.",
                         "Give the questions file as `data=` and this one as `annotations=`.")
    if isinstance(document, dict) and "questions" in document:
        if annotations is None and not with_truth:
            return "VQA's questions", _questions
        if annotations is None:
            raise UsageError(f"{shown_path(path)} holds VQA's questions, without the answers.",
                             "Add `annotations=` with the file of answers.")
        return "the official VQA v2 pair", _official
    if annotations is not None:
        raise UsageError("`annotations=` goes with VQA's questions file.", "Leave it out for other data.")
    if isinstance(document, list) and document and isinstance(document[0], dict) and "sent" in document[0]:
        return "LXMERT's entries", _lxmert
    return "rows", _rows if with_truth else _rows_or_questions


def _lxmert(path: Path, annotations: Path | None, images: Path | None) -> list[VqaSample]:
    """`label` maps answers to soft scores; it may be empty, and then no answer is right."""
    return [VqaSample(str(one["question_id"]), str(one["img_id"]), one["sent"],
                      _truth(one["label"], path, f"entry {number}", "label", truth_of_scores))
            for number, one in enumerate(_document(path), start=1)]


def _questions(path: Path, annotations: Path | None, images: Path | None) -> list[VqaSample]:
    """Without answers."""
    asked = _document(path)
    kind, subset = str(asked.get("data_type")), asked.get("data_subtype")
    return [VqaSample(str(one["question_id"]), _picture_name(one["image_id"], kind, subset), one["question"], None)
            for one in asked["questions"]]


def _official(path: Path, annotations: Path | None, images: Path | None) -> list[VqaSample]:
    """Questions without annotations are left out."""
    assert annotations is not None
    answers = {str(one["question_id"]): _truth(one["answers"], annotations, f"question {one['question_id']}", "answers")
               for one in _document(annotations)["annotations"]}
    return [replace(one, truth=answers[one.id]) for one in _questions(path, None, images) if one.id in answers]


def _rows_or_questions(path: Path, annotations: Path | None, images: Path | None) -> list[VqaSample]:
    """Rows of which either each has an answer, or none."""
    rows = read_questions(path, images)
    if any(row.answers not in _NONE for row in rows):
        return _rows(path, annotations, images)
    for row in rows:
        if row.image == Path() or not row.question:
            raise UsageError(f"{shown_path(path)}, line {row.line}: image or question is missing.", _KINDS)
    return [VqaSample(row.id or f"line {row.line}", row.image.stem, row.question, None, row.image) for row in rows]


def _rows(path: Path, annotations: Path | None, images: Path | None) -> list[VqaSample]:
    """`answers` holds one answer, several people's, or a score for each; in a table people's stand between bars."""
    samples, read = [], _truth_of_cell if path.suffix.lower() in DELIMITERS else truth_of
    for row in read_questions(path, images):
        if row.answers in _NONE or row.image == Path() or not row.question:
            raise UsageError(f"{shown_path(path)}, line {row.line}: image, question or answer is missing.", _KINDS)
        truth = _truth(row.answers, path, f"line {row.line}", row.answers_field, read)
        samples.append(VqaSample(row.id or f"line {row.line}", row.image.stem, row.question, truth, row.image))
    return samples


def _truth_of_cell(text: str) -> Truth:
    """Lists and objects may stand in a table as JSON."""
    if (text[0], text[-1]) not in (("[", "]"), ("{", "}")):
        return truth_of(text.split(_BETWEEN) if _BETWEEN in text else text)
    try:
        return truth_of(json.loads(text))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{shown_value(text)} is no list or object in JSON") from error


def _truth(answers: Any, path: Path, row: str, name: str, read: Callable[[Any], Truth] = truth_of) -> Truth:
    try:
        return read(answers)
    except ValueError as error:
        raise UsageError(f"{shown_path(path)}, {row}, {name}: {error}.", _ANSWERS) from error


def _picture_name(image: Any, kind: str, subset: str | None) -> str:
    """As its file is called: COCO_val2014_000000000009, or abstract_v002_val2015_000000000009 of a drawn scene."""
    number = int(image) if type(image) is float and image.is_integer() else image
    prefix = kind if kind.startswith("abstract") else "COCO"
    return f"{prefix}_{subset}_{number:012d}" if isinstance(number, int) and subset else str(number)


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
