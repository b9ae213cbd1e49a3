"""What each kind of model is asked about drawn scenes, and which things its right answers depend on."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torchvision.ops import box_iou

from mmx.errors import UsageError
from mmx.images import open_picture
from mmx.methods import Method
from mmx.model.batching import Job
from mmx.results import Asked, Item
from mmx.shapes.captions import draw_captions
from mmx.shapes.descriptions import draw_description, things_described, words_of
from mmx.shapes.questions import draw_question, largest_thing
from mmx.shapes.world import COLORS, SHAPES, Picture, Scene
from mmx.studies.exam.verdicts import Verdict, verdict_of
from mmx.studies.models import Model
from mmx.studies.scenes import drawn

CAPTIONS = 16
_SAME_THING_IOU = 0.5

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
        yield verdict_of(picture, question.kind, is_right, question.evidence, found)


def descriptions(model: Model, methods: Sequence[Method], scenes: Sequence[int]) -> Iterator[Verdict]:
    """All that is there, from left to right; of a right one, every colour and shape at the thing that it is said of."""
    seen = drawn(scenes)
    asked = [draw_description(scene, number) for number, (scene, _) in zip(scenes, seen, strict=True)]
    # Most of a description are words that stand for no thing, so it is written first.
    jobs = [Job(open_picture(picture.image), Asked(question.text, targets=(0,)))
            for (_, picture), question in zip(seen, asked, strict=True)]
    named: list[tuple[Picture, tuple[int, ...], Job]] = []
    for (scene, picture), job, written in zip(seen, jobs, model.explain_batch(jobs, methods[:1]), strict=True):
        said = written[0].predictions[0].label
        order = things_described(scene, said)
        yield Verdict(picture, "describe", order is not None)
        if order is not None:
            places = tuple(number for number, word in enumerate(words_of(said)) if word in (*COLORS, *SHAPES))
            named.append((picture, order, Job(job.picture, Asked(job.asked.question, targets=places, answer=said))))
    explained = model.explain_batch([job for _, _, job in named], methods) if named else []
    for (picture, order, _), found in zip(named, explained, strict=True):
        for number, item in enumerate(found[0]):
            part = "color" if item.label in COLORS else "shape"
            yield verdict_of(picture, "describe", True, (order[number // 2],), found, number, part)


def questions_and_descriptions(model: Model, methods: Sequence[Method], scenes: Sequence[int]) -> Iterator[Verdict]:
    """Of a model that writes its answers."""
    yield from questions(model, methods, scenes)
    yield from descriptions(model, methods, scenes)


def largest(model: Model, methods: Sequence[Method], scenes: Sequence[int]) -> Iterator[Verdict]:
    """What the largest thing is, of the scenes in which there is one without doubt."""
    asked = [(scene, picture, index) for scene, picture in drawn(scenes)
             if (index := largest_thing(scene)) is not None]
    jobs = [Job(open_picture(picture.image)) for _, picture, _ in asked]
    for (scene, picture, index), found in zip(asked, model.explain_batch(jobs, methods), strict=True):
        is_right = found[0][0].label == scene.things[index].name
        yield verdict_of(picture, "largest", is_right, (index,), found)


def captions(model: Model, methods: Sequence[Method], scenes: Sequence[int]) -> Iterator[Verdict]:
    """Which of 16 captions is true; explained is the true one."""
    seen = drawn(scenes)
    asked = [draw_captions(scene, number, CAPTIONS) for number, (scene, _) in zip(scenes, seen, strict=True)]
    jobs = [Job(open_picture(picture.image), Asked(texts=tuple(one.text for one in own), targets=(own[0].text,)))
            for (_, picture), own in zip(seen, asked, strict=True)]
    for (_, picture), own, found in zip(seen, asked, model.explain_batch(jobs, methods), strict=True):
        kind = "one thing" if len(own[0].names) == 1 else "two things"
        yield verdict_of(picture, kind, found[0].predictions[0].label == own[0].text, own[0].evidence, found)


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
                yield verdict_of(picture, scene.things[index].shape, True, (index,), found, number)
        for index in set(range(len(scene.things))) - taken:
            yield Verdict(picture, scene.things[index].shape, False)


_EXAMS: dict[tuple[str, ...], Exam] = {
    ("question", "answer"): questions_and_descriptions, ("question",): questions, ("texts", "targets"): captions,
    ("queries",): objects, ("targets",): largest}
"""By what is asked: the first whose fields can be asked, and are all that must be."""


def exam_of(model: Model) -> Exam:
    """Raises UsageError where there is none for what the model can be asked."""
    needs = model.asking.subject.needs
    found = [exam for fields, exam in _EXAMS.items()
             if model.asking.fields.issuperset(fields) and needs in (None, *fields)]
    if not found:
        raise UsageError(f"There is no exam on drawn scenes for what {model.info.name} does.")
    return found[0]


def _thing_of(item: Item, scene: Scene, picture: Picture) -> int | None:
    """The thing that a detection names rightly and whose box it has."""
    overlap = box_iou(torch.tensor([item.box_xyxy_px]), torch.from_numpy(picture.boxes_xyxy_px))[0]
    index = int(overlap.argmax())
    return index if overlap[index] > _SAME_THING_IOU and scene.things[index].name == item.label else None
