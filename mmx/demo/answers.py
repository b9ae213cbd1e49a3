"""From a form to what the page shows: figures, files to download, or one line that says why not."""

import json
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmx.demo.forms import Form, asked_by, methods_of
from mmx.demo.shelf import Shelf
from mmx.demo.uploads import data_url, picture_of, png
from mmx.errors import MmxError
from mmx.render.comparison import comparison_html
from mmx.render.detection_words import in_words
from mmx.render.markup import text
from mmx.render.page import html_page
from mmx.render.report import json_bytes, side_by_side
from mmx.tasks.base import Result
from mmx.types import SCHEMA_VERSION, Detections

Choice = tuple[str, int]


@dataclass(frozen=True)
class Answer:
    """What is shown, and the objects that can be picked, where the model finds any."""

    html: str
    objects: tuple[Choice, ...] = ()
    failed: bool = False


def answered(shelf: Shelf, form: Form) -> Answer:
    """Never raises: what cannot be done is told on the page."""
    try:
        results = explained(shelf, form)
        shown = results[0]._repr_html_() if len(results) == 1 else comparison_html(results)
        return Answer(_notes(results[0]) + shown + _downloads(results), _objects(results[0]))
    except Exception as error:
        return Answer(told(error), failed=True)


def explained(shelf: Shelf, form: Form) -> list[Result]:
    """A result by each method, out of one run of the model."""
    model = shelf.get(form.model)
    picture = picture_of(form.picture)
    asked, methods = asked_by(form, model), methods_of(form, model)
    return model.explain_batch([asked.about(picture)], methods)[0]


def told(error: Exception) -> str:
    """One line; what is mmx's own fault is traced on the terminal."""
    if isinstance(error, MmxError):
        line = str(error)
    elif isinstance(error, MemoryError) or "out of memory" in str(error):
        line = "There is not enough memory for this. Try a smaller picture, or fewer methods."
    else:
        line = "That is a fault of mmx; the terminal that runs it says more."
        traceback.print_exception(error, file=sys.stderr)
    return f'<p class="mmx-error" role="alert">{text(line)}</p>'


def _notes(result: Result) -> str:
    return "".join(f'<p class="mmx-note">{text(note)}</p>' for note in dict.fromkeys(result.notes))


def _objects(result: Result) -> tuple[Choice, ...]:
    """What was found, then the surest of what was not sure enough."""
    if not isinstance(result, Detections):
        return ()
    found = [(one.detection, one.target) for one in result]
    others = [(one.detection, one.prediction) for one in result.others]
    return tuple((f"{in_words(prediction)} (query {detection.query})".replace("\u00a0", " "), detection.query)
                 for detection, prediction in [*found, *others] if detection is not None)


def _downloads(results: Sequence[Result]) -> str:
    """Files inside the page itself: nothing is written on the machine that serves it."""
    first = results[0]
    stem = Path(first.picture.source).stem or "picture"
    name = f"{stem}.{first.method if len(results) == 1 else 'methods'}"
    image = first.to_image() if len(results) == 1 else side_by_side(results)
    files = {"png": (png(image), "image/png"), "json": (_json(results), "application/json"),
             "html": (html_page(results).encode(), "text/html")}
    links = [f'<a download="{text(f"{name}.{ending}")}" href="{data_url(content, kind)}">{ending.upper()}</a>'
             for ending, (content, kind) in files.items()]
    return f'<p class="mmx-downloads">Download {" ".join(links)}</p>'


def _json(results: Sequence[Result]) -> bytes:
    if len(results) == 1:
        return json_bytes(results[0])
    document = {"schema_version": SCHEMA_VERSION, "explanations": [one.to_dict() for one in results]}
    return json.dumps(document, indent=2, allow_nan=False).encode()
