"""What each kind of model is asked about drawn scenes, and which things its right answers depend on.

The one place of the exam that knows tasks and families.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torchvision.ops import box_iou

from mmx.engine import attribute
from mmx.errors import UsageError
from mmx.explainer import Job
from mmx.images import open_picture
from mmx.methods import Method
from mmx.shapes.captions import draw_captions
from mmx.shapes.questions import draw_question, largest_thing
from mmx.shapes.world import Picture, Scene
from mmx.studies.models import Model, seed_of, task_of
from mmx.studies.scenes import drawn
from mmx.tasks.views import views_of
from mmx.types import Detections, Explanation, Explanations, Wanted

CAPTIONS = 16
_SAME_THING_IOU = 0.5


@dataclass(frozen=True)
class Verdict:
    """One thing that was asked, and what each method says of the answer.

    Attributes:
        evidence: indices of the picture's things that the answer depends on.
        boxes_xyxy_px: the regions or patches that were scored, (n, 4).
        relevance: by method, (n,).
    """

    picture: Picture
    kind: str
    is_right: bool
    evidence: tuple[int, ...]
    boxes_xyxy_px: np.ndarray
    relevance: Mapping[str, np.ndarray]


Exam = Callable[[Model, Sequence[Method], Sequence[int]], Iterator[Verdict]]
"""Asks a model about scenes of these numbers, as one batch."""


def questions(model: Model, methods: Sequence[Method], scenes: Sequence[int]) -> Iterator[Verdict]:
    """One question for each scene."""
    seen = drawn(scenes)
    asked = [draw_question(scene, number) for number, (scene, _) in zip(scenes, seen, strict=True)]
    jobs = [Job(open_picture(picture.image), question.text)
            for (_, picture), question in zip(seen, asked, strict=True)]
    for (_, picture), question, found in zip(seen, asked, model.explain_batch(jobs, methods), strict=True):
        is_right = found[0].predictions[0].label == question.answer
        boxes = np.array([region.box_xyxy_px for region in found[0].regions])
        yield Verdict(picture, question.kind, is_right, question.evidence, boxes,
                      {one.method: one.scores["image"] for one in found})


def largest(model: Model, methods: Sequence[Method], scenes: Sequence[int]) -> Iterator[Verdict]:
    """What the largest thing is, of the scenes in which there is one without doubt."""
    asked = [(scene, picture, index) for scene, picture in drawn(scenes)
             if (index := largest_thing(scene)) is not None]
    jobs = [Job(open_picture(picture.image)) for _, picture, _ in asked]
    for (scene, picture, index), found in zip(asked, model.explain_batch(jobs, methods), strict=True):
        explained = [_only(one) for one in found]
        is_right = explained[0].target.label == scene.things[index].name
        yield _on_grid(picture, "largest", is_right, (index,), explained)


def captions(model: Model, methods: Sequence[Method], scenes: Sequence[int]) -> Iterator[Verdict]:
    """Which of 16 captions is true; explained is the true one. All of a batch is one run of both towers."""
    seen = drawn(scenes)
    asked = [draw_captions(scene, number, CAPTIONS) for number, (scene, _) in zip(scenes, seen, strict=True)]
    pictures = [open_picture(picture.image) for _, picture in seen]
    views = views_of(model, model.network.config.vision_config, [picture.image for picture in pictures])
    ids = model.tokenizer([caption.text for own in asked for caption in own], padding=True, return_tensors="pt")
    scores, outputs = attribute(
        model.network, model.family, model.to_model({**views.inputs, "input_ids": ids["input_ids"]}), methods,
        [(index, index * CAPTIONS) for index in range(len(scenes))], ignore_padding=True,
        seeds=[seed_of(picture.sha256) for picture in pictures])
    best = outputs["logits"].unflatten(1, (len(scenes), CAPTIONS)).argmax(dim=2).diagonal()
    for index, (_, picture) in enumerate(seen):
        caption = asked[index][0]
        kind = "one thing" if len(caption.names) == 1 else "two things"
        yield Verdict(picture, kind, int(best[index]) == 0, caption.evidence,
                      cells_xyxy_px(views.boxes_xyxy_px[index], views.grid),
                      {name: found["image"][index].cpu().numpy() for name, found in scores.items()})


def objects(model: Model, methods: Sequence[Method], scenes: Sequence[int]) -> Iterator[Verdict]:
    """Every thing of each scene; it is found where the surest detection of it has its name."""
    seen = drawn(scenes)
    jobs = [Job(open_picture(picture.image), wanted=Wanted()) for _, picture in seen]
    for (scene, picture), found in zip(seen, model.explain_batch(jobs, methods), strict=True):
        assert all(isinstance(one, Detections) for one in found)
        taken: set[int] = set()
        for number, explanation in enumerate(found[0]):
            index = _thing_of(explanation, scene, picture)
            if index is not None and index not in taken:
                taken.add(index)
                yield _on_grid(picture, scene.things[index].shape, True, (index,), [one[number] for one in found])
        for index in set(range(len(scene.things))) - taken:
            yield Verdict(picture, scene.things[index].shape, False, (index,), np.zeros((0, 4)), {})


EXAMS: dict[str, Exam] = {"question answering": questions, "image classification": largest,
                          "image-text matching": captions, "object detection": objects}


def exam_of(model: Model) -> Exam:
    """Raises UsageError where there is none for what the model does."""
    try:
        return EXAMS[task_of(model)]
    except KeyError:
        raise UsageError(f"There is no exam on drawn scenes for {task_of(model)}.") from None


def cells_xyxy_px(view_xyxy_px: tuple[float, float, float, float], grid: tuple[int, int]) -> np.ndarray:
    """Boxes of the cells of a grid over a part of a picture, row by row, (rows * columns, 4)."""
    left, top, right, bottom = view_xyxy_px
    ys, xs = (np.linspace(start, end, count + 1) for start, end, count in
              zip((top, left), (bottom, right), grid, strict=True))
    upper, lefts = np.meshgrid(ys[:-1], xs[:-1], indexing="ij")
    lower, rights = np.meshgrid(ys[1:], xs[1:], indexing="ij")
    return np.stack([lefts, upper, rights, lower], axis=-1).reshape(-1, 4)


def _only(found: object) -> Explanation:
    assert isinstance(found, Explanations)
    [explanation] = found
    return explanation


def _on_grid(picture: Picture, kind: str, is_right: bool, evidence: tuple[int, ...],
             explanations: Sequence[Explanation]) -> Verdict:
    first = explanations[0]
    assert first.grid is not None
    view = first.view_xyxy_px or (0, 0, *first.picture.image.size)
    return Verdict(picture, kind, is_right, evidence, cells_xyxy_px(view, first.grid),
                   {one.method: one.scores["image"] for one in explanations})


def _thing_of(explanation: Explanation, scene: Scene, picture: Picture) -> int | None:
    """The thing that a detection names rightly and whose box it has."""
    assert explanation.detection is not None
    overlap = box_iou(torch.tensor([explanation.detection.box_xyxy_px]), torch.from_numpy(picture.boxes_xyxy_px))[0]
    index = int(overlap.argmax())
    return index if overlap[index] > _SAME_THING_IOU and scene.things[index].name == explanation.target.label else None
