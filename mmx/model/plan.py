"""What a call would do: rehearsed on some of its pictures, done on none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmx.cost import Speed
from mmx.methods import Method
from mmx.model.batching import Group, Job, groups_of
from mmx.model.estimate import rehearse
from mmx.model.model import Model
from mmx.model.running import check_room, first_way


@dataclass(frozen=True)
class Plan:
    """What explaining takes.

    Attributes:
        pictures: that were looked at.
        at_once: pictures of the largest batch.
        tokens: of each part that is asked with, the most.
        items: that are explained of a picture, the most; None where the model decides, and one is reckoned with.
        weights: bytes of the model.
        memory: bytes beside it.
        seconds: of a picture, in the model alone.
    """

    pictures: int
    at_once: int
    tokens: Mapping[str, int]
    items: int | None
    weights: int
    memory: int
    seconds: float


def plan(model: Model, batches: Sequence[Sequence[Job]], methods: Sequence[Method], speed: Speed,
         max_memory: int | None = None) -> Plan:
    """Of pictures as they go through the model together.

    Regions of a detector are reckoned with, not looked for: neither its memory nor its time is told.

    Raises:
        MmxError: a picture needs more than `max_memory`.
    """
    jobs = [job for batch in batches for job in batch]
    foreseen = model.parts.pictures.foreseen_of
    groups = [group for batch in batches for _, group in groups_of(model.parts, batch, foreseen)]
    parts = [part for group in groups for part in _fitting(group, methods, max_memory)]
    ways = [first_way(part, methods, max_memory) for part in parts]
    needs = [rehearse(part, methods, most, **more) for part, (most, more) in zip(parts, ways, strict=True)]
    tokens: dict[str, int] = {}
    for need in needs:
        tokens |= {part: max(count, tokens.get(part, 0)) for part, count in need.tokens.items()}
    counted = all(model.asking.counts(job.asked) for job in jobs)
    items = max(-(-need.items // len(part.jobs)) for need, part in zip(needs, parts, strict=True))
    weights = sum(one.numel() * one.element_size() for one in model.network.parameters())
    return Plan(len(jobs), max(len(part.jobs) for part in parts), tokens, items if counted else None, weights,
                max(need.bytes for need in needs), sum(speed.seconds(list(need.work)) for need in needs) / len(jobs))


def _fitting(group: Group, methods: Sequence[Method], max_memory: int | None) -> list[Group]:
    """The group, or the parts of it that have room."""
    if max_memory is None or check_room(group, methods, max_memory):
        return [group]
    half = len(group.jobs) // 2
    return [part for one in (group[:half], group[half:]) for part in _fitting(one, methods, max_memory)]


def in_seconds(seconds: float) -> str:
    """ "about 2 min" """
    for unit, size in (("h", 3600.0), ("min", 60.0), ("s", 1.0)):
        if seconds >= size:
            return f"about {float(f'{seconds / size:.2g}'):g} {unit}"
    return f"about {float(f'{max(1.0, seconds * 1000):.2g}'):g} ms"
