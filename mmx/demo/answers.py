"""From a form to what the page shows: figures, files to download, or one line that says why not."""

import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from mmx.demo.forms import Form, asked_by, methods_of
from mmx.demo.shelf import Shelf
from mmx.demo.uploads import data_url, picture_of
from mmx.devices import is_out_of_memory
from mmx.errors import MmxError, fields_told
from mmx.methods import by_reason
from mmx.model.batching import Job
from mmx.results import SCHEMA_VERSION, Explanation, file_stem, json_bytes
from mmx.show import side_by_side
from mmx.show.html import html_page
from mmx.show.plotting import png_bytes
from mmx.show.saving import to_image
from mmx.show.text import clean
from mmx.show.wording import listed, plain, title

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
        shown = side_by_side(results)._repr_html_()
        return Answer(_notes(results[0]) + shown + _downloads(results), _objects(results[0]))
    except Exception as error:
        return Answer(told(error), failed=True)


def explained(shelf: Shelf, form: Form) -> list[Explanation]:
    """By each method that can run, out of one run of the model."""
    model = shelf.get(form.model)
    picture = picture_of(form.picture)
    asked, methods = asked_by(form, model), methods_of(form, model)
    return model.explain_batch([Job(picture, asked)], methods)[0]


def told(error: Exception) -> str:
    """One line; what is mmx's own fault is traced on the terminal."""
    if isinstance(error, MmxError):
        line = fields_told(str(error), _in_words)
    elif is_out_of_memory(error):
        line = "There is not enough memory for this. Try a smaller picture, or fewer methods."
    else:
        line = "That is a fault of mmx; the terminal that runs it says more."
        traceback.print_exception(error, file=sys.stderr)
    return f'<p class="mmx-error" role="alert">{text(line)}</p>'


def _in_words(name: str, value: str) -> str:
    """Fields as the page calls them: a question, a text."""
    words = name.replace("_", " ")
    return words if words.endswith("s") else f"a {words}"


def text(given: str) -> str:
    """One line of escaped text, whatever is in it."""
    return escape(clean(given).encode("utf-8", errors="replace").decode("utf-8"))


def _notes(result: Explanation) -> str:
    reasons = by_reason(result.left_out).items()
    lines = [*result.notes, *(f"Left out: {listed(methods)}. {why}" for why, methods in reasons)]
    return "".join(f'<p class="mmx-note">{text(fields_told(line, _in_words))}</p>' for line in lines)


def _objects(result: Explanation) -> tuple[Choice, ...]:
    """What was found, then the surest of what was not sure enough."""
    return tuple((plain(title(item, result.asked)), item.query) for item in (*result.items, *result.others)
                 if item.query is not None)


def _downloads(results: Sequence[Explanation]) -> str:
    """Files inside the page itself, called as `mmx explain` calls them: none is written on this machine."""
    first = results[0]
    stem, method = file_stem(first.picture.source, first.asked), first.method if len(results) == 1 else "methods"
    files = {f"{stem}.{method}.png": (png_bytes(to_image(results)), "image/png"),
             f"{stem}.{method}.json": (_json(results), "application/json"),
             f"{stem}.html": (html_page(results).encode(), "text/html")}
    links = [f'<a download="{text(name)}" href="{data_url(content, kind)}">{name.rpartition(".")[2].upper()}</a>'
             for name, (content, kind) in files.items()]
    return f'<p class="mmx-downloads">Download {" ".join(links)}</p>'


def _json(results: Sequence[Explanation]) -> bytes:
    if len(results) == 1:
        return results[0].to_json()
    return json_bytes({"schema_version": SCHEMA_VERSION, "explanations": [one.to_dict() for one in results]})
