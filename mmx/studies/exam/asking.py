"""What each kind of model is asked about drawn scenes, and which things its right answers depend on."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torchvision.ops import box_iou

from mmx.errors import UsageError
from mmx.images import open_picture
from mmx.methods import Method
from mmx.model.batching import Job
from mmx.results import Asked, Block, Explanation, Item, Patches, Regions, evened
from mmx.shapes.captions import draw_captions
from mmx.shapes.questions import draw_question, largest_thing
from mmx.shapes.world import Picture, Scene
from mmx.studies.models import Model
from mmx.studies.scenes import drawn

CAPTIONS = 16
_SAME_THING_IOU = 0.5


@dataclass(frozen=True)
class Verdict:
    """One thing that was asked, and what each method says of the answer.

    Attributes:
        evidence: indices of the picture's things that the answer depends on.
        boxes_xyxy_px: the regions or patches that were scored, (n, 4).
        grids: of patches, the number of their grid, (n,), where several lie over one another; else all are 0.
        relevance: by method, (n,), of all grids for areas of one size.
    """

    picture: Picture
    kind: str
    is_right: bool
    evidence: tuple[int, ...]
    boxes_xyxy_px: np.ndarray
    grids: np.ndarray
    relevance: Mapping[str, np.ndarray]


Exam = Callable[[Model, Sequence[Method], Sequence[int]], Iterator[Verdict]]
"""Asks a model about scenes of these numbers, as one batch."""


def questions(model: Model, methods: Sequence[Method], scenes: Sequence[int]) -> Iterator[Verdict]:
    """One question for each scene."""
    seen = drawn(scenes)
    asked = [draw_question(scene, number) for number, (scene, _) in zip(scenes, seen, strict=True)]
    jobs = [Job(open_picture(picture.image), Asked(question.text))
            for (_, picture), question in zip(seen, asked, strict=True)]
    for (_, picture), question, found in zip(seen, asked, model.explain_batch(jobs, methods), strict=True):
        is_right = found[0].predictions[0].label == question.answer
        yield _verdict(picture, question.kind, is_right, question.evidence, found)


def largest(model: Model, methods: Sequence[Method], scenes: Sequence[int]) -> Iterator[Verdict]:
    """What the largest thing is, of the scenes in which there is one without doubt."""
    asked = [(scene, picture, index) for scene, picture in drawn(scenes)
             if (index := largest_thing(scene)) is not None]
    jobs = [Job(open_picture(picture.image)) for _, picture, _ in asked]
    for (scene, picture, index), found in zip(asked, model.explain_batch(jobs, methods), strict=True):
        is_right = found[0][0].label == scene.things[index].name
        yield _verdict(picture, "largest", is_right, (index,), found)


def captions(model: Model, methods: Sequence[Method], scenes: Sequence[int]) -> Iterator[Verdict]:
    """Which of 16 captions is true; explained is the true one."""
    seen = drawn(scenes)
    asked = [draw_captions(scene, number, CAPTIONS) for number, (scene, _) in zip(scenes, seen, strict=True)]
    jobs = [Job(open_picture(picture.image), Asked(texts=tuple(one.text for one in own), targets=(own[0].text,)))
            for (_, picture), own in zip(seen, asked, strict=True)]
    for (_, picture), own, found in zip(seen, asked, model.explain_batch(jobs, methods), strict=True):
        kind = "one thing" if len(own[0].names) == 1 else "two things"
        yield _verdict(picture, kind, found[0].predictions[0].label == own[0].text, own[0].evidence, found)


def objects(model: Model, methods: Sequence[Method], scenes: Sequence[int]) -> Iterator[Verdict]:
    """Every thing of each scene; it is found where the surest detection of it has its name."""
    seen = drawn(scenes)
    jobs = [Job(open_picture(picture.image)) for _, picture in seen]
    for (scene, picture), found in zip(seen, model.explain_batch(jobs, methods), strict=True):
        taken: set[int] = set()
        for number, item in enumerate(found[0]):
            index = _thing_of(item, scene, picture)
            if index is not None and index not in taken:
                taken.add(index)
                yield _verdict(picture, scene.things[index].shape, True, (index,), found, number)
        for index in set(range(len(scene.things))) - taken:
            yield Verdict(picture, scene.things[index].shape, False, (index,), np.zeros((0, 4)), np.zeros(0, int), {})


_EXAMS: dict[tuple[str, ...], Exam] = {
    ("question",): questions, ("texts", "targets"): captions, ("queries",): objects, ("targets",): largest}
"""By what is asked: the first whose fields can be asked, and are all that must be."""


def exam_of(model: Model) -> Exam:
    """Raises UsageError where there is none for what the model can be asked."""
    needs = model.asking.subject.needs
    found = [exam for fields, exam in _EXAMS.items()
             if model.asking.fields.issuperset(fields) and needs in (None, *fields)]
    if not found:
        raise UsageError(f"There is no exam on drawn scenes for what {model.info.name} does.")
    return found[0]


def _verdict(picture: Picture, kind: str, is_right: bool, evidence: tuple[int, ...],
             found: Sequence[Explanation], item: int = 0) -> Verdict:
    """What each method says of one item, over the regions or patches of its picture."""
    by_method = {one.method: _looked_at(one.blocks(one[item])) for one in found}
    first = next(iter(by_method.values()))
    boxes = np.array([box for element, _, _ in first for box in element.boxes_xyxy_px])
    grids = np.concatenate([np.full(len(element), number) for element, number, _ in first])
    return Verdict(picture, kind, is_right, evidence, boxes, grids,
                   {name: np.concatenate([scores for _, _, scores in parts]) for name, parts in by_method.items()})


def _looked_at(blocks: Sequence[Block]) -> list[tuple[Patches | Regions, int, np.ndarray]]:
    """The regions of each stream, and its grids of patches, each with its number and its scores made comparable."""
    found: list[tuple[Patches | Regions, int, np.ndarray]] = []
    for stream in dict.fromkeys(block.stream for block in blocks):
        own = [block for block in blocks if block.stream == stream]
        found += [(block.element, 0, block.scores) for block in own if isinstance(block.element, Regions)]
        grids = [(block.element, block.scores) for block in own if isinstance(block.element, Patches)]
        scores = evened([patches for patches, _ in grids], [values for _, values in grids])
        found += [(patches, number, values) for number, ((patches, _), values) in enumerate(
            zip(grids, scores, strict=True))]
    return found


def _thing_of(item: Item, scene: Scene, picture: Picture) -> int | None:
    """The thing that a detection names rightly and whose box it has."""
    overlap = box_iou(torch.tensor([item.box_xyxy_px]), torch.from_numpy(picture.boxes_xyxy_px))[0]
    index = int(overlap.argmax())
    return index if overlap[index] > _SAME_THING_IOU and scene.things[index].name == item.label else None
