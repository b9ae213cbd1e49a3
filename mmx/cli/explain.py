"""`mmx explain`: pictures and questions in; answers, pictures and scores out."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmx.cli.completion import complete_class, complete_target
from mmx.cli.options import (
    ASKED,
    MACHINE,
    MODEL,
    OUTPUT,
    Alpha,
    Answers,
    BatchSize,
    Cells,
    Cmap,
    Debug,
    Device,
    Dtype,
    Features,
    FigureKind,
    FormatsOrNone,
    JsonFlag,
    MaxMemory,
    ModelName,
    Out,
    Processor,
    Quiet,
    Regions,
    Revision,
    Samples,
    Workers,
    methods_option,
)
from mmx.devices import DEFAULT_DEVICE

if TYPE_CHECKING:
    from mmx.cli.report import BatchReport
    from mmx.cli.requests import Request
    from mmx.results import Asked

_WORTH_WORKERS = 24  # pictures: fewer are drawn before what is imported for it has paid
_IMPORTED_BY_WORKERS = ("mmx.cli.requests", "mmx.cli.saving", "mmx.show.artists")


def explain(
    images: Annotated[list[str] | None, typer.Argument(
        metavar="IMAGE...", help="Pictures to ask about, or folders of them; - reads one from stdin.")] = None,
    question: Annotated[list[str] | None, typer.Option(
        "--question", "-q", metavar="TEXT", rich_help_panel=ASKED,
        help="The question, asked of every IMAGE; may be repeated.")] = None,
    questions: Annotated[Path | None, typer.Option(
        "--questions", metavar="FILE", rich_help_panel=ASKED, help="Instead of IMAGE and --question: a .csv, .tsv, "
        ".jsonl or .json file with columns image and question, and perhaps target and id.")] = None,
    images_dir: Annotated[Path | None, typer.Option(
        "--images", metavar="DIR", rich_help_panel=ASKED,
        help="Where the pictures of --questions lie (default: beside that file).")] = None,
    recursive: Annotated[bool, typer.Option(
        "--recursive", rich_help_panel=ASKED, help="Take the pictures in the folders of a folder, too.")] = False,
    method: Annotated[list[str] | None, methods_option("default: relevance")] = None,
    samples: Samples = None,
    target: Annotated[list[str] | None, typer.Option(
        "--target", "-t", metavar="NAME", rich_help_panel=ASKED, autocompletion=complete_target,
        help="The answer or class to explain, by text or index (default: the predicted one), which of the --text, or "
        "which words of a written answer ('all': as a whole); may be repeated.")] = None,
    answer: Annotated[str | None, typer.Option(
        "--answer", metavar="TEXT", rich_help_panel=ASKED,
        help="Of a model that writes its answers: explain this one in the place of its own.")] = None,
    against: Annotated[str | None, typer.Option(
        "--against", metavar="NAME", rich_help_panel=ASKED,
        help="What speaks for the target, and not for this class, --text or written answer: of the difference of their "
        "scores, of a detection at the same query.")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(
        "--max-new-tokens", metavar="N", rich_help_panel=ASKED,
        help="Of a model that writes its answers: how many tokens at most (default 32).")] = None,
    together: Annotated[bool, typer.Option(
        "--together", rich_help_panel=ASKED, help="Show all IMAGE in one prompt.")] = False,
    text: Annotated[list[str] | None, typer.Option(
        "--text", metavar="TEXT", rich_help_panel=ASKED,
        help="Of a model that matches pictures and texts: a text; may be repeated.")] = None,
    threshold: Annotated[float | None, typer.Option(
        "--threshold", metavar="SHARE", rich_help_panel=ASKED,
        help="Of a model that finds objects: explain detections surer than this (default 0.5; "
        "0.1 of what --text names).")] = None,
    query: Annotated[list[int] | None, typer.Option(
        "--query", metavar="N", rich_help_panel=ASKED,
        help="Instead of --threshold: explain this object query; may be repeated.")] = None,
    class_name: Annotated[str | None, typer.Option(
        "--class", metavar="NAME", rich_help_panel=ASKED, autocompletion=complete_class,
        help="Explain detections of this class only; with --query, what speaks for it there.")] = None,
    model: ModelName = None,
    revision: Revision = None,
    answers: Answers = None,
    start_layer: Annotated[int | None, typer.Option(
        "--start-layer", metavar="N", rich_help_panel=MODEL, help="Of ViT and CLIP: read the image layers from this "
        "one on; -1 is the last one alone (the default for CLIP, as in the reference), 0 reads all (the default for "
        "ViT).")] = None,
    start_layer_text: Annotated[int | None, typer.Option(
        "--start-layer-text", metavar="N", rich_help_panel=MODEL,
        help="Of CLIP: the same for the text layers.")] = None,
    level: Annotated[str | None, typer.Option(
        "--level", metavar="NAME", rich_help_panel=MODEL, help="Of a language model that is shown pictures: where "
        "their scores are read: at its image tokens (default); tower: carried back to the patches of its vision "
        "tower; tower-normalized: so by N(R) of eq. 8 and 9.")] = None,
    score: Annotated[str | None, typer.Option(
        "--score", metavar="NAME", rich_help_panel=ASKED, help="What of the target is explained: its logit (default), "
        "its probability, the logarithm logprob of that, or the similarity of a --text.")] = None,
    regions: Regions = None,
    features: Features = None,
    processor: Processor = None,
    out: Out = Path("mmx-out"),
    html: Annotated[bool, typer.Option(
        "--html", rich_help_panel=OUTPUT, help="Write an HTML file for each picture as well, with all of it inside: "
        "to read, mail or print.")] = False,
    figure: FigureKind = "sheet",
    file_format: FormatsOrNone = None,
    cmap: Cmap = None,
    alpha: Alpha = None,
    cells: Cells = False,
    resume: Annotated[bool, typer.Option(
        "--resume", rich_help_panel=OUTPUT, help="Leave out what is in --out already.")] = False,
    overwrite: Annotated[bool, typer.Option(
        "--overwrite", rich_help_panel=OUTPUT,
        help="Replace files of these names that are of another picture or model.")] = False,
    dry_run: Annotated[bool, typer.Option(
        "--dry-run", rich_help_panel=MACHINE, help="Say what would be done, how much memory it takes and about how "
        "long, and do nothing.")] = False,
    as_json: JsonFlag = False,
    quiet: Quiet = False,
    debug: Debug = False,
    device: Device = DEFAULT_DEVICE,
    dtype: Dtype = "auto",
    batch_size: BatchSize = 16,
    workers: Workers = None,
    max_memory: MaxMemory = None,
) -> None:
    """Explain the answer to a question about a picture, what a model sees or finds in it, or how texts match it.

    Writes a PNG and a JSON file for each picture and method into --out. What is asked chooses the model where --model
    does not: a question, --text, --threshold, --query or --class, or else a classifier.
    'torchrun --nproc-per-node N -m mmx explain ...' shares the pictures out. Examples:

    mmx explain photo.jpg --question "what color is the circle?"

    mmx explain photo.jpg --text "a zebra" --text "an elephant" --model path/to/a/clip

    mmx explain photo.jpg --target "tabby" --target 243 --against "lynx" --model path/to/a/vit

    mmx explain photos --model path/to/a/detr --threshold 0.7

    No picture at hand? 'mmx shapes draw' draws some, with questions.
    """
    from mmx.checkpoints.catalog import default_for
    from mmx.cli.beforehand import check_choices, check_model, drawing_of
    from mmx.cli.lazy_imports import without_collector
    from mmx.cli.opening import open_model, parse_memory
    from mmx.cli.output import print_note
    from mmx.cli.report import BatchReport
    from mmx.cli.requests import gather_requests, unreadable
    from mmx.cli.results import result_folder
    from mmx.results import Asked, starts_by_stream
    from mmx.studies.world import fix_threads, joined_world, world_of
    from mmx.workers import workers as started
    from mmx.workers import worth_starting

    report = BatchReport(as_json=as_json, quiet=quiet)
    try:
        alone = world_of(os.environ)
        report = BatchReport(as_json=as_json, quiet=quiet, leads=alone.leads)
        several = list(dict.fromkeys(question or [None]))
        asked = Asked("?" if questions is not None else several[0], tuple(dict.fromkeys(text or ())),
                      tuple(target or ()), threshold, tuple(query or ()), class_name,
                      starts_by_stream(start_layer, start_layer_text), answer=answer, against=against,
                      level=level, score=score, max_new_tokens=max_new_tokens, samples=samples)
        requests = gather_requests(images or [], several, questions, images_dir, asked.targets, recursive=recursive,
                                   together=together)
        names, memory = method or ["relevance"], parse_memory(max_memory)
        default = default_for(name for name, given in vars(asked).items() if given not in (None, (), {}))
        everything = [asked] if questions is not None else [replace(asked, question=one) for one in several]
        check_choices(names, device, dtype)
        drawing = drawing_of(figure, file_format, cmap, alpha, cells)
        check_model(model, revision, default, regions=regions, features=features, answers=answers, processor=processor,
                    asked=everything)
        if dry_run and not alone.leads:
            raise typer.Exit
        if dry_run:
            _say_beforehand(model, revision, regions, device, dtype, quiet, default, features, answers, processor,
                            requests=requests, asked=asked, everything=everything, names=names, batch_size=batch_size,
                            memory=memory, report=report, as_json=as_json)
            raise typer.Exit(1 if report.failures else 0)
        number = worth_starting(workers, len(requests), _WORTH_WORKERS) // alone.size
        with joined_world() as world, result_folder(out), started(number, _IMPORTED_BY_WORKERS) as pool:
            unread = unreadable(requests)
            for request, error in unread if world.leads else ():
                report.fail(request, error)
            if not unread:
                with without_collector():
                    from mmx.cli.batch import Batch  # torch comes with it

                if world.size > 1:
                    fix_threads(world)
                silent = quiet or not world.leads
                loaded = open_model(model, revision, regions, world.device(device), dtype, silent, default, features,
                                    answers, processor)
                for one in everything:
                    loaded.check(one)
                methods, notes = loaded.fitting_methods(names)
                for note in () if silent else notes:
                    print_note(note)
                report.expect(requests, [one.name for one in methods])
                Batch(loaded, methods, out, resume, overwrite, report, asked, memory, html,
                      drawing, pool, world).run(requests, batch_size)
            report.gather(world, requests)
    except typer.Exit:
        raise
    except Exception as error:
        raise typer.Exit(report.stop(error)) from error
    report.close(out)
    if report.failures:
        raise typer.Exit(1)


def _say_beforehand(*opening: Any, requests: "Sequence[Request]", asked: "Asked", everything: "Sequence[Asked]",
                    names: list[str], batch_size: int, memory: int | None, report: "BatchReport",
                    as_json: bool) -> None:
    from mmx.cli.lazy_imports import without_collector
    from mmx.cli.opening import open_model

    with without_collector():
        from mmx.cli.dry_run import dry_run  # torch comes with it
    outlined = open_model(*opening, outlined=True)
    for one in everything:
        outlined.check(one)
    dry_run(outlined, requests, asked, outlined.fitting_methods(names)[0], batch_size, memory, report, as_json=as_json)
