"""What a method is, and how one is found by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Literal, get_args

from mmx.errors import UsageError, unknown_name
from mmx.registry import offered, offered_names
from mmx.schedule import Schedule, Site, last_site, made_of, sites_of

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.capture import Capture

Rows = dict[tuple[str, str], "Tensor"]
"""(readout stream, stream that is read) → raw relevance, (items, tokens of the latter)."""

Need = Literal["attention", "gradient", "lrp", "attn-lrp", "cp-lrp", "states", "layer scores", "further passes"]

KINDS: Mapping[str, frozenset[Need]] = {
    "nothing": frozenset(),
    "attention alone": frozenset({"attention"}),
    "attention and gradient": frozenset({"attention", "gradient"}),
    "states of tokens": frozenset({"attention", "gradient", "states"}),
    "scores of layers": frozenset({"attention", "gradient", "states", "layer scores"}),
    "LRP": frozenset({"attention", "gradient", "states", "lrp", "attn-lrp", "cp-lrp"}),
    "passes of its own": frozenset(get_args(Need))}
"""Kinds of methods by what they read of a model, each by the most that it needs; a method is of the first that has all.
"""
_SLOW: frozenset[Need] = frozenset({"lrp", "attn-lrp", "cp-lrp", "further passes"})


@dataclass(frozen=True)
class Layout:
    """What is known of a model before it runs.

    Attributes:
        schedule: its attention, in order.
        roots: the streams whose embeddings are known.
        reads: the streams whose rows explain a score.
        writes: whether its answers are its own words.
        pools: whether what is explained is read of all tokens of a stream, or of one that stands for them, and not at a
            token of its own, as a query's or a written word's.
        weighs: whether a score is read off several tokens of a stream, each with a weight.
    """

    schedule: Schedule
    roots: frozenset[str]
    reads: tuple[str, ...]
    writes: bool
    pools: bool
    weighs: bool = False


def everywhere(layout: Layout) -> str:
    """Why a method is not defined that is defined on all models."""
    return ""


@dataclass(frozen=True)
class Method:
    """One way to score tokens.

    Attributes:
        name: mmx's name; `aliases` holds the reference's.
        summary: what it does, in a line.
        needs: what it reads: each attention map, the score's gradient there, its LRP relevance; relevance of embeddings
            by another rule set; the states of tokens and the gradient there; scores of each layer; further passes.
        signed: a score below zero is evidence against.
        in_paper: Chefer, Gur & Wolf 2021 compare it, or it is the control that this takes.
        floors: how long it takes alone, in floors (one forward by SDPA, one backward through activations): on ViT-B/16
            at 224 pixels, or where it is not defined there, on the first of `python -m mmx.bench methods` where it is;
            None where that was not measured.
        samples: how often it runs the model again, where that can be chosen, or 0.
        why_not: why it is not defined on such a model, as the end of a sentence; "" where it is.
        differs_across_streams_from: the method that this one equals where no stream attends to another.
        last_only: it reads only the last map of each pair of streams, so a backward may stop there.
        source: paper and equation.
        departs: where it differs from the paper, or from the reference's code.
        rows: from a capture to the rows that its readouts ask for.
        reference_rows: the same with the reference's accidents, under the reference's names, where they differ.
    """

    name: str
    summary: str
    source: str
    needs: tuple[Need, ...]
    rows: Callable[[Capture], Rows]
    reference_rows: Callable[[Capture], Rows] | None = None
    aliases: tuple[str, ...] = ()
    departs: str = ""
    last_only: bool = False
    differs_across_streams_from: str = ""
    signed: bool = False
    in_paper: bool = False
    floors: float | None = None
    samples: int = 0
    why_not: Callable[[Layout], str] = everywhere

    @property
    def knows_target(self) -> bool:
        """Whether its scores depend on what is explained, and not on what is attended to alone."""
        return any(need != "attention" for need in self.needs)

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        return next(kind for kind, needs in KINDS.items() if needs.issuperset(self.needs))

    @property
    def is_fast(self) -> bool:
        """Whether it takes no more than the backward that others share."""
        return _SLOW.isdisjoint(self.needs)

    @property
    def shares_passes(self) -> bool:
        """Whether it takes nothing but passes that others take too."""
        return "further passes" not in self.needs

    def unfit(self, layout: Layout) -> str:
        """Why it has no sense of its own on such a model, as the end of a sentence; "" where it has."""
        if self.differs_across_streams_from and all(site.is_self for site in sites_of(layout.schedule)):
            return f"it differs from {self.differs_across_streams_from} only where one stream attends to another"
        return self.why_not(layout)

    def sites(self, need: str, schedule: Schedule, readout_streams: Iterable[str]) -> tuple[Site, ...]:
        """The sites whose attention, gradient or LRP relevance this method reads."""
        if need not in self.needs:
            return ()
        if not self.last_only:
            return sites_of(schedule)
        return tuple(site for stream in readout_streams for site in (
            *last_sites(schedule, stream).values(),
            *(site for made in made_of(schedule, stream) for site in crossing_sites(schedule, made))))


def last_sites(schedule: Schedule, stream: str) -> dict[str, Site]:
    """For each stream that `stream` attends to, the last map in which it does."""
    streams = dict.fromkeys(site.cols for site in sites_of(schedule) if site.rows == stream)
    return {cols: site for cols in streams if (site := last_site(schedule, stream, cols)) is not None}


def crossing_sites(schedule: Schedule, stream: str) -> tuple[Site, ...]:
    """Those of them that are of other streams."""
    return tuple(site for site in last_sites(schedule, stream).values() if not site.is_self)


def method_names() -> list[str]:
    """Names of all methods, the default first; imports none of them."""
    names = [name.replace("_", "-") for name in offered_names("methods")]
    return sorted(names, key=lambda name: (name != "relevance", name))


@cache
def all_methods() -> tuple[Method, ...]:
    """Every method, the default first."""
    return tuple(method for name in method_names()
                 for method in offered("methods", name.replace("-", "_"), "METHOD", Method))


def get_method(name: str) -> Method:
    """The method of this name or alias; `-` and `_` are the same. Raises UsageError with the nearest name."""
    if name in GROUPS:
        raise UsageError(f"'{name}' stands for several methods, and here there is room for one.", "Name one of them.")
    wanted = name.replace("_", "-").lower()
    by_name = {alias.replace("_", "-"): method for method in all_methods() for alias in (method.name, *method.aliases)}
    if wanted not in by_name:
        raise unknown_name("method", name, (*method_names(), *GROUPS), tuple(by_name))
    method = by_name[wanted]
    if wanted == method.name or method.reference_rows is None:
        return method
    return replace(method, name=wanted.replace("-", "_"), rows=method.reference_rows)


GROUPS: Mapping[str, Callable[[Method], bool]] = {
    "paper": lambda method: method.in_paper, "fast": lambda method: method.is_fast, "all": lambda method: True}
"""Names that stand for several methods, each with the test for being one of them."""


def named_methods(names: Sequence[str]) -> tuple[Method, ...]:
    """Each once, in the order given; names of `GROUPS` stand for all in them. Raises UsageError for an unknown name."""
    found = [filter(GROUPS[name], all_methods()) if name in GROUPS else (get_method(name),) for name in names]
    return tuple(dict.fromkeys(method for several in found for method in several))


def with_samples(methods: Sequence[Method], samples: int | None) -> tuple[Method, ...]:
    """The same, those that can choose how often they run the model again by another number where one is given."""
    return tuple(replace(method, samples=samples) if samples and method.samples else method for method in methods)


def by_reason(left_out: Mapping[str, str]) -> dict[str, list[str]]:
    """Reason → the methods that were left out for it, in order."""
    found: dict[str, list[str]] = {}
    for method, reason in left_out.items():
        found.setdefault(reason, []).append(method)
    return found


def left_out_notes(left_out: Mapping[str, str]) -> list[str]:
    """ "left out partial-lrp, relevance-lrp: there is no rule for ...", one for each reason."""
    return [f"left out {', '.join(methods)}: {reason}" for reason, methods in by_reason(left_out).items()]
