"""Where a model's attention maps come from and in which order relevance flows through them.

A family describes itself with nothing but this: streams of tokens, the steps that mix them, and the links between them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Told = Callable[[Any, Mapping[str, Any]], Any]
"""From the network and what its forward is given to whole numbers, a tensor in the CPU's memory."""


@dataclass(frozen=True)
class Site:
    """One attention map: the `call`-th output of `module` in a forward, `rows` attending to `cols`.

    `module` is a dotted name inside the model, or several with | between, of which the first that is there is meant:
    `transformers` renames modules from time to time. Its output is the map itself or a tuple whose second item is.
    `layer_of` names the stream among whose layers it counts, where that is not its rows' own (a pooling head).
    `reaches_target` is False where no path leads from the map to the explained score, so no gradient is due.
    `windows` tells the tokens of each window, (windows, width), -1 for padding, where tokens attend to their own window
    alone: then the map is (batch x windows, heads, width, width), the windows of a sample one after another.
    With `first_rows` the map has the first tokens of `rows` alone: those behind them do not attend here.
    """

    module: str
    rows: str
    cols: str
    call: int = 0
    reaches_target: bool = True
    layer_of: str = ""
    first_rows: bool = False
    windows: Told | None = field(default=None, compare=False)

    @property
    def is_self(self) -> bool:
        return self.rows == self.cols


@dataclass(frozen=True)
class Link:
    """Tokens of `cols` become tokens of `rows` without attention, by a fixed linear map, as where 2 x 2 are merged.

    It comes after the layers of `cols` and before those of `rows`. The relevance of a token of `rows` is shared out
    equally among the tokens of `cols` that it is made of, whatever they weigh in it. That is mmx's own definition.

    `into` tells the token of `rows` that each of `cols` becomes a part of, (batch or 1, tokens), -1 for none.
    With `normalized`, N(R) of eq. 8 and 9 stands for R of `cols` at the link, as in eq. 10.
    """

    rows: str
    cols: str
    into: Told = field(compare=False)
    normalized: bool = False


Step = tuple[Site, ...] | Link
"""Sites that all read the state from before the step, or a link."""

Schedule = tuple[Step, ...]


def sites_of(schedule: Schedule) -> tuple[Site, ...]:
    return tuple(site for step in schedule if not isinstance(step, Link) for site in step)


def links_of(schedule: Schedule) -> tuple[Link, ...]:
    return tuple(step for step in schedule if isinstance(step, Link))


def last_site(schedule: Schedule, rows: str, cols: str) -> Site | None:
    """The last map through which `rows` attends to `cols`, or None if there is none."""
    found = [site for site in sites_of(schedule) if (site.rows, site.cols) == (rows, cols)]
    return found[-1] if found else None


def self_sites(schedule: Schedule, stream: str, before: Site | Link | None = None) -> tuple[Site, ...]:
    """The self-attention of one stream in order; with `before`, only what comes before that link or site's step."""
    found: list[Site] = []
    for step in schedule:
        if before is not None and (step == before or (isinstance(step, tuple) and before in step)):
            break
        found += [site for site in sites_of((step,)) if site.is_self and site.rows == stream]
    return tuple(found)


def reached(schedule: Schedule, stream: str) -> tuple[str, ...]:
    """The streams that a stream attends to or whose tokens it is made of, and what those reach."""
    found = [stream]
    for rows in found:
        sources = (*(site.cols for site in sites_of(schedule) if site.rows == rows),
                   *(link.cols for link in links_of(schedule) if link.rows == rows))
        found += [cols for cols in dict.fromkeys(sources) if cols not in found]
    return tuple(found)


def made_of(schedule: Schedule, stream: str) -> tuple[str, ...]:
    """The streams that a stream's tokens are made of, over links alone, the nearest first."""
    found: list[str] = []
    for link in reversed(links_of(schedule)):
        found += [link.cols] if link.rows in (stream, *found) else []
    return tuple(found)


def layers_of(schedule: Schedule, stream: str) -> tuple[Site, ...]:
    """The layers of a stream in order: its self-attention, and what counts among it."""
    return tuple(site for site in sites_of(schedule)
                 if site.layer_of == stream or (site.is_self and site.rows == stream))


@dataclass(frozen=True)
class Stack:
    """Layers in which one stream alone attends to itself, and what of it is read behind them.

    Attributes:
        rows: the stream that is read.
        sites: the layers' attention, in order.
        pool: the one attention by which another stream, which is read, takes all of it; None where it is read itself.
    """

    rows: str
    sites: tuple[Site, ...]
    pool: Site | None = None

    @property
    def stream(self) -> str:
        return self.rows if self.pool is None else self.pool.cols


def stack_of(schedule: Schedule, stream: str) -> Stack | None:
    """The layers behind which a stream is read; None where they mix streams, or tokens are merged between them."""
    own = [site for site in sites_of(schedule) if site.rows == stream]
    pool = own[0] if len(own) == 1 and not own[0].is_self else None
    inner = stream if pool is None else pool.cols
    sites = tuple(site for site in sites_of(schedule) if site.rows == inner)
    if links_of(schedule) or not all(site.is_self for site in sites):
        return None
    return Stack(stream, sites, pool)


def from_layers(schedule: Schedule, starts: Mapping[str, int]) -> Schedule:
    """Without the layers of a stream before its layer `starts[stream]`; -1 is its last layer."""
    left_out = {site for stream, start in starts.items() for site in layers_of(schedule, stream)[:start]}
    steps = (step if isinstance(step, Link) else tuple(site for site in step if site not in left_out)
             for step in schedule)
    return tuple(step for step in steps if step)
