"""Scoring explanations where the truth is known, with a model whose answers and relevance are made up."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from recorder import Recorder

import mmx
from mmx.methods import Method
from mmx.model import Job
from mmx.results import Explanation, Item, ModelInfo, Patches, Prediction, Region, Regions
from mmx.shapes.questions import draw_question
from mmx.shapes.world import draw_scene, render
from mmx.studies.exam.asking import questions
from mmx.studies.exam.scores import ExamScores
from mmx.studies.scenes import PICTURE_SIZE_PX

SCENES = 24
_KNOWING = ModelInfo("knowing", "made up", "None", "0", "cpu", "float32")
PICTURES = {render(draw_scene(seed), PICTURE_SIZE_PX).pixels.tobytes(): seed for seed in range(SCENES)}


class Knowing:
    """Answers every question rightly but those of kind `fails_at`; "seer" points at the evidence, "blind" away."""

    def __init__(self, fails_at: str | None = None) -> None:
        self._fails_at = fails_at

    def explain_batch(self, jobs: Sequence[Job], methods: Sequence[Method]) -> list[list[Explanation]]:
        return [[self._explanation(job, method.name) for method in methods] for job in jobs]

    def _explanation(self, job: Job, method: str) -> Explanation:
        seed = PICTURES[np.asarray(job.picture.image).tobytes()]
        scene, question = draw_scene(seed), draw_question(draw_scene(seed), seed)
        boxes = render(scene, PICTURE_SIZE_PX).boxes_xyxy_px.tolist()
        on = np.array([index in question.evidence for index in range(len(boxes))], dtype=float)
        answer = "nothing" if question.kind == self._fails_at else question.answer
        regions = Regions(tuple(Region(tuple(box)) for box in boxes))
        item = Item("answer", 0, answer, 1.0, "softmax", {"image": on if method == "seer" else 1 - on})
        return Explanation(_KNOWING, method, (job.picture,), job.asked, {"image": (regions,)}, (item,),
                           (Prediction(0, answer, 1.0, "softmax"),))


def summary_of(model: Knowing, methods: list[SimpleNamespace], batch_size: int = 32) -> dict:
    scores = ExamScores()
    for start in range(0, SCENES, batch_size):
        for verdict in questions(model, methods, range(start, min(start + batch_size, SCENES))):
            scores.add(verdict)
    return scores.summary()


@pytest.fixture
def methods() -> list[SimpleNamespace]:
    return [SimpleNamespace(name="seer"), SimpleNamespace(name="blind")]


def test_a_method_that_sees_the_evidence_scores_full_and_a_blind_one_nothing(methods) -> None:
    summary = summary_of(Knowing(), methods, batch_size=5)
    assert summary["accuracy"]["mean"] == 1
    assert summary["samples"] == {"evaluated": SCENES, "failed": 0}
    seer, blind = summary["methods"]["seer"], summary["methods"]["blind"]
    assert seer["one object"]["pointing"]["mean"] == 1
    assert seer["one object"]["mass"]["mean"] > 0.4
    assert seer["one object"]["rank"]["mean"] > 0.5
    assert blind["one object"]["pointing"]["mean"] < 0.1
    assert blind["one object"]["mass"]["mean"] < 0.05


def test_difference_is_paired_with_the_first_method(methods) -> None:
    summary = summary_of(Knowing(), methods)
    seer, blind = (summary["methods"][name]["all"]["mass"]["mean"] for name in ("seer", "blind"))
    assert summary["difference_to"] == "seer"
    assert set(summary["differences"]) == {"blind"}
    assert summary["differences"]["blind"]["all"]["mass"]["mean"] == pytest.approx(blind - seer)


def test_wrong_answers_are_counted_but_not_explained(methods) -> None:
    kinds = [draw_question(draw_scene(seed), seed).kind for seed in range(SCENES)]
    failing = max(set(kinds), key=kinds.count)
    summary = summary_of(Knowing(failing), methods)
    assert summary["accuracy"]["mean"] == pytest.approx(1 - kinds.count(failing) / SCENES)
    assert summary["accuracy_by_kind"][failing] == 0
    explained = [seed for seed in range(SCENES) if kinds[seed] != failing
                 and draw_question(draw_scene(seed), seed).evidence]
    assert summary["methods"]["seer"]["all"]["pointing"]["samples"] == len(explained)


def test_chance_is_the_share_of_regions_on_the_evidence(methods) -> None:
    summary = summary_of(Knowing(), methods)
    shares = [1 / len(draw_scene(seed).things) for seed in range(SCENES)
              if len(draw_question(draw_scene(seed), seed).evidence) == 1]
    assert summary["pointing_by_chance"]["one object"] == pytest.approx(np.mean(shares), abs=0.05)


class Tiled(Knowing):
    """Looks at all of the picture, and at it enlarged: at the right patches of one or both, as the method says."""

    def _explanation(self, job: Job, method: str) -> Explanation:
        one = super()._explanation(job, "seer")
        seed = PICTURES[np.asarray(job.picture.image).tobytes()]
        mask = render(draw_scene(seed), PICTURE_SIZE_PX).masks[list(draw_question(draw_scene(seed), seed).evidence)]
        seen = mask.any(axis=0).astype(float)
        whole, fine = (Patches(side, side, (0, 0, *job.picture.size)) for side in (4, 16))
        by_grid = [_mean(seen, 4) * 16, _mean(seen, 16)]
        scores = {"both": by_grid, "whole": [by_grid[0], 0 * by_grid[1]], "fine": [0 * by_grid[0], by_grid[1]]}[method]
        item = replace(one[0], scores={"image": np.concatenate(scores)})
        return replace(one, method=method, elements={"image": (whole, fine)}, items=(item,))


def _mean(seen: np.ndarray, side: int) -> np.ndarray:
    return seen.reshape(side, seen.shape[0] // side, side, -1).mean(axis=(1, 3)).ravel()


def test_grids_over_one_another_are_scored_by_what_they_come_to() -> None:
    """A coarse patch may have the highest score and yet not be where most relevance lies."""
    found = summary_of(Tiled(), [SimpleNamespace(name=name) for name in ("both", "whole", "fine")])["methods"]
    pointing, mass = ({name: found[name]["one object"][metric]["mean"] for name in found}
                      for metric in ("pointing", "mass"))
    assert pointing["fine"] == pointing["both"] > 0.95 > pointing["whole"]
    assert mass["fine"] > mass["both"] > mass["whole"]
    assert mass["both"] == pytest.approx((mass["fine"] + mass["whole"]) / 2, abs=0.01)


def test_a_model_is_evaluated_from_python(tmp_path: Path) -> None:
    told = Recorder()
    study = mmx.evaluate(mmx.load("shapes-vit"), methods=["relevance", "random"], scenes=6, batch_size=4, progress=told)
    found, rows = study.to_dict(), study.rows()
    assert (told.total, told.done, told.lines) == (6, 6, []) and found["schema_version"] == 2
    assert {(row["method"], row["group"], row["metric"]) for row in rows} == {
        (method, group, metric) for method in ("relevance", "random") for group in ("one object", "all")
        for metric in ("pointing", "mass", "rank")}
    for row in rows:
        estimate = found["methods"][row["method"]][row["group"]][row["metric"]]
        assert tuple(row) == study.columns and row["mean"] == estimate["mean"] and row["samples"] == estimate["samples"]
        assert (row["difference"] is None) == (row["method"] == "relevance")
    assert repr(study).startswith("<ExamStudy of shapes-vit, ")
    assert {path.name for path in study.save(tmp_path)} == {"summary.json", "summary.csv"}


def test_of_all_methods_those_that_do_not_fit_are_left_out_with_a_note() -> None:
    told = Recorder()
    mmx.evaluate(mmx.load("shapes-vit"), scenes=1, first_scene=3, progress=told)
    (kind, text), *_ = told.lines
    assert kind == "note" and text.startswith("left out ablation-no-self-in-10, ")
