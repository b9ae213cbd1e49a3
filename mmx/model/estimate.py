"""What explaining takes, before it is done: rehearsed with the pictures' shapes, without their numbers or a weight."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mmx.capture.attention import REHEARSED
from mmx.elements import Prepared
from mmx.methods import Method
from mmx.model.batching import Group, Job

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.cost import Rehearsal

_OF_VIEWS = 5


@dataclass(frozen=True)
class Need:
    """What a group of jobs takes.

    Attributes:
        bytes: most memory at once, beside the loaded model.
        work: (floating point operations, bytes read and written) of each operation.
        tokens: of each part that is asked with.
        items: what is explained.
    """

    bytes: int
    work: Sequence[tuple[int, int]]
    tokens: Mapping[str, int]
    items: int


def rehearse(group: Group, methods: Sequence[Method], max_memory: int | None = None, **more: Any) -> Need:
    """Of a group of jobs; what the model itself chooses is taken to be one item a picture.

    Args:
        max_memory, more: see `attribute`.
    """
    from mmx.cost import rehearsal  # PyTorch's compiler comes with it

    asking = group.parts.model.asking
    jobs = [job if asking.counts(job.asked) else _about(job, group) for job in group.jobs]
    with rehearsal(group.parts.model.network) as counted, _in_larger_blocks(counted):
        pictures = [one if _may_be_padding(one.tensors[name]) else
                    replace(one, tensors={**one.tensors, name: counted.shaped(one.tensors[name])})
                    for one in group.pictures for name in [_largest(one)]]
        run = Group(group.parts, jobs, pictures)
        found = run.attributed(methods, max_memory, **more)
        run.without_picture()
    first = next(iter(found.scores.values()))
    return Need(counted.peak, tuple(counted.work), {part: scores.shape[1] for part, scores in first.items()},
                len(found.chosen.samples))


@contextmanager
def _in_larger_blocks(counted: "Rehearsal") -> Iterator[None]:
    """Which take no more memory than those that they stand for."""
    before = REHEARSED.set(lambda times: setattr(counted, "times", times))
    try:
        yield
    finally:
        REHEARSED.reset(before)


def _about(job: Job, group: Group) -> Job:
    example = group.parts.settled(replace(group.parts.model.asking.example, texts=job.asked.texts))
    return replace(job, asked=replace(example, question=job.asked.question, start_layers=job.asked.start_layers))


def _largest(one: Prepared) -> str:
    """What of a picture is numbers, and no mask or box that decides what is done with them."""
    return max(one.tensors, key=lambda name: one.tensors[name].numel())


def _may_be_padding(pixels: "Tensor") -> bool:
    """Whether they are views, (pictures, views, channels, height, width), whose numbers decide what is done with them:
    Idefics3 drops those of nothing but 0.
    """
    return pixels.dim() == _OF_VIEWS


def kind_of(group: Group, methods: Sequence[Method]) -> tuple:
    """Groups of one kind take the same."""
    shapes: dict[str, tuple[int, ...]] = {}
    for one in (*group.pictures, *group.texts):
        shapes |= {name: max(tuple(value.shape), shapes.get(name, ())) for name, value in one.tensors.items()}
    asked = tuple((len(job.asked.targets), len(job.asked.queries), len(job.asked.texts)) for job in group.jobs)
    return (*(method.name for method in methods), tuple(shapes.items()), asked,
            tuple(sorted(group.jobs[0].asked.start_layers.items())))
