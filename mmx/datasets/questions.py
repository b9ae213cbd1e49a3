"""Questions in a file: CSV, TSV, JSON lines or a JSON array, one row for each picture and question."""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmx.errors import UsageError, shown_path

DELIMITERS = {".csv": ",", ".tsv": "\t"}
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
KINDS = ", ".join((*DELIMITERS, *JSON_SUFFIXES))
REQUIRED = ("image", "question")
FIELDS = (*REQUIRED, "target", "id")
JSON_HINT = 'Write one object per line, such as {"image": "cat.jpg", "question": "Is it a cat?"}, or an array in .json.'
ITEM_START = re.compile(r"[^\s,]")

Record = tuple[int, dict[str, Any]]


@dataclass(frozen=True)
class QuestionRow:
    """One question, with its `target` and `id` where the row has them; `line` is where the row begins.

    An empty image is `Path()`, an empty question "". `answers` is what the row gives as its `answers_field`, in
    whatever form.
    """

    image: Path
    question: str
    target: str | None
    line: int
    id: str | None
    answers: Any = None
    answers_field: str = "answer"


def read_questions(path: Path, images: Path | None = None) -> list[QuestionRow]:
    """Reads every row; a relative picture is looked for in `images`, or else beside the file."""
    folder = path.parent if images is None else images
    rows = [_row(record, line, path, folder) for line, record in _records(path)]
    if not rows:
        raise UsageError(f"{shown_path(path)} has no questions.", "Write rows with image and question.")
    return rows


def _records(path: Path) -> Iterator[Record]:
    suffix = path.suffix.lower()
    if suffix in DELIMITERS:
        return _table_records(_text_of(path), path, DELIMITERS[suffix])
    if suffix not in JSON_SUFFIXES:
        raise UsageError(f"{shown_path(path)} is no known kind of question file.", f"Name it by its kind: {KINDS}.")
    text = _text_of(path)
    is_array = suffix == ".json" and text.lstrip().startswith("[")
    return _array_records(text, path) if is_array else _line_records(text, path)


def _text_of(path: Path) -> str:
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise UsageError(f"{shown_path(path)} cannot be read ({error.args[-1]}).", "Check the path.") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _wrong(path, line, f"byte 0x{data[error.start]:02x} is not UTF-8", "Save the file as UTF-8.") from error


def _table_records(text: str, path: Path, delimiter: str) -> Iterator[Record]:
    header: list[str] = []
    for line, cells in _filled_rows(text, path, delimiter):
        if not header:
            header = [cell.lower() for cell in cells]
            _require_all(header, "column", path, line)
        elif any(cells[len(header) :]):
            message = f"there are {len(cells)} cells, but {len(header)} columns"
            raise _wrong(path, line, message, f"Put a cell that holds a {delimiter!r} in double quotes.")
        else:
            yield line, dict(zip(header, cells, strict=False))


def _filled_rows(text: str, path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            if any(map(str.strip, cells)):
                yield line, [cell.strip() for cell in cells]
            line = reader.line_num + 1
    except csv.Error as error:
        raise _wrong(path, line, f"the row is broken ({error})", "Close every double quote.") from error


def _require_all(found: list[str], what: str, path: Path, line: int) -> None:
    for name in REQUIRED:
        if name not in found:
            message = f"the {what} {name!r} is missing (found: {', '.join(map(repr, found)) or 'none'})"
            raise _wrong(path, line, message, "Give image and question, and target and id if you like.")


def _line_records(text: str, path: Path) -> Iterator[Record]:
    for line, raw in enumerate(text.split("\n"), start=1):
        if raw.strip():
            yield line, _object(_parsed(raw, path, line), path, line)


def _array_records(text: str, path: Path) -> Iterator[Record]:
    """Decodes item by item, for the line each begins on."""
    decoder, line, counted, end = json.JSONDecoder(), 1, 0, text.index("[") + 1
    for _ in _parsed(text, path, 1):
        start = ITEM_START.search(text, end).start()  # type: ignore[union-attr]
        line, counted = line + text.count("\n", counted, start), start
        item, end = decoder.raw_decode(text, start)
        yield line, _object(item, path, line)


def _parsed(text: str, path: Path, line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        message = f"broken JSON at column {error.colno} ({error.msg})"
        raise _wrong(path, line + error.lineno - 1, message, JSON_HINT) from error
    except (ValueError, RecursionError) as error:
        raise _wrong(path, line, f"unreadable JSON ({error})", JSON_HINT) from error


def _object(item: Any, path: Path, line: int) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise _wrong(path, line, f"{json.dumps(item)[:40]} is not an object", JSON_HINT)
    _require_all(list(item), "field", path, line)
    return item


def _row(record: dict[str, Any], line: int, path: Path, folder: Path) -> QuestionRow:
    image, question, target, identity = (_field(record, name, path, line) for name in FIELDS)
    answers = "answers" if "answers" in record else "answer"
    return QuestionRow(folder / image if image else Path(), question or "", target, line, identity,
                       record.get(answers), answers)


def _field(record: dict[str, Any], name: str, path: Path, line: int) -> str | None:
    value = record.get(name)
    if name == "id" and type(value) is int:
        return str(value)
    if value is not None and not isinstance(value, str):
        raise _wrong(path, line, f"the field {name!r} is {json.dumps(value)[:40]}, not a text", "Put it in quotes.")
    return (value or "").strip() or None


def _wrong(path: Path, line: int, message: str, hint: str) -> UsageError:
    return UsageError(f"{shown_path(path)}, line {line}: {message}.", hint)
