"""The page itself, in Gradio: a form on the left, explanations on the right."""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import themes

from mmx.demo.answers import Choice, answered, told
from mmx.demo.forms import EVERY, EVERY_OBJECT, MOST_AT_ONCE, Form, fields_of
from mmx.demo.guard import log_refused
from mmx.demo.samples import samples_for
from mmx.demo.shelf import Shelf
from mmx.elements.written import MOST_WRITTEN
from mmx.families.base import LEVELS, LOGIT
from mmx.methods import GROUPS
from mmx.model import Model

FOLDER = Path(__file__).parent / "assets"
TITLE = "mmx: why did it answer that?"
_PRIVATE: dict[str, Any] = {"api_visibility": "private"}
_TURNS: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1}
_TITLE = """<h1>Why did it answer that?</h1>
<p>A vision-language transformer looks at a picture. mmx shows which parts of it, and which words, its answer rests
on.</p>"""
_KNOWS = """<p class="mmx-hint">The checkpoints whose names begin with <i>shapes-</i> know drawn shapes and nothing
else. Pictures stay in this program's memory; none is written to disk.</p>"""
_EMPTY = '<p class="mmx-empty">Click a sample, or choose a picture and press Explain.</p>'


def build_page(shelf: Shelf, first: str) -> gr.Blocks:
    """`first` is the checkpoint that is chosen to begin with; it is loaded here."""
    model, names = shelf.get(first), [first, *(name for name in shelf.names if name != first)]
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.HTML(_TITLE, elem_id="mmx-head")
        samples = gr.HTML(_offered(model), html_template=_asset("samples.html"), js_on_load=_asset("samples.js"),
                          elem_id="mmx-samples")
        with gr.Row(elem_id="mmx-main"):
            with gr.Column(scale=2, min_width=300, elem_id="mmx-form"):
                name = gr.Dropdown(_called(names), value=first, label="Checkpoint", elem_id="mmx-model",
                                   allow_custom_value=shelf.allow_hub)
                picture = gr.HTML({}, html_template=_asset("picture.html"), js_on_load=_asset("picture.js"),
                                  elem_id="mmx-picture")
                (question, texts, targets, found, _, answer, against, *_), more = fields, _ = _fields(model)
                explain = gr.Button("Explain", variant="primary", elem_id="mmx-explain")
                gr.HTML(_KNOWS)
            with gr.Column(scale=5, min_width=300):
                shown = gr.HTML(_EMPTY, elem_id="mmx-shown")

        def turned(chosen: str) -> list[Any]:
            try:
                model = shelf.get(chosen)
            except Exception as error:
                return [told(error), *(gr.skip() for _ in (samples, more, *fields))]
            settings = _settings(model)
            return [_EMPTY, _offered(model), gr.update(visible=_has_more(settings)),
                    *(gr.update(**one) for one in settings)]

        def picked(chosen: str, event: gr.EventData) -> list[Any]:
            offered = samples_for(shelf.get(chosen).asking)
            sample = offered[int(event._data["number"]) % len(offered)]
            return [sample.picture, sample.question, "\n".join(sample.texts), [], gr.update(**_objects()), "", ""]

        name.change(turned, name, [shown, samples, more, *fields], show_progress_on=shown, **_PRIVATE, **_TURNS)
        picture.input(lambda: [_EMPTY, gr.update(**_objects())], None, [shown, found], show_progress="hidden",
                      **_PRIVATE)
        # No turn to wait for: the visitor sees what was picked at once, and then the place in the queue.
        filled = samples.pick(picked, name, [picture, question, texts, targets, found, answer, against],
                              show_progress="hidden", **_PRIVATE)
        for event in (filled.then, explain.click, *(one.submit for one in (question, answer, against))):
            event(_explain(shelf), [name, picture, *fields], [shown, found], show_progress_on=shown,
                  scroll_to_output=True, **_PRIVATE, **_TURNS)
    page.process_api = _quietly(page.process_api)  # type: ignore[method-assign]
    return page.queue(max_size=32, api_open=False)


