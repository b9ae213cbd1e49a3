"""What a command line asks for: pictures and questions, in order, each with the stem of its own files."""

import sys
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmx.datasets.questions import QuestionRow, read_questions
from mmx.errors import ImageError, MmxError, UsageError, shown_path
from mmx.images import SUFFIXES, open_picture, picture_from_bytes
from mmx.results import Picture

STDIN = "-"
_LONGEST_STEM = 150  # bytes; a file system takes 255, and method and ending follow


@dataclass(frozen=True)
class Request:
    """One picture and perhaps a question, the stem of the files that answer it, and where it was asked.

    `content` is the picture's file itself, where it came from stdin.
    """

    image: str
    question: str | None
    targets: tuple[str | int, ...]
    stem: str
    row: str = ""
    content: bytes | None = None

    def open(self) -> Picture:
        """Raises MmxError where it cannot be read."""
        if not self.image:
            raise MmxError(f"The question '{self.question}' has no picture.", "Fill in its column image.")
        if self.content is not None:
            return picture_from_bytes(self.content, self.image)
        if Path(self.image).is_dir():
            raise ImageError(f"{shown_path(self.image)} is a folder without pictures ({', '.join(SUFFIXES)}).",
                             "Give a folder that holds some, or --recursive for those in its folders.")
        return open_picture(self.image)


def gather_requests(images: Sequence[str], question: str | None, questions: Path | None, images_dir: Path | None,
                    targets: tuple[str | int, ...], *, recursive: bool = False) -> list[Request]:
    """The requests of a command line: every IMAGE with the one question or with none, or the rows of a file.

    A folder stands for its pictures in order of their names, with `recursive` for those in its folders too.
    """
    if questions is not None:
        if images or question is not None:
            raise UsageError("--questions takes the place of IMAGE and --question.", "Give one or the other.")
        return requests_of_rows(_rows(questions, images_dir), targets, shown_path(questions))
    if images_dir is not None:
        raise UsageError("--images says where the pictures of --questions lie.", "Give --questions FILE as well.")
    if not images:
        raise UsageError("No picture was given.", "mmx explain IMAGE --question TEXT, or --questions FILE; "
                         "'mmx shapes draw' draws some.")
    if images.count(STDIN) > 1:
        raise UsageError("stdin holds one picture, and - stands for it twice.", "Give - once.")
    found = [path for image in images for path in _pictures_of(image, recursive)]
    stems = unique_stems(["stdin" if image == STDIN else Path(image).stem for image in found])
    return [Request("stdin", question, targets, stem, content=_from_stdin()) if image == STDIN else
            Request(image, question, targets, stem) for image, stem in zip(found, stems, strict=True)]


def unreadable(requests: Sequence[Request]) -> list[tuple[Request, Exception]]:
    """Why each of the pictures cannot be read; nothing where one of them can."""
    found: list[tuple[Request, Exception]] = []
    for request in requests:
        try:
            request.open()
        except Exception as error:
            found.append((request, error))
        else:
            return []
    return found


def _pictures_of(image: str, recursive: bool) -> list[str]:
    """The pictures of a folder; of what is none, or holds none, itself."""
    if not Path(image).is_dir():
        return [image]
    found = (Path(image).rglob if recursive else Path(image).glob)("*")
    return sorted(str(path) for path in found if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
                  and path.is_file()) or [image]


def _from_stdin() -> bytes:
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("- reads a picture from stdin, and nothing comes from there.",
                         "mmx explain - --question TEXT < photo.jpg")
    content = sys.stdin.buffer.read()
    if not content:
        raise UsageError("stdin is empty.", "mmx explain - --question TEXT < photo.jpg")
    return content


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
