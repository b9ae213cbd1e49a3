"""The page itself, in Gradio: a form on the left, explanations on the right."""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

from pathlib import Path
from typing import Any

import gradio as gr

from mmx.demo.answers import answered, told
from mmx.demo.forms import CLASSES, EVERY, OBJECTS, QUESTION, TEXTS, Form
from mmx.demo.samples import samples_for
from mmx.demo.shelf import Shelf
from mmx.explainer import Model
from mmx.methods import all_methods

FOLDER = Path(__file__).parent / "assets"
TITLE = "mmx: why did it answer that?"
_ALL = "every object found"
_TURNS = {"concurrency_id": "model", "concurrency_limit": 1}
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
        samples = _samples(model)
        with gr.Row(elem_id="mmx-main"):
            with gr.Column(scale=2, min_width=300, elem_id="mmx-form"):
                name = gr.Dropdown(names, value=first, label="Checkpoint", elem_id="mmx-model",
                                   allow_custom_value=shelf.allow_hub)
                picture = _picture()
                fields = _fields(model)
                methods = gr.Dropdown(_methods(model), value=["relevance"], multiselect=True, label="Methods",
                                      info="several are shown side by side", elem_id="mmx-methods")
                explain = gr.Button("Explain", variant="primary", elem_id="mmx-explain")
                gr.HTML(_KNOWS)
            with gr.Column(scale=5, min_width=300):
                shown = gr.HTML(_EMPTY, elem_id="mmx-shown")
        inputs = [name, picture, *fields, methods]
        outputs = [shown, fields[-1]]

        def turned(chosen: str) -> list[Any]:
            try:
                found = shelf.get(chosen)
            except Exception as error:
                return [told(error), *(gr.skip() for _ in (*fields, methods, samples))]
            return [_EMPTY, *_fields_for(found), gr.update(choices=_methods(found), value=["relevance"]),
                    [one.shown for one in samples_for(found.family.task)]]

        def picked(chosen: str, event: gr.EventData) -> list[Any]:
            offered = samples_for(shelf.get(chosen).family.task)
            sample = offered[int(event._data["number"]) % len(offered)]
            return [sample.picture, sample.question, None, "\n".join(sample.texts), [], _objects(())]

        name.change(turned, name, [shown, *fields, methods, samples], show_progress_on=shown, **_private(), **_TURNS)
        picture.input(lambda: [_EMPTY, _objects(())], None, outputs, show_progress="hidden", **_private())
        # No turn to wait for: the visitor sees what was picked at once, and then the place in the queue.
        filled = samples.pick(picked, name, [picture, *fields], show_progress="hidden", **_private())
        for event in (filled.then, explain.click, fields[0].submit):
            event(_explain(shelf), inputs, outputs, show_progress_on=shown, scroll_to_output=True, **_private(),
                  **_TURNS)
    return page.queue(max_size=32, api_open=False)


def look() -> dict[str, Any]:
    """Theme and style, for whoever serves the page; every font is the reader's own."""
    plain = [gr.themes.Font("system-ui"), gr.themes.Font("sans-serif")]
    theme = gr.themes.Default(primary_hue="red", neutral_hue="slate", font=plain,
                              font_mono=[gr.themes.Font("ui-monospace"), gr.themes.Font("monospace")])
    return {"theme": theme, "css": (FOLDER / "page.css").read_text(encoding="utf-8")}


def _explain(shelf: Shelf) -> Any:
    def explain(name: str, picture: Any, question: str, answer: str | None, texts: str, classes: list[str],
                found: int | None, methods: list[str]) -> list[Any]:
        one = found if isinstance(found, int) and found >= 0 else None
        form = Form(name, picture, question, answer, texts, classes, one, methods)
        given = answered(shelf, form)
        keep = given.failed or form.found is not None or not given.objects
        return [given.html, gr.skip() if keep else _objects(given.objects)]

    return explain


def _picture() -> gr.HTML:
    return gr.HTML({}, html_template=_asset("picture.html"), js_on_load=_asset("picture.js"), elem_id="mmx-picture")


def _samples(model: Model) -> gr.HTML:
    return gr.HTML([one.shown for one in samples_for(model.family.task)], html_template=_asset("samples.html"),
                   js_on_load=_asset("samples.js"), elem_id="mmx-samples")


def _fields(model: Model) -> list[Any]:
    """Every task's; those of others are hidden."""
    task = model.family.task
    return [
        gr.Textbox(label="Question", placeholder="what color is the circle?", max_lines=3, visible=task == QUESTION,
                   elem_id="mmx-question"),
        gr.Dropdown(_answers(model), label="Answer to explain", info="left empty: the model's own",
                    visible=task == QUESTION, elem_id="mmx-answer"),
        gr.Textbox(label="Texts", info="one on each line", lines=3, max_lines=8, visible=task == TEXTS,
                   elem_id="mmx-texts"),
        gr.Dropdown(_classes(model), label="Classes to explain", info="none: the one that the model sees", value=[],
                    multiselect=True, visible=task == CLASSES, elem_id="mmx-classes"),
        gr.Dropdown([(_ALL, -1)], value=-1, label="Object", info="press Explain once to find them",
                    visible=task == OBJECTS, elem_id="mmx-object"),
    ]


def _fields_for(model: Model) -> list[Any]:
    """The same for another model, emptied where they hang on it."""
    task = model.family.task
    return [gr.update(visible=task == QUESTION),
            gr.update(visible=task == QUESTION, choices=_answers(model), value=None),
            gr.update(visible=task == TEXTS), gr.update(visible=task == CLASSES, choices=_classes(model), value=[]),
            gr.update(visible=task == OBJECTS, choices=[(_ALL, -1)], value=-1)]


def _objects(found: tuple[tuple[str, int], ...]) -> Any:
    return gr.update(choices=[(_ALL, -1), *found], value=-1)


def _answers(model: Model) -> list[str]:
    return model.answers if model.family.task == QUESTION else []


def _classes(model: Model) -> list[str]:
    task: Any = model.task
    return task.classes if model.family.task == CLASSES else []


def _methods(model: Model) -> list[str]:
    return [EVERY, *(method.name for method in all_methods() if model.takes(method))]


def _asset(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _private() -> dict[str, Any]:
    return {"api_visibility": "private"}
