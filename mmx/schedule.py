"""Where a model's attention maps come from and in which order relevance flows through them.

A family describes itself with nothing but this: streams of tokens, and the steps that mix them.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Site:
    """One attention map: the `call`-th output of `module` in a forward, `rows` attending to `cols`.

    `module` is a dotted name inside the model, or several with | between, of which the first that is there is meant:
    `transformers` renames modules from time to time. Its output is the map itself or a tuple whose second item is.
    `layer_of` names the stream among whose layers it counts, where that is not its rows' own (a pooling head).
    `reaches_target` is False where no path leads from the map to the explained score, so no gradient is due.
    """

    module: str
    rows: str
    cols: str
    call: int = 0
    reaches_target: bool = True
    layer_of: str = ""

    @property
    def is_self(self) -> bool:
        return self.rows == self.cols


Step = tuple[Site, ...]
"""Sites that all read the state from before the step."""

Schedule = tuple[Step, ...]


def sites_of(schedule: Schedule) -> tuple[Site, ...]:
    return tuple(site for step in schedule for site in step)


def last_site(schedule: Schedule, rows: str, cols: str) -> Site | None:
    """The last map through which `rows` attends to `cols`, or None if there is none."""
    found = [site for site in sites_of(schedule) if (site.rows, site.cols) == (rows, cols)]
    return found[-1] if found else None


def self_sites(schedule: Schedule, stream: str, before: Site | None = None) -> tuple[Site, ...]:
    """The self-attention of one stream in order; with `before`, only what comes before that site's step."""
    found: list[Site] = []
    for step in schedule:
        if before is not None and before in step:
            break
        found += [site for site in step if site.is_self and site.rows == stream]
    return tuple(found)


def layers_of(schedule: Schedule, stream: str) -> tuple[Site, ...]:
    """The layers of a stream in order: its self-attention, and what counts among it."""
    return tuple(site for site in sites_of(schedule)
                 if site.layer_of == stream or (site.is_self and site.rows == stream))


def from_layers(schedule: Schedule, starts: Mapping[str, int]) -> Schedule:
    """Without the layers of a stream before its layer `starts[stream]`; -1 is its last layer."""
    left_out = {site for stream, start in starts.items() for site in layers_of(schedule, stream)[:start]}
    steps = (tuple(site for site in step if site not in left_out) for step in schedule)
    return tuple(step for step in steps if step)
