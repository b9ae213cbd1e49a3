"""Every class that mmx explains, on its small random checkpoints (tests/tiny), as a user calls it.

How each is asked follows from its family's table.
"""

import json
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from cli_outcome import Command, Outcome
from PIL import Image
from tiny import tiny_names

import mmx as package
from mmx.checkpoints.families import all_families
from mmx.families.base import Family
from mmx.registry import module_names
from mmx.results import Explanation

ASKED = {"question": ("-q", "what color is the circle?"), "texts": ("--text", "a red circle", "--text", "a zebra"),
         None: ()}

SITES = {"tiny_lxmert": 2 + 1 + 2 * 4, "tiny_visual_bert": 3, "tiny_detr": 2 + 2 * 2, "tiny_vit": 3, "tiny_clip": 3 + 3,
         "tiny_vilt": 3, "tiny_siglip": 2 + 1 + 2, "tiny_dinov2": 3, "tiny_blip": 2 + 2 * 2}
"""Of some, counted by hand."""

NAMES = list(tiny_names())
NEEDS_NUM2WORDS = pytest.mark.skipif(find_spec("num2words") is None, reason="SmolVLM's processor needs num2words")
ASKABLE = [pytest.param(name, marks=[NEEDS_NUM2WORDS] if name == "tiny_smolvlm" else []) for name in NAMES]

Checkpoints = Callable[[str], Path]


@pytest.fixture
def checkpoint(request: pytest.FixtureRequest) -> Checkpoints:
    """The folder of a tiny checkpoint, by its name."""
    return request.getfixturevalue


@cache
def family_at(folder: Path) -> tuple[str, Family]:
    """The class of a checkpoint, and its family, as it is loaded."""
    model = package.load(folder)
    return model.info.architecture, model.family


def asked_of(family: Family) -> tuple[str, ...]:
    """Random detectors are sure of nothing: queries are named."""
    return (*ASKED[family.needs], *(("--query", "0", "--query", "1") if "queries" in family.score.takes else ()))


def test_every_class_has_a_small_checkpoint(checkpoint: Checkpoints) -> None:
    there = {family_at(checkpoint(name))[0] for name in NAMES}
    own = module_names("families")
    lacking = [(key, one) for key, family in all_families() if key in own for one in family.architectures
               if one not in there]
    assert lacking == [], "tests/tiny has no `tiny_...` that makes a checkpoint of these"


@pytest.mark.parametrize("name", ASKABLE)
def test_it_is_looked_over(mmx: Command, checkpoint: Checkpoints, name: str) -> None:
    outcome = mmx("models", "check", checkpoint(name), "--json")
    document = json.loads(outcome.out)
    found = {one["what"]: one["told"] for one in document["findings"]}
    assert (outcome.code, outcome.err, document["works"]) == (0, "", True), found
    read, of = map(int, found["attention maps"].partition(",")[0].split(" of "))
    assert read == of == SITES.get(name, of) > 0
    assert {"model", "logits", "gradients", "methods", "memory", "time", "from end to end"} <= found.keys()
    assert "relevance, " in found["methods"] and "zero on this input" not in found["gradients"]


@pytest.mark.parametrize("name", ASKABLE)
def test_it_is_explained_and_drawn(mmx: Command, checkpoint: Checkpoints, picture: Path, tmp_path: Path,
                                   name: str) -> None:
    folder, out = checkpoint(name), tmp_path / "out"
    _, family = family_at(folder)
    outcome = mmx("explain", picture, "--model", folder, *asked_of(family), "--html", "--out", out)
    assert outcome.code == 0 and only_notes(outcome), outcome.err
    assert outcome.out.startswith(str(picture))
    written = {path.suffix: path for path in out.iterdir()}
    assert written.keys() == {".json", ".png", ".html"}
    assert Image.open(written[".png"]).format == "PNG"
    assert "<svg" in written[".html"].read_text() or "data:image" in written[".html"].read_text()
    assert_every_part_has_relevance(read(written[".json"]), family)


@pytest.mark.parametrize("name", ASKABLE)
def test_every_method_that_has_sense_explains_it(mmx: Command, checkpoint: Checkpoints, picture: Path, tmp_path: Path,
                                                 name: str) -> None:
    folder, out = checkpoint(name), tmp_path / "out"
    _, family = family_at(folder)
    outcome = mmx("explain", picture, "--model", folder, *asked_of(family), "-m", "paper", "-m", "fast",
                  "--format", "json", "--out", out)
    assert outcome.code == 0 and only_notes(outcome), outcome.err
    found = {explanation.method: explanation for explanation in map(read, out.glob("*.json"))}
    assert {"relevance", "raw-attention", "rollout", "random"} <= found.keys()
    assert {"relevance-lrp", "transformer-attribution", "partial-lrp"} <= {*found, *found["relevance"].left_out}
    assert all(item.scores for explanation in found.values() for item in explanation)


def only_notes(outcome: Outcome) -> bool:
    return all(line.startswith("note: ") for line in outcome.err.splitlines())


def read(path: Path) -> Explanation:
    return Explanation.from_dict(json.loads(path.read_text()))


def assert_every_part_has_relevance(explanation: Explanation, family: Family) -> None:
    assert len(explanation) > 0
    for item in explanation:
        assert item.scores.keys() == {one.part for one in family.inputs}
        elements = {**explanation.elements, **item.elements}
        for one in family.inputs:
            assert {block.kind for block in elements[one.part]} == {one.consists_of}
            assert len(item.scores[one.part]) == sum(map(len, elements[one.part]))
    for one in family.inputs:  # of one item all may be negative, where one layer is read
        assert any((item.scores[one.part] > 0).any() for item in explanation), f"nothing in {one.part} has relevance"
