"""What a command line asks for: pictures and questions, in order, each with the stem of its own files."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmx.datasets.questions import QuestionRow, read_questions
from mmx.errors import UsageError, shown_path

_LONGEST_STEM = 150  # bytes; a file system takes 255, and method and ending follow


@dataclass(frozen=True)
class Request:
    """One picture and perhaps a question, the stem of the files that answer it, and where it was asked."""

    image: str
    question: str | None
    targets: tuple[str | int, ...]
    stem: str
    row: str = ""


def gather_requests(images: Sequence[str], question: str | None, questions: Path | None, images_dir: Path | None,
                    targets: tuple[str | int, ...]) -> list[Request]:
    """The requests of a command line: every IMAGE with the one question or with none, or the rows of a file."""
    if questions is not None:
        if images or question is not None:
            raise UsageError("--questions takes the place of IMAGE and --question.", "Give one or the other.")
        return requests_of_rows(_rows(questions, images_dir), targets, shown_path(questions))
    if images_dir is not None:
        raise UsageError("--images says where the pictures of --questions lie.", "Give --questions FILE as well.")
    if not images:
        raise UsageError("No picture was given.", "mmx explain IMAGE --question TEXT, or --questions FILE.")
    stems = unique_stems([Path(image).stem for image in images])
    return [Request(image, question, targets, stem) for image, stem in zip(images, stems, strict=True)]


def requests_of_rows(rows: Sequence[QuestionRow], targets: tuple[str | int, ...], file: str) -> list[Request]:
    """`targets` is for the rows that name none."""
    images = ["" if row.image == Path() else str(row.image) for row in rows]
    stems = unique_stems([row.id or row.image.stem for row in rows])
    return [Request(image, row.question, targets if row.target is None else (row.target,), stem,
                    f"{file}, line {row.line}")
            for image, row, stem in zip(images, rows, stems, strict=True)]


def unique_stems(names: Sequence[str]) -> list[str]:
    """File names of their own: a name that several requests share gets their number as well."""
    clean = [_as_stem(name) for name in names]
    shared = Counter(name.lower() for name in clean)
    taken = {name for name, count in shared.items() if count == 1}
    stems = []
    for number, name in enumerate(clean, 1):
        stem = name if shared[name.lower()] == 1 else f"{name}-{number}"
        while shared[name.lower()] > 1 and stem.lower() in taken:
            stem += "_"
        taken.add(stem.lower())
        stems.append(stem)
    return stems


def _rows(questions: Path, images_dir: Path | None) -> list[QuestionRow]:
    if images_dir is not None and not images_dir.is_dir():
        raise UsageError(f"--images {shown_path(images_dir)} is not a folder.", "Give the pictures' folder.")
    return read_questions(questions, images_dir)


def _as_stem(name: str) -> str:
    """What every file system takes: letters and marks of any script, digits and -_. within a length in bytes."""
    kept = "".join(char if char.isalnum() or char in "-_. " or unicodedata.category(char)[0] == "M" else "_"
                   for char in unicodedata.normalize("NFC", name))
    return kept.encode()[:_LONGEST_STEM].decode(errors="ignore").strip(". ") or "picture"
