"""The draft itself: a family's file in Python, with a question wherever a trial of the class has no answer."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from textwrap import wrap

from mmx.checkpoints.families import all_families
from mmx.drafts.building import Built, build, class_named
from mmx.drafts.inputs import SIZES, TODO, Tried, in_python, inputs_of
from mmx.drafts.layers import roots, schedule
from mmx.drafts.streams import Streams, config_name, reads_of, streams_of
from mmx.drafts.trial import Trial, tried
from mmx.errors import MmxError

_WIDE = 120
_NAMES = ("Classes", "Family", "Matches", "Pairs", "Part", "Pixels", "Queries", "Read", "Regions", "Text",
          "TextQueries", "layers")
_ABOUT = "TODO: what it is called (its authors, year), what it does, and what a reader of its maps must know."


def draft(class_name: str) -> str:
    """Python for a file of mmx/families, or of a package of one's own: what it does not know stands after "TODO:".

    The class is run once on noise, small and random, and differentiated once: what attends to what, where that begins
    and which rows the score depends on is seen there. Nothing is fetched.

    Raises:
        UsageError: `transformers` has no such class; the nearest ones are named.
        MmxError: the class cannot be tried: it looks at no picture, wants more than its default config, is too large,
            or has no attention.
    """
    built = build(class_named(class_name))
    given, trial = _tried(built)
    if not trial.seen:
        where = f" (the softmax in {trial.unread[0]} gives its map to no module)" if trial.unread else ""
        raise MmxError(f"{class_name} has no attention that can be read{where}.", "mmx explains by attention.")
    body = "\n".join(_wrapped(_body(class_name, built, given, trial, streams_of(trial, given, built))))
    names = [name for name in _NAMES if name == "Family" or re.search(rf"\b{name}\(", body)]
    site = "from mmx.schedule import Site\n" if "Site(" in body else ""
    return (f'"""{_ABOUT}"""\n\nfrom mmx.families.base import {", ".join(names)}\n{site}\n'
            f"FAMILY = Family(\n{body}\n)\n")


def _tried(built: Built) -> tuple[Tried, Trial]:
    *sizes, last = SIZES
    for size in sizes:
        given = inputs_of(built, size)
        with suppress(MmxError):
            return given, tried(built.network, given.tensors)
    given = inputs_of(built, last)
    return given, tried(built.network, given.tensors)


def _wrapped(lines: Iterable[str]) -> Iterator[str]:
    """Questions stand above the lines that they are about."""
    for line in lines:
        code, _, asked = line.partition(TODO)
        indent = " " * (len(code) - len(code.lstrip()))
        if asked:
            yield from wrap(f"TODO: {asked}", _WIDE, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}#   ")
        if code.strip():
            yield code


def _body(name: str, built: Built, given: Tried, trial: Trial, streams: Streams) -> Iterator[str]:
    score, key, outputs = _score(trial, built, given)
    yield f'    architectures=("{name}",),'
    if not any(family.model_type == built.config.model_type for _, family in all_families()):
        yield f"    model_type={in_python(built.config.model_type)},"
    yield f"    score={score}"
    yield from _several("inputs", _inputs(given, score))
    yield from _several("schedule", schedule(trial, built, streams), "lambda config: (")
    begins = roots(trial, streams)
    asked = f'{TODO}where does it begin that is ""? At a "module" or "module:argument"' * ("" in begins.values())
    yield f"    roots={in_python(begins)},{asked}".replace('", "', '",\n           "' if len(begins) > 2 else '", "')
    if streams.parts:
        parts = ", ".join(f'"{stream}": ({", ".join(_part(*one) for one in several)})'
                          for stream, several in streams.parts.items())
        yield f"    tokens={{{parts}}},{TODO}are they in this order, and what are those that are no patches?"
    yield from _several("reads", (f"{read}," + (f"{TODO}{asked}" if asked else "")
                                  for read, asked in reads_of(trial, built, given, streams, key)))
    if outputs:
        yield f"    outputs=lambda found, network, inputs: {{{outputs[0]}"
        yield from (f"                                            {one}" for one in outputs[1:])
    if trial.arguments:
        told = ", ".join(f'"{argument}": {value}' for argument, value in trial.arguments.items())
        yield f"    arguments={{{told}}},"
    yield from (f"    {TODO}{asked}" for asked in _left(trial, streams))


def _several(name: str, found: Iterable[str], opening: str = "(") -> Iterator[str]:
    lines = list(found)
    if len(lines) == 1 and TODO not in lines[0] and not lines[0].startswith("*"):
        yield f"    {name}={opening}{lines[0]}),"
        return
    yield f"    {name}={opening}"
    yield from (f"        {line}" for line in lines)
    yield "    ),"


def _inputs(given: Tried, score: str) -> Iterator[str]:
    if given.text is not None:
        asks = score.startswith(("Pairs", "Matches", "TextQueries"))
        arguments = ", ".join(filter(None, ['ask="texts"' * asks, given.text]))
        yield f"Text({arguments})," + f'{TODO}padding="max_length", or until="...", as it was trained?' * asks
    yield from given.declared


def _part(name: str, size: int | str | None) -> str:
    return f'Part("{name}")' if size is None else f'Part("{name}", {in_python(size)})'


def _score(trial: Trial, built: Built, given: Tried) -> tuple[str, str | None, list[str]]:
    """What is explained, the output that has it, and lines of `outputs` where these are more than the logits."""
    there = trial.outputs
    if "logits_per_image" in there:
        more = [(name, f"network.{attribute}{how}") for name, attribute, how in (
            ("scale", "logit_scale", ".exp()"), ("bias", "logit_bias", "")) if hasattr(built.network, attribute)]
        unit = 'unit="sigmoid"' * (len(more) == 2)
        return f"Pairs({unit}),", "logits_per_image", _outputs([("logits", "found.logits_per_image"), *more])
    if "pred_boxes" in there and "logits" in there:
        cells = [("cells", "found.encoder_last_hidden_state[:, :, 0]")] * (given.grid is None)
        return _queries(there["logits"].shape, built, given), "logits", _outputs(
            [("logits", "found.logits"), ("boxes", "found.pred_boxes"), *cells])
    if "itm_score" in there:
        asked = f"{TODO}does class 1 say that they match?"
        return f"Matches(),{asked}", "itm_score", _outputs([("logits", "found.itm_score")])
    return _classes(trial, built, given)


def _queries(shape: Sequence[int], built: Built, given: Tried) -> str:
    """One more logit than there are classes is that of no object; one logit is that of the one text."""
    _, queries, classes = shape
    options = []
    if getattr(built.config, "num_queries", None) != queries:
        name = config_name(built, queries)
        options.append(f"queries=lambda config: {f'config.{name}' if name else queries}")
    asked = "" if not options or config_name(built, queries) else f"{TODO}how does the config say how many queries?"
    if given.text is not None and classes == 1:
        return f"TextQueries({', '.join(options)}),{asked}"
    unit = ['unit="sigmoid"'] * (classes == built.config.num_labels)
    return f"Queries({', '.join([*unit, *options])}),{asked}"


def _classes(trial: Trial, built: Built, given: Tried) -> tuple[str, str | None, list[str]]:
    flat = [name for name, value in trial.outputs.items() if value.dim() == 2 and name.endswith(("logits", "score"))]
    key = "logits" if "logits" in flat else next(iter(flat), None)
    if key is None:
        shapes = ", ".join(f"{name} {tuple(value.shape)}" for name, value in trial.outputs.items())
        return f"Classes(),{TODO}what is the score, and as which of `outputs`? The class gives {shapes}", None, []
    count = trial.outputs[key].shape[1]
    own = [name for name in built.config.to_dict() if name.endswith("labels") and getattr(built.config, name) == count]
    options = ['noun="answer"'] * (given.text is not None)
    if own and built.config.num_labels != count:
        options.append(f'count="{own[0]}"')
    asked = f'{TODO}unit="sigmoid", if each answer was trained by itself?' * (given.text is not None)
    outputs = [] if key == "logits" else _outputs([("logits", f"found.{key}")])
    return f"Classes({', '.join(options)}),{asked}", key, outputs


def _outputs(pairs: Sequence[tuple[str, str]]) -> list[str]:
    told = [f'"{name}": {value},' for name, value in pairs]
    return [*told[:-1], f"{told[-1].removesuffix(',')}}},"]


def _left(trial: Trial, streams: Streams) -> Iterator[str]:
    """What is still to be looked at."""
    crossing = {(one.rows, one.cols) for one in trial.seen if one.rows != one.cols}
    if any((cols, rows) in crossing for rows, cols in crossing):
        yield "do some sites read the state from before the others? These belong into one step: (Site(...), Site(...))"
    if streams.odd:
        yield (f"what are the tokens of {', '.join(streams.odd)}? Windows and other resolutions are no plain stream; "
               f"there are {streams.seen or 'no'} patches")
    if trial.unread:
        yield f"the softmax in {', '.join(trial.unread[:2])} gives its map to no module: is it attention?"
    yield "checkpoints=(Checkpoint(...),), start_layers={...}: see docs/add-a-family.md"
