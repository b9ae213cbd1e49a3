"""The checkpoints that ship with mmx: small, readable without unpickling, and really trained."""

import csv
import json
import re
from pathlib import Path

import pytest
import torch

import mmx
from mmx.checkpoints.catalog import WEIGHTS, shipped_names
from mmx.images import open_picture
from mmx.model import Model

SAMPLES = Path(__file__).parents[1] / "sample_inputs"
ANSWERING = ("shapes-lxmert", "shapes-visual-bert")
SEEING = ("shapes-vit", "shapes-clip", "shapes-detr")
WRITING = "shapes-vlm"


@pytest.fixture(scope="module", params=ANSWERING)
def model(request: pytest.FixtureRequest) -> Model:
    torch.set_num_threads(2)
    return mmx.load(request.param)


def test_every_shipped_folder_is_small_safe_and_described() -> None:
    assert {*ANSWERING, *SEEING, WRITING} == set(shipped_names())
    for folder in WEIGHTS.iterdir():
        names = {path.name for path in folder.iterdir()}
        assert {"README.md", "model.safetensors"} <= names
        assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]
        assert sum(path.stat().st_size for path in folder.iterdir()) <= 8 * 2**20


def test_it_answers_fresh_scenes_and_looks_at_the_right_thing(model: Model) -> None:
    summary = mmx.evaluate(model, methods=["raw-attention", "random"], scenes=120, first_scene=70_000).to_dict()
    assert summary["accuracy"]["mean"] >= 0.9
    pointing = {name: groups["one object"]["pointing"]["mean"] for name, groups in summary["methods"].items()}
    assert pointing["raw-attention"] > pointing["random"] + 0.2


@pytest.mark.parametrize("name", SEEING)
def test_it_sees_what_is_asked_and_its_relevance_lies_on_it(name: str) -> None:
    torch.set_num_threads(2)
    model = mmx.load(name)
    summary = mmx.evaluate(model, methods=["relevance", "random"], scenes=80, first_scene=70_000).to_dict()
    assert summary["accuracy"]["mean"] >= 0.88
    pointing = {method: groups["all"]["pointing"]["mean"] for method, groups in summary["methods"].items()}
    assert pointing["relevance"] > pointing["random"] + 0.5


def test_what_writes_its_answers_describes_a_scene_and_every_word_lies_on_its_own_thing() -> None:
    torch.set_num_threads(2)
    model = mmx.load(WRITING)
    summary = mmx.evaluate(model, methods=["relevance", "random"], scenes=30, first_scene=70_000).to_dict()
    by_kind = summary["accuracy_by_kind"]
    assert by_kind["describe"] >= 0.6
    assert min(by_kind.values()) >= 0.5 and summary["accuracy"]["mean"] >= 0.8
    pointing = {method: groups["words"]["pointing"]["mean"] for method, groups in summary["methods"].items()}
    assert pointing["relevance"] > pointing["random"] + 0.5


def test_sample_questions_are_answered_rightly(model: Model) -> None:
    with (SAMPLES / "questions.csv").open() as file:
        rows = list(csv.DictReader(file))
    answers = [model.explain(SAMPLES / row["image"], row["question"]).predictions[0].label for row in rows]
    right = [answer == row["answer"] for answer, row in zip(answers, rows, strict=True)]
    assert sum(right) >= len(rows) - 1


def test_explanation_of_a_sample_saves_and_shows_itself(model: Model, tmp_path: Path) -> None:
    explanation = model.explain(str(SAMPLES / "scene-5029.png"), question="what color is the circle?")
    [item] = explanation.items
    assert (item.kind, item.label) == ("answer", "yellow")
    picture, report = explanation.save(tmp_path)
    assert open_picture(picture).image.width >= 800
    document = json.loads(report.read_text())
    assert document["model"]["revision"].startswith("sha256:")
    assert mmx.Explanation.from_dict(document).to_dict() == document == explanation.to_dict()
    [words] = document["elements"]["text"]
    assert len(words["tokens"]) == len(item.scores["text"])
    assert explanation._repr_jpeg_().startswith(b"\xff\xd8")
    assert "circle" in explanation._repr_html_()


@pytest.mark.parametrize("document", ["README.md", "Makefile"])
def test_every_sample_that_is_named_is_there(document: str) -> None:
    named = set(re.findall(r"sample_inputs/[\w.-]*\w", (SAMPLES.parent / document).read_text(encoding="utf-8")))
    assert named
    assert [path for path in named if not (SAMPLES.parent / path).exists()] == []
