"""Where attention is, as a schedule in Python, and where it begins: layers that are alike are one line."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from mmx.drafts.building import Built
from mmx.drafts.inputs import TODO, in_python
from mmx.drafts.streams import Streams
from mmx.drafts.trial import Seen, Trial, layer_around


def roots(trial: Trial, streams: Streams) -> dict[str, str]:
    """By stream, where its first layer begins; "" where that is nothing that a module gave or was given."""
    found: dict[str, str] = {}
    begun: set[int] = set()
    for one in trial.seen:
        layer = layer_around(one.module)
        if one.rows not in begun and layer is not None:
            begun.add(one.rows)
            found[streams.names[one.rows]] = trial.root_of(layer) or ""
    return found


def schedule(trial: Trial, built: Built, streams: Streams) -> Iterator[str]:
    """Lines, in the order of the forward."""
    for prefix, several in groupby(trial.seen, key=lambda one: _split(one.module)[0]):
        yield from _stack(prefix, list(several), built, streams)


def _split(module: str) -> tuple[str, str, str]:
    """The list that a module's layer is in, the layer's number, the module's name in it."""
    layer = layer_around(module)
    if layer is None:
        return module, "", ""
    prefix, _, number = layer.rpartition(".")
    return prefix, number, module.removeprefix(layer).removeprefix(".")


def _stack(prefix: str, sites: Sequence[Seen], built: Built, streams: Streams) -> Iterator[str]:
    by_layer: dict[str, list[tuple[str, str, str, int]]] = {}
    for one in sites:
        _, number, module = _split(one.module)
        by_layer.setdefault(number, []).append((module, streams.names[one.rows], streams.names[one.cols], one.call))
    first, *others = by_layer.values()
    if any(one != first for one in others) or not all(module for module, *_ in first):
        yield from (_alone(one, streams) for one in sites)
        return
    count = built.counts.get(len(by_layer))
    asked = "" if count else f"{TODO}where does the config say how many these are?"
    count = count or str(len(by_layer))
    if len(first) == 1 and not first[0][3]:
        [(module, rows, cols, _)] = first
        more = "" if rows == cols else f', "{cols}"'
        yield f'*layers("{prefix}.{{}}.{module}", "{rows}", {count}{more}),{asked}'
    else:
        yield from _of_several(prefix, first, count, asked)


def _alone(one: Seen, streams: Streams) -> str:
    call = f", call={one.call}" if one.call else ""
    return f'(Site("{one.module}", "{streams.names[one.rows]}", "{streams.names[one.cols]}"{call}),),'


def _of_several(prefix: str, sites: Sequence[tuple[str, str, str, int]], count: str, asked: str) -> Iterator[str]:
    """Layers of several sites each."""
    called = any(call for *_, call in sites)
    fields = "module, rows, cols, call" if called else "module, rows, cols"
    told = [in_python(site if called else site[:3]) for site in sites]
    yield (f'*((Site(f"{prefix}.{{i}}.{{module}}", {fields.removeprefix("module, ")}),) for i in range({count}){asked}')
    yield f"  for {fields} in ("
    yield from (f"      {site}," for site in told[:-1])
    yield f"      {told[-1]})),"
