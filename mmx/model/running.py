"""Groups of jobs, run within the memory that there is: by fewer pictures, then fewer targets, then checkpoints."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mmx.devices import free_memory, is_out_of_memory, make_room
from mmx.engine import Attribution
from mmx.errors import MmxError, Notice, shown_path
from mmx.methods import Method
from mmx.model.batching import Group, Job, Parts, groups_of
from mmx.model.estimate import kind_of, rehearse
from mmx.results import Explanation

_CHECKPOINTS: Mapping[str, Any] = {"checkpoint": True}


def explain_jobs(parts: Parts, jobs: Sequence[Job], methods: Sequence[Method], max_memory: int | None,
                 warnings: Callable[[], tuple[str, ...]]) -> list[list[Explanation]]:
    """For each job, an explanation by each method that can run on the model.

    Args:
        max_memory: bytes beside the model that may be taken.
        warnings: what a reader of every result must know, once the pictures were looked at.
    """
    results: dict[int, list[Explanation]] = {}
    for indices, group, found in attributions(parts, jobs, methods, limit=max_memory):
        results |= zip(indices, group.explained(found, methods, warnings()), strict=True)
    return [results[index] for index in range(len(jobs))]


def attributions(parts: Parts, jobs: Sequence[Job], methods: Sequence[Method], *, limit: int | None = None,
                 gradients: int | None = None) -> Iterator[tuple[list[int], Group, Attribution]]:
    """What every method says of the jobs, group by group, with the places of each group's jobs.

    Args:
        limit: bytes beside the model that may be taken; groups that need more are split before they run.
        gradients: bytes that gradients may take, where there is no limit; None is the engine's choice.

    Raises:
        MmxError: there is too little memory for one picture.
    """
    for indices, group in groups_of(parts, jobs):
        yield from _within(indices, group, methods, limit, gradients)


def _within(indices: list[int], group: Group, methods: Sequence[Method], limit: int | None,
            gradients: int | None) -> Iterator[tuple[list[int], Group, Attribution]]:
    room = group.parts.room
    kind = limit, *kind_of(group, methods)
    found = None
    alone = len(group.jobs) == 1
    known = kind in room.too_large and not alone
    for max_memory, more in () if known else _ways(group, kind, methods, limit, gradients):
        found = _tried(group, methods, max_memory, more)
        if found is not None:
            break
    if found is not None:
        yield indices, group, found
        return
    if alone:
        raise _refused(group, kind, methods, limit)
    room.too_large.add(kind)
    half = len(group.jobs) // 2
    _say(group, "pictures go through the model in smaller batches, for want of memory")
    yield from _within(indices[:half], group[:half], methods, limit, gradients)
    yield from _within(indices[half:], group[half:], methods, limit, gradients)


def _ways(group: Group, kind: tuple, methods: Sequence[Method], limit: int | None,
          gradients: int | None) -> Iterator[tuple[int | None, Mapping[str, Any]]]:
    """How a group may run, the fastest first; only a single picture has more than one way.

    Where there is a limit, gradients take what the rest leaves of it.
    """
    alone = len(group.jobs) == 1
    for more in ({}, *([_CHECKPOINTS] if alone else [])):
        if limit is not None:
            least = _least(group, kind, methods, more)
            if least is not None and least > limit:
                continue
            gradients = limit - (least or 0) + 1
        if more:
            _say(group, "layers run twice, for want of memory")
        yield 1 if more else gradients, more
        if alone and not more:
            _say(group, "targets are explained one after another, for want of memory")
            yield 1, more


def _least(group: Group, kind: tuple, methods: Sequence[Method], more: Mapping[str, Any]) -> int | None:
    """Bytes that it takes with one backward after another; None where a rehearsal cannot follow the model."""
    key, needs = (*kind, *more), group.parts.room.needs
    if key not in needs:
        try:
            needs[key] = rehearse(group, methods, 1, **more).bytes
        except (RuntimeError, TypeError, ValueError, NotImplementedError):
            needs[key] = None
    return needs[key]


def first_way(group: Group, methods: Sequence[Method], limit: int | None) -> tuple[int | None, Mapping[str, Any]]:
    """How a group that has room runs: bytes that gradients may take, and what else is asked of the engine."""
    kind = limit, *kind_of(group, methods)
    return (None, {}) if limit is None else next(_ways(group, kind, methods, limit, None))


def check_room(group: Group, methods: Sequence[Method], limit: int) -> bool:
    """Whether a group has room as it is. Raises MmxError for a single picture that has none in any way."""
    kind = limit, *kind_of(group, methods)
    ways = [{}, *([_CHECKPOINTS] if len(group.jobs) == 1 else [])]
    if any((need := _least(group, kind, methods, more)) is None or need <= limit for more in ways):
        return True
    if len(group.jobs) == 1:
        raise _refused(group, kind, methods, limit)
    return False


def _tried(group: Group, methods: Sequence[Method], max_memory: int | None,
           more: Mapping[str, Any]) -> Attribution | None:
    """None where the device has no room for it."""
    try:
        return group.attributed(methods, max_memory, **more)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    make_room(group.parts.info.device)  # when the error has let go of what it held
    return None


def _say(group: Group, text: str) -> None:
    """Once for each model."""
    if text not in group.parts.room.said:
        group.parts.room.said.add(text)
        warnings.warn(text, Notice, stacklevel=2)


def _refused(group: Group, kind: tuple, methods: Sequence[Method], limit: int | None) -> MmxError:
    [job], device = group.jobs, group.parts.info.device
    needs = [need for more in ({}, _CHECKPOINTS) if (need := _least(group, kind, methods, more)) is not None]
    free = free_memory(device)
    if limit is not None:
        there, way_out = f", and `max_memory=` allows {in_bytes(limit)}", "more `max_memory=`"
    else:
        there, way_out = "" if free is None else f", and {in_bytes(free)} are free", "fewer methods"
    takes = f"{in_bytes(min(needs))} of memory" if needs else "more memory than there is"
    return MmxError(f"{shown_path(job.picture.source)} takes {takes} on {device} beside the model{there}.",
                    f"Give a smaller picture, {way_out}, or another `device=`.")


def in_bytes(count: int) -> str:
    """ "1.5 GB" """
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"
