"""Descriptions in the exam: every colour and shape is scored at the thing that it is said of, of right ones alone."""

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest

from mmx.model import Job
from mmx.results import Explanation, Item, ModelInfo, Prediction, Region, Regions
from mmx.shapes.descriptions import draw_description, words_of
from mmx.shapes.world import COLORS, draw_scene, render
from mmx.studies.exam.asking import descriptions
from mmx.studies.exam.scores import ExamScores
from mmx.studies.scenes import PICTURE_SIZE_PX

SCENES = range(8)
PICTURES = {render(draw_scene(seed), PICTURE_SIZE_PX).pixels.tobytes(): seed for seed in SCENES}
INFO = ModelInfo("describing", "made up", "None", "0", "cpu", "float32")


class Describing:
    """Describes every scene rightly but those of `fails_at`; "seer" points at what a word is said of, "blind" away."""

    def __init__(self, fails_at: Sequence[int] = ()) -> None:
        self._fails_at = fails_at

    def explain_batch(self, jobs: Sequence[Job], methods: Sequence[SimpleNamespace]) -> list[list[Explanation]]:
        return [[self._explanation(job, method.name) for method in methods] for job in jobs]

    def _explanation(self, job: Job, method: str) -> Explanation:
        number = PICTURES[np.asarray(job.picture.image).tobytes()]
        scene = draw_scene(number)
        wanted = draw_description(scene, number)
        assert job.asked.question == wanted.text
        said = wanted.answer if number not in self._fails_at else "a red star."
        boxes = render(scene, PICTURE_SIZE_PX).boxes_xyxy_px.tolist()
        words, items = words_of(said), []
        assert job.asked.answer in (None, said)
        for place in map(int, job.asked.targets):
            spoken = sum(word in COLORS for word in words[:place + 1]) - 1
            on = np.arange(len(boxes)) == wanted.evidence[max(spoken, 0)]
            scores = on if method == "seer" else ~on
            items.append(Item("word", place, words[place], 1.0, "softmax", {"image": scores.astype(float)}))
        regions = Regions(tuple(Region(tuple(box)) for box in boxes))
        return Explanation(INFO, method, (job.picture,), job.asked, {"image": (regions,)}, tuple(items),
                           (Prediction(0, said, 1.0, "softmax"),))


def summary_of(model: Describing) -> dict:
    scores = ExamScores()
    for verdict in descriptions(model, [SimpleNamespace(name="seer"), SimpleNamespace(name="blind")], SCENES):
        scores.add(verdict)
    return scores.summary()


def test_every_colour_and_shape_is_scored_at_its_own_thing() -> None:
    summary = summary_of(Describing())
    assert summary["accuracy"]["mean"] == 1 and summary["accuracy"]["samples"] == len(SCENES)
    assert summary["accuracy_by_kind"] == {"describe": 1}
    things = sum(len(draw_scene(number).things) for number in SCENES)
    groups = summary["methods"]["seer"]
    assert {group: metrics["pointing"]["samples"] for group, metrics in groups.items()} == {
        "words": 2 * things, "color words": things, "shape words": things}
    assert all(metrics["pointing"]["mean"] == 1 for metrics in groups.values())
    assert summary["methods"]["blind"]["words"]["pointing"]["mean"] < 0.1


def test_of_wrong_descriptions_no_word_is_scored() -> None:
    summary = summary_of(Describing(fails_at=[2, 5]))
    assert summary["accuracy_by_kind"]["describe"] == pytest.approx(6 / 8)
    right = sum(len(draw_scene(number).things) for number in SCENES if number not in (2, 5))
    assert summary["methods"]["seer"]["words"]["pointing"]["samples"] == 2 * right
