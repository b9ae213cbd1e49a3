"""What a command line asks for: pictures and questions, in order, each with the stem of its own files."""

import hashlib
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mmx.datasets.questions import QuestionRow, read_questions
from mmx.errors import ImageError, MmxError, UsageError, shown_path
from mmx.images import SUFFIXES, hash_of_file, open_picture, picture_from_bytes, pixels_of
from mmx.results import Asked, Picture, picture_name, plain_name, stem_of

STDIN = "-"
_MOST_FOLDERS = 4


@dataclass(frozen=True)
class Request:
    """One picture, or several that are shown together, and perhaps a question.

    Attributes:
        others: what is shown beside the first picture.
        name: of the picture, in those of its files.
        is_named: the user gave that name to what is asked, too.
        row: where it was asked.
        content: the picture's file itself, where it came from stdin.
    """

    image: str
    question: str | None
    targets: tuple[str | int, ...]
    name: str
    is_named: bool = False
    row: str = ""
    content: bytes | None = None
    others: tuple[str, ...] = ()

    def stem(self, asked: Asked) -> str:
        """Of the files that answer it; `asked` is what is asked, in full."""
        return self.name if self.is_named else stem_of(self.name, asked)

    def hashes(self) -> list[str] | None:
        """Those of the pictures' files, None where one cannot be read."""
        first = hash_of_file(self.image) if self.content is None else hashlib.sha256(self.content).hexdigest()
        found = [one for one in (first, *map(hash_of_file, self.others)) if one is not None]
        return found if len(found) == 1 + len(self.others) else None

    @property
    def pixels(self) -> int:
        """Of all its pictures, as far as that can be told."""
        return sum(map(pixels_of, (self.image, *self.others)))

    def open_all(self) -> tuple[Picture, ...]:
        """Raises MmxError where one cannot be read."""
        return (self.open(), *map(open_picture, self.others))

    def open(self) -> Picture:
        """The first one. Raises MmxError where it cannot be read."""
        if not self.image:
            raise MmxError(f"The question '{self.question}' has no picture.", "Fill in its column image.")
        if self.content is not None:
            return picture_from_bytes(self.content, self.image)
        if Path(self.image).is_dir():
            raise ImageError(f"{shown_path(self.image)} is a folder without pictures ({', '.join(SUFFIXES)}).",
                             "Give a folder that holds some, or --recursive for those in its folders.")
        return open_picture(self.image)


def gather_requests(images: Sequence[str], asked: Sequence[str | None], questions: Path | None,
                    images_dir: Path | None, targets: tuple[str | int, ...], *, recursive: bool = False,
                    together: bool = False) -> list[Request]:
    """The requests of a command line: every IMAGE with every question that is asked or with None, or a file's rows.

    A folder stands for its pictures in order of their names, with `recursive` for those in its folders too.

    Args:
        together: every question is asked of all IMAGE at once.
    """
    if together and (questions is not None or STDIN in images):
        raise UsageError("--together takes IMAGE as files.", "Leave out --questions, and give no -.")
    if questions is not None:
        if images or any(question is not None for question in asked):
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
    if together:
        return [Request(found[0], question, targets, name, others=tuple(found[1:]))
                for question, name in zip(asked, unique_names(["-".join(map(picture_name, found))] * len(asked), asked),
                                          strict=True)]
    content = _from_stdin() if STDIN in images else None
    pairs = [(image, question) for image in found for question in dict.fromkeys(asked)]
    names = unique_names(["stdin" if image == STDIN else image for image, _ in pairs], [one for _, one in pairs])
    return [Request("stdin", question, targets, name, content=content) if image == STDIN else
            Request(image, question, targets, name) for (image, question), name in zip(pairs, names, strict=True)]


def unreadable(requests: Sequence[Request]) -> list[tuple[Request, Exception]]:
    """Why each of the pictures cannot be read; nothing where one of them can."""
    found: list[tuple[Request, Exception]] = []
    for request in requests:
        try:
            request.open_all()
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
    ids = iter(_numbered([plain_name(row.id) for row in rows if row.id]))
    names = iter(unique_names([image for image, row in zip(images, rows, strict=True) if not row.id],
                              [(row.question, row.target) for row in rows if not row.id]))
    return [Request(image, row.question, targets if row.target is None else (row.target,),
                    next(ids if row.id else names), bool(row.id), f"{file}, line {row.line}")
            for image, row in zip(images, rows, strict=True)]


def unique_names(images: Sequence[str], asked: Sequence[object]) -> list[str]:
    """A name for each picture: its file's, with its folders, or else its ending, where these tell it from others.

    What is asked of one picture differs in the names of its files by itself; the same twice gets a number.
    """
    by_image: dict[str, str] = {}
    waiting = list(dict.fromkeys(images))
    for name_of in (*(partial(_with_folders, depth) for depth in range(_MOST_FOLDERS)), _with_ending):
        names = {image: name_of(image) for image in waiting}
        known = Counter(name.lower() for name in (*names.values(), *by_image.values()))
        by_image |= {image: name for image, name in names.items() if known[name.lower()] == 1}
        waiting = [image for image in waiting if image not in by_image]
    by_image |= zip(waiting, _numbered([_with_ending(image) for image in waiting]), strict=True)
    names = [by_image[image] for image in images]
    whole = [f"{name}\0{what}".lower() for name, what in zip(names, asked, strict=True)]
    again = Counter(whole)
    return [name if again[key] == 1 else numbered
            for name, key, numbered in zip(names, whole, _numbered(names), strict=True)]


def _with_folders(depth: int, image: str) -> str:
    path = Path(image)
    return plain_name("-".join((*path.parts[max(0, len(path.parts) - 1 - depth):-1], picture_name(image))))


def _with_ending(image: str) -> str:
    return plain_name(Path(image).name.replace(".", "-").strip("-"))


def _numbered(clean: Sequence[str]) -> list[str]:
    """Names of their own: one that is there several times gets its number as well."""
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