def _quietly(process: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """What the page sends is answered without errors; what else is sent leaves no traceback on the terminal."""
    async def processed(*given: Any, **named: Any) -> Any:
        try:
            return await process(*given, **named)
        except Exception as error:
            log_refused(error)
            raise gr.Error("This is no request of the page.", print_exception=False) from error

    return processed


def look() -> dict[str, Any]:
    """Theme and style, for whoever serves the page; every font is the reader's own."""
    plain = [themes.Font("system-ui"), themes.Font("sans-serif")]
    theme = themes.Default(primary_hue="red", neutral_hue="slate", font=plain,
                              font_mono=[themes.Font("ui-monospace"), themes.Font("monospace")])
    return {"theme": theme, "css": (FOLDER / "page.css").read_text(encoding="utf-8")}


def _called(names: Sequence[str]) -> list[tuple[str, str]]:
    """What visitors read, and the checkpoint's name: of a folder its last part, where that is no other's too."""
    short = [Path(name).resolve().name if Path(name).is_dir() else name for name in names]
    return [(one if short.count(one) == 1 else name, name) for one, name in zip(short, names, strict=True)]


def _explain(shelf: Shelf) -> Callable[..., list[Any]]:
    def explain(*given: Any) -> list[Any]:
        form = Form(*given)
        answer = answered(shelf, form)
        keep = not answer.objects or form.found != EVERY_OBJECT
        return [answer.html, gr.skip() if keep else gr.update(**_objects(answer.objects))]

    return explain


def _fields(model: Model) -> tuple[list[Any], gr.Accordion]:
    """Every model's, in the order of `Form`, and what the last of them are folded into.

    Those that this model does not have are hidden.
    """
    settings = _settings(model)
    question, texts, targets, found, methods, answer, against, level, score, most = settings
    asked = gr.Textbox(label="Question", placeholder="what color is the circle?", max_lines=3, elem_id="mmx-question",
                       **question)
    written = gr.Textbox(label="Answer", placeholder="empty: what the model writes", max_lines=3, elem_id="mmx-answer",
                         **answer)
    rival = gr.Textbox(label="Against", placeholder="a class, text or answer to compare with", max_lines=3,
                       elem_id="mmx-against", **against)
    first = [
        asked,
        gr.Textbox(label="Texts", info="one on each line", lines=3, max_lines=8, elem_id="mmx-texts", **texts),
        # A dropdown of one choice would begin with the first of the list, and could not be emptied again.
        gr.Dropdown(info="none chosen: what the model predicts", multiselect=True, max_choices=MOST_AT_ONCE,
                    elem_id="mmx-targets", **targets),
        gr.Dropdown(label="Object", info="press Explain once to find them", elem_id="mmx-object", **found),
        gr.Dropdown(label="Methods", info="several are shown side by side", multiselect=True, elem_id="mmx-methods",
                    **methods),
        written,
        rival,
    ]
    with gr.Accordion("More", open=False, visible=_has_more(settings), elem_id="mmx-more") as more:
        folded = [
            gr.Dropdown(list(LEVELS), label="Level", info="where scores of the picture are read: at image tokens, or "
                        "carried back through the vision tower", elem_id="mmx-level", **level),
            gr.Dropdown(label="Score", info="what is explained: a logit, or what it becomes", elem_id="mmx-score",
                        **score),
            gr.Number(label="Tokens at most", info="that the model may write", precision=0,
                      elem_id="mmx-max_new_tokens", **most),
        ]
    return [*first, *folded], more


def _has_more(settings: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one of the fields is there that are folded away."""
    return any(one["visible"] for one in settings[-3:])


def _settings(model: Model) -> list[dict[str, Any]]:
    """What of the fields hangs on the model."""
    fields = fields_of(model)
    labels = [(label, index) for index, label in enumerate(model.labels)] if "targets" in fields else []
    methods = [method.name for method in model.fitting_methods([EVERY])[0]]
    return [{"visible": "question" in fields}, {"visible": "texts" in fields},
            {"visible": "targets" in fields, "label": f"{model.asking.noun.capitalize()} to explain",
             "choices": labels, "value": []},
            {"visible": "queries" in fields, **_objects()},
            {"choices": [*GROUPS, *methods], "value": [methods[0]]},
            *({"visible": field in fields, "value": value} for field, value in {
                "answer": "", "against": "", "level": LEVELS[0]}.items()),
            {"visible": "score" in fields, "value": LOGIT, "choices": list(model.asking.scores)},
            {"visible": "max_new_tokens" in fields, "value": MOST_WRITTEN}]


def _offered(model: Model) -> list[dict[str, str]]:
    return [one.shown for one in samples_for(model.asking)]


def _objects(found: Sequence[Choice] = ()) -> dict[str, Any]:
    return {"choices": [("every object found", EVERY_OBJECT), *found], "value": EVERY_OBJECT}


def _asset(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
