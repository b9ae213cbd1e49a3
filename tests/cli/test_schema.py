"""Every document that a command prints with --json or writes, against mmx/schema.json; and docs/json.md against it."""

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cli_outcome import Command
from jsonschema import Draft202012Validator, ValidationError
from PIL import Image

import mmx as package
from mmx.cli.app import app
from mmx.errors import UsageError
from mmx.results import Explanation
from mmx.schema import SCHEMA_VERSION, json_schema, misfit

REPOSITORY = Path(__file__).parents[2]
SCHEMA = json_schema()
NAMES = SCHEMA["$defs"]
DOCUMENTS = [one["$ref"].rpartition("/")[2] for one in SCHEMA["anyOf"]]
RECORDS = ["perturb_record", "segment_record", "maps_record"]


def told() -> str:
    return (REPOSITORY / "docs" / "json.md").read_text(encoding="utf-8")


EXAMPLES = re.findall(r"<!-- (\w+) -->\n```json\n(.*?)```", told(), re.DOTALL)


def refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def holds(text: str, name: str) -> Any:
    """A document that is JSON in the strict sense and of this form."""
    document = json.loads(text, parse_constant=refuse)
    Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": NAMES}).validate(document)
    return document


def files_hold(folder: Path, **names: str) -> None:
    """Every JSON file of a folder is of the form that goes with its stem; COCO's results have COCO's form."""
    found = {path: path.name.split(".")[0] for path in folder.glob("*.json*")}
    assert set(names) <= set(found.values()) <= {*names, "boxes", "predictions"}
    for path, stem in found.items():
        for text in [path.read_text()] if path.suffix == ".json" else path.read_text().splitlines():
            if stem in names:
                holds(text, names[stem])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Questions about three pictures, of which one is not there."""
    rows = ["image,question,answer,id"]
    for number, answer in enumerate(("red", "blue", "red")):
        noise = Random(number).randbytes(60 * 40 * 3)
        Image.frombytes("RGB", (60, 40), noise).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,what color is the circle?,{answer},q{number}")
    (tmp_path / "2.png").unlink()
    (tmp_path / "q.csv").write_text("\n".join(rows))
    return tmp_path / "q.csv"


def test_the_schema_is_a_schema_of_its_own_version() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert NAMES["schema_version"]["const"] == SCHEMA_VERSION


def test_the_schema_is_part_of_the_package() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert "schema.json" in settings["tool"]["setuptools"]["package-data"]["mmx"]
    assert (Path(package.__file__).parent / "schema.json").is_file()


def parts(of: Any) -> Iterator[dict]:
    if isinstance(of, dict):
        yield of
    for one in of.values() if isinstance(of, dict) else of if isinstance(of, list) else ():
        yield from parts(one)


def test_no_object_may_have_other_keys() -> None:
    """What is put together of parts is closed as a whole."""
    composed = {"scored", "explained", "perturb_settings", "segment_settings", "maps_settings"}
    for name, of in NAMES.items():
        if name not in composed:
            for part in parts(of):
                closed = {"additionalProperties", "unevaluatedProperties"} & part.keys()
                assert closed or part.get("type") != "object" or part == {"type": "object"}, name


ASKED = {"tiny_lxmert": ("-q", "red?"), "tiny_vit": ("-t", "3", "-t", "4"), "tiny_clip": ("--text", "a", "--text", "b"),
         "tiny_detr": ("--threshold", "0.6"), "tiny_vilt": ("-q", "red?"), "tiny_siglip": ("--text", "red"),
         "tiny_dinov2": (), "tiny_blip": ("--text", "red"),
         "tiny_blip_vqa": ("-q", "red?", "--answer", "two red circles", "-t", "red")}


@pytest.mark.parametrize("name", ASKED)
def test_explain(mmx: Command, request: pytest.FixtureRequest, picture: Path, tmp_path: Path, name: str) -> None:
    outcome = mmx("explain", picture, "gone.png", *ASKED[name], "--model", request.getfixturevalue(name), "--out",
                  tmp_path / "out", "--json", "--html", "-m", "relevance", "-m", "rollout")
    document = holds(outcome.out, "explanations")
    assert [one["method"] for one in document["explanations"]] == ["relevance", "rollout"]
    assert len(document["failures"]) == 1 and all(one["items"] for one in document["explanations"])
    files_hold(tmp_path / "out", scene="explanation")


@pytest.mark.parametrize("name", ASKED)
def test_a_dry_run(mmx: Command, request: pytest.FixtureRequest, picture: Path, tmp_path: Path, name: str) -> None:
    folder = request.getfixturevalue(name)
    outcome = mmx("explain", picture, picture, *ASKED[name], "--model", folder, "--dry-run", "--json")
    document = holds(outcome.out, "dry_run")
    assert (outcome.code, document["pictures"], document["failures"]) == (0, 2, [])
    assert document["items"] == (None if name == "tiny_detr" else ASKED[name].count("-t")
                                 + ASKED[name].count("--text") or 1)
    assert not (tmp_path / "mmx-out").exists()


def test_explain_that_is_gone_on_with(ask: Command, picture: Path) -> None:
    ask(picture, "-q", "red?")
    document = holds(ask(picture, "-q", "red?", "--resume", "--json").out, "explanations")
    assert len(document["skipped"]) == 1


@pytest.mark.parametrize("wrong", [("--model", "nothing-like-it"), ("--max-memory", "much"), ("--text", "red")])
def test_explain_that_was_asked_for_wrongly(ask: Command, picture: Path, wrong: tuple[str, str]) -> None:
    outcome = ask(picture, "-q", "red?", *wrong, "--json")
    assert outcome.code == 2 and holds(outcome.out, "explanations")["failures"]


@pytest.mark.parametrize("call", [
    ("perturb", "--num-samples", "x"), ("segment", "--images", "nosuch"), ("compare", "nosuch", "other"),
    ("models", "check", "nosuch"), ("models", "pull"), ("methods", "--nosuch"), ("shapes", "evaluate", "-m", "nosuch")])
def test_any_other_call_that_failed(mmx: Command, call: tuple[str, ...]) -> None:
    outcome = mmx(*call, "--json")
    [failure] = holds(outcome.out, "failed_call")["failures"]
    assert outcome.code == 2 and failure["error"] == outcome.error


def test_methods(mmx: Command) -> None:
    assert len(holds(mmx("methods", "--json").out, "methods")["methods"]) > 5


def test_models(mmx: Command) -> None:
    assert len(holds(mmx("models", "--json").out, "models")["models"]) > 5


def test_a_check_that_works_and_one_that_fails(mmx: Command, checkpoint: Path) -> None:
    assert holds(mmx("models", "check", checkpoint, "--json").out, "check")["works"]
    (checkpoint / "tokenizer.json").unlink()
    assert not holds(mmx("models", "pull", checkpoint, "--json").out, "check")["works"]


@pytest.mark.parametrize(("name", "options"), [("tiny_lxmert", ("--protocol", "clean")),
                                               ("tiny_vilt", ("--modality", "image", "--positive")),
                                               ("tiny_blip_vqa", ("--modality", "text", "--positive")),
                                               ("tiny_llava", ("--modality", "text", "--positive"))])
def test_perturb_and_compare(mmx: Command, request: pytest.FixtureRequest, table: Path, tmp_path: Path, name: str,
                             options: tuple[str, ...]) -> None:
    for method in ("relevance", "rollout"):
        outcome = mmx("perturb", "--model", request.getfixturevalue(name), "--data", table, "--no-cache", "--steps",
                      "0,0.5,1", "-m", method, *options, "--out", tmp_path / method, "--json")
        document = holds(outcome.out, "perturbation")
        assert document["samples"]["failed"] == len(document["failures"]) == 1
        files_hold(tmp_path / method, summary="perturbation", run="perturb_run", records="perturb_record")
    compared = mmx("compare", tmp_path / "relevance", tmp_path / "rollout", "--out", tmp_path / "both", "--json")
    assert len(holds(compared.out, "comparison")["runs"]) == 2
    files_hold(tmp_path / "both", summary="comparison")


@pytest.mark.parametrize("protocol", ["iccv21", "clean"])
def test_segment(mmx: Command, tmp_path: Path, protocol: str) -> None:
    mmx("shapes", "coco", "--out", tmp_path / "data", "--count", 3, "--size", 96)
    (tmp_path / "data" / "scene-1.png").unlink()
    outcome = mmx("segment", "--images", tmp_path / "data", "--annotations", tmp_path / "data" / "instances.json",
                  "--protocol", protocol, "--out", tmp_path / "out", "--json")
    document = holds(outcome.out, "segmentation")
    assert document["samples"] == {"evaluated": 2, "failed": 1} and len(document["failures"]) == 1
    files_hold(tmp_path / "out", summary="segmentation", run="segment_run", records="segment_record")


def test_segment_by_maps(mmx: Command, tmp_path: Path) -> None:
    mmx("shapes", "coco", "--out", tmp_path / "data", "--count", 3, "--size", 96)
    (tmp_path / "data" / "scene-1.png").unlink()
    outcome = mmx("segment", "--images", tmp_path / "data", "--annotations", tmp_path / "data" / "instances.json",
                  "--model", "shapes-clip", "-m", "relevance,rollout", "--out", tmp_path / "out", "--json")
    document = holds(outcome.out, "maps")
    assert document["samples"] == {"evaluated": 2, "failed": 1, "without_category": 0}
    assert document["groups"]["all"]["differences"].keys() == {"rollout"}
    files_hold(tmp_path / "out", summary="maps", run="maps_run", records="maps_record")


def test_evaluate(mmx: Command) -> None:
    outcome = mmx("shapes", "evaluate", "--model", "shapes-vit", "--scenes", 4, "-m", "relevance", "-m", "rollout",
                  "--json", "--quiet")
    assert holds(outcome.out, "evaluation")["differences"].keys() == {"rollout"}


def commands_with_json(group: Any, before: str = "") -> set[str]:
    found = set()
    for name, one in getattr(group, "commands", {}).items():
        has = any("--json" in parameter.opts for parameter in one.params)
        found |= ({f"{before}{name}"} if has else set()) | commands_with_json(one, f"{before}{name} ")
    return found


def test_no_command_with_json_is_forgotten_above() -> None:
    from typer.main import get_command

    assert commands_with_json(get_command(app)) == {
        "explain", "methods", "models", "models check", "models pull", "perturb", "compare", "segment",
        "shapes evaluate"}


@pytest.fixture
def written(mmx: Command, picture: Path, tiny_vit: Path) -> dict[str, Any]:
    """An explanation with all there is to change."""
    mmx("explain", picture, "--model", tiny_vit, "--out", "out")
    return json.loads(Path("out/scene.relevance.json").read_text())


def renamed(of: dict[str, Any], old: str, new: str) -> None:
    of[new] = of.pop(old)


MUTATIONS: dict[str, Callable[[dict[str, Any]], object]] = {
    "another version": lambda one: one.update(schema_version=1),
    "an extra key": lambda one: one.update(extra=1),
    "an extra key of an item": lambda one: one["items"][0].update(extra=1),
    "an extra key of a prediction": lambda one: one["predictions"][0].update(extra=1),
    "probability for score": lambda one: renamed(one["items"][0], "score", "probability"),
    "probability for score in predictions": lambda one: renamed(one["predictions"][0], "score", "probability"),
    "picture for image": lambda one: renamed(one["elements"]["image"][0], "image", "picture"),
    "a unit of another name": lambda one: one["items"][0].update(unit="share"),
    "a softmax over 1": lambda one: one["items"][0].update(score=1.5),
    "NaN among scores": lambda one: one["items"][0]["scores"]["image"].__setitem__(0, float("nan")),
    "infinity in a box": lambda one: one["elements"]["image"][0]["box_xyxy_px"].__setitem__(0, float("inf")),
    "text for a number": lambda one: one["items"][0].update(score="0.5"),
    "no items": lambda one: one.pop("items"),
    "a kind of element that there is not": lambda one: one["elements"]["image"][0].update(kind="pixels"),
    "a grid of scores": lambda one: one["items"][0]["scores"].update(image=[[0.5, 0.5]]),
    "files in a file": lambda one: one.update(files=["a.png", "a.json"]),
}


def test_a_document_that_is_changed_does_not_hold(written: dict[str, Any]) -> None:
    holds(json.dumps(written), "explanation")
    for what, change in MUTATIONS.items():
        changed = deepcopy(written)
        change(changed)
        try:
            holds(json.dumps(changed), "explanation")
        except (ValidationError, ValueError):
            continue
        pytest.fail(f"{what} was not noticed")


EXTRA = {"an extra key", "an extra key of an item", "files in a file"}


@pytest.mark.parametrize("what", MUTATIONS)
def test_a_document_that_is_changed_is_not_read_back(written: dict[str, Any], what: str) -> None:
    """Keys that are more than enough, as mmx explain --json adds some, are left alone."""
    MUTATIONS[what](written)
    if what in EXTRA:
        Explanation.from_dict(written)
        return
    with pytest.raises(UsageError, match=r"of version 1|of schema version|is damaged: "):
        Explanation.from_dict(written)


@pytest.mark.parametrize(("value", "told"), [
    (5, None), (1.5, None), (True, "it is true"), (float("nan"), "it is NaN"), (10**400, "it is 1000"),
    ("5", 'it is "5"')])
def test_what_is_a_number(value: Any, told: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmx.schema._form", {"number": {"type": "number"}}.__getitem__)
    found = misfit(value, "number")
    assert found == told or (found or "").startswith(told or "?")


@pytest.mark.parametrize(("name", "text"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_mmx_itself_sees_what_the_schema_says(name: str, text: str) -> None:
    """Wherever a value of an example is taken out or made an object, it says what the schema's own validator says."""
    document = json.loads(text)
    assert misfit(document, name) is None
    validator = Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": NAMES})
    for key in document:
        for changed in ({**document, key: {"odd": []}}, {one: value for one, value in document.items() if one != key}):
            assert (misfit(changed, name) is None) == validator.is_valid(changed), key


def test_what_holds_is_read_back_as_an_explanation(written: dict[str, Any]) -> None:
    assert Explanation.from_dict(written).to_dict() == written


def test_the_docs_have_an_example_of_every_kind() -> None:
    assert sorted({name for name, _ in EXAMPLES}) == sorted([*DOCUMENTS, *RECORDS])


@pytest.mark.parametrize(("name", "text"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_an_example_of_the_docs_holds(name: str, text: str) -> None:
    holds(text, name)


def test_every_key_is_told_in_the_docs() -> None:
    keys = {key for part in parts(NAMES) for key in part.get("properties", {}) if not key.startswith("iou_")}
    rows = {key for row in re.findall(r"^\| (`.*?) \|", told(), re.MULTILINE) for key in re.findall(r"`([^`]+)`", row)}
    assert keys - rows == set()


@pytest.mark.parametrize(("name", "text"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_an_extra_key_in_an_example_is_noticed(name: str, text: str) -> None:
    with pytest.raises(ValidationError):
        holds(json.dumps({**json.loads(text), "extra": 1}), name)
