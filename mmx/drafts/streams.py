"""Names for what a trial saw: streams by how many tokens they have, tokens that are no patches, rows that are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from mmx.arrays import Float
from mmx.drafts.building import Built
from mmx.drafts.inputs import END, Tried
from mmx.drafts.trial import QUERY, Seen, Trial, layer_around, rows_read

_MOST_EXTRA = 16


@dataclass(frozen=True)
class Streams:
    """By number of tokens: what a stream is called, and what is in it beside patches, regions or words.

    Attributes:
        odd: those whose tokens are none that were given.
        seen: how many patches or regions there are, None where only the class knows.
    """

    names: Mapping[int, str]
    parts: Mapping[str, tuple[tuple[str, int | str | None], ...]]
    odd: tuple[str, ...]
    seen: int | None


def streams_of(trial: Trial, tried: Tried, built: Built) -> Streams:
    names: dict[int, str] = {}
    parts: dict[str, tuple[tuple[str, int | str | None], ...]] = {}
    words, seen = tried.sizes.get("text"), tried.sizes.get("image")
    if tried.grid is not None:
        seen = tried.grid[0] * tried.grid[1]
    queries = trial.outputs["logits"].shape[1] if _finds(trial) else 0
    for size in dict.fromkeys(size for one in trial.seen for size in (one.rows, one.cols)):
        if size == words:
            names[size] = "text"
        elif size == queries:
            names[size] = "query"
        elif queries and seen is not None and 0 <= size - seen - queries <= _MOST_EXTRA:
            names[size] = "image"
            tokens = config_name(built, queries) or queries
            parts["image"] = (*_extra(size - seen - queries, "cls", built), ("image", None), ("query", tokens))
        elif seen is not None and words is not None and 0 <= size - seen - words <= _MOST_EXTRA:
            names[size] = "joint"
            parts["joint"] = (("text", "input_ids"), *_extra(size - seen - words, "image_cls", built), ("image", None))
        elif seen is not None and 0 <= size - seen <= _MOST_EXTRA:
            names[size] = "image"
            if size > seen:
                parts["image"] = (*_extra(size - seen, "cls", built), ("image", None))
        elif size == 1:
            names[size] = "probe"
        elif seen is None and "image" not in names.values():
            names[size] = "image"
        else:
            names[size] = f"stream_{size}"
    return Streams(names, parts, tuple(name for name in names.values() if name.startswith("stream_")), seen)


def _finds(trial: Trial) -> bool:
    return "pred_boxes" in trial.outputs and "logits" in trial.outputs and trial.outputs["logits"].dim() == 3


def config_name(built: Built, value: int) -> str | None:
    """What the config calls a number of tokens."""
    return next((name for name in built.config.to_dict()
                 if name.startswith("num_") and getattr(built.config, name) == value), None)


def _extra(count: int, first: str, built: Built) -> list[tuple[str, int | str | None]]:
    """Tokens in front of patches: one, and as many others as the config has registers, or as are left."""
    if count == 0:
        return []
    named = [name for name in built.config.to_dict() if "register" in name and getattr(built.config, name) == count - 1]
    return [(first, 1), *([("registers", named[0]) if named else ("others", count - 1)] if count > 1 else [])]


def reads_of(trial: Trial, built: Built, tried: Tried, streams: Streams, score: str | None) -> list[tuple[str, str]]:
    """The `Read` of each stream whose last state the score depends on, beside what is to be asked of it."""
    found = []
    for size, name in streams.names.items():
        states = _states(trial.seen, size)
        if score is None or not states:
            continue
        weights = rows_read(built.network, tried.tensors, score, states, size)
        if weights is not None:
            found.append(_read(name, weights, streams, tried, built))
    if found:
        return found
    last = streams.names[trial.seen[-1].rows]
    return [(f'Read("{last}")', "which row does the head read? Row 0 is a guess")]


def _states(seen: Sequence[Seen], size: int) -> list[str]:
    """The layers whose output is the state of a stream; none of one that is handed on to another by attention."""
    own = [place for place, one in enumerate(seen) if one.rows == size]
    if not own or any(one.cols == size != one.rows and place > own[-1] for place, one in enumerate(seen)):
        return []
    return list(dict.fromkeys(layer_around(seen[place].module) or seen[place].module for place in own))


def _read(name: str, weights: Float[Tensor, " tokens"], streams: Streams, tried: Tried,
          built: Built) -> tuple[str, str]:
    rows = weights.nonzero().flatten().tolist()
    if rows == [QUERY] and name == "query":
        return f'Read("{name}", row=None)', ""
    parts = streams.parts.get(name, ((name, None),))
    if len(rows) == 1 and _parts_read(rows, len(weights), parts, tried, built) == ["query"]:
        return f'Read("{name}", row=None, part="query")', ""
    if len(rows) == 1:
        [row] = rows
        if row == 0:
            return f'Read("{name}")', ""
        if row == len(weights) - 1:
            return f'Read("{name}", row=-1)', ""
        asks = "the end token: say by a function where it is" if row == END and "text" in tried.sizes else (
            f"row {row} of {len(weights)} was read: what is it, in texts of other lengths?")
        return f'Read("{name}", row={row})', asks
    read = _parts_read(rows, len(weights), parts, tried, built)
    if len(read) == 1:
        mean = f'Read("{name}", weights={{"{read[0]}": 1.0}}, omits_identity=True)'
        return mean, "is it the plain mean of these rows?"
    shares = ", ".join(f'"{part}": {round(1 / len(read), 3)}' for part in read)
    return f'Read("{name}", weights={{{shares}}})', f"rows of {' and '.join(read)} were read: how much is each one's?"


def _parts_read(rows: Sequence[int], tokens: int, parts: Sequence[tuple[str, int | str | None]],
                tried: Tried, built: Built) -> list[str]:
    """Names of the parts that have one of these rows."""
    known = {name: size if isinstance(size, int) else tried.tensors[size].shape[1] if size in tried.tensors
             else getattr(built.config, size) for name, size in parts if size is not None}
    rest = tokens - sum(known.values())
    known = {name: known.get(name, rest) for name, _ in parts}
    found, start = [], 0
    for name, size in known.items():
        if any(start <= row < start + size for row in rows):
            found.append(name)
        start += size
    return found
