"""`mmx explain` with a model that finds objects."""

import json
import shutil
from pathlib import Path

import pytest
from cli_outcome import Command, elements, report
from defined_methods import defined_on
from PIL import Image
from transformers import DetrConfig

from mmx.families.detr import FAMILY

DEFINED = [method.name for method in defined_on(FAMILY, DetrConfig())]


@pytest.fixture
def find(mmx: Command, tiny_detr: Path, tmp_path: Path) -> Command:
    """`mmx explain` with the tiny detector, into the folder `out`; later options win over these."""
    return lambda *arguments: mmx("explain", "--model", tiny_detr, "--out", tmp_path / "out", *arguments)


def test_one_picture_is_a_table_of_detections_surest_first(find: Command, picture: Path, tmp_path: Path) -> None:
    outcome = find(picture)
    assert (outcome.code, outcome.err) == (0, "")
    title, head, *rows, files = outcome.out.splitlines()
    found = report(tmp_path)["items"]
    assert title == f"{picture}  {len(found)} detections over 50 %"
    assert head.split() == ["query", "class", "score", "box", "in", "pixels", "border"]
    for row, one in zip(rows, found, strict=True):
        assert row.split()[0] == str(one["query"])
        assert f"  {one['label']} " in row
        assert f" {100 * one['score']:.0f} %  " in row
        assert f"  {', '.join(f'{side:.0f}' for side in one['box_xyxy_px'])}  " in row
        assert row.endswith(f" {100 * one['sink_shares']['image']:.0f} %")
    scores = [one["score"] for one in found]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] > 0.5
    assert files.split(maxsplit=1) == ["wrote", f"{tmp_path / 'out' / 'scene.relevance.png'} and .json"]


def test_the_report_has_the_raw_maps(find: Command, picture: Path, tmp_path: Path) -> None:
    find(picture, "--threshold", "0.6")
    written = report(tmp_path)
    assert written["asked"] == {"texts": [], "targets": [], "threshold": 0.6, "queries": [],
                                "class": None, "start_layers": {}, "regions": None}
    assert (written["schema_version"], written["method"], written["images"][0]["width"]) == (2, "relevance", 60)
    grid = elements(written, "image")
    assert (grid["kind"], grid["rows"], grid["columns"]) == ("patches", 3, 5)
    for one in written["items"]:
        assert len(one["scores"]["image"]) == 3 * 5
        assert max(one["scores"]["image"]) > 0
    assert all(one["scores"] == {} for one in written["others"])
    assert {one["query"] for one in written["items"] + written["others"]} == set(range(8))
    assert Image.open(tmp_path / "out" / "scene.above-0.6.relevance.png").format == "PNG"


def test_queries_come_as_asked(find: Command, picture: Path, tmp_path: Path) -> None:
    outcome = find(picture, "--query", "6", "--query", "0", "--query", "6")
    assert outcome.out.splitlines()[0] == f"{picture}  queries 6 and 0"
    assert [one["query"] for one in report(tmp_path)["items"]] == [6, 0]


def test_a_class_keeps_its_own_detections(find: Command, picture: Path, tmp_path: Path) -> None:
    find(picture)
    every = report(tmp_path, "scene.relevance.json")["items"]
    outcome = find(picture, "--class", "Red Circle")
    found = report(tmp_path, "scene.class-red-circle.relevance.json")["items"]
    assert 0 < len(found) < len(every)
    assert found == [one for one in every if one["label"] == "red circle"]
    assert f"{len(found)} detections of red circle over 50 %" in outcome.out


def test_a_class_named_with_a_query_is_what_it_is_asked_about(find: Command, picture: Path, tmp_path: Path) -> None:
    outcome = find(picture, "--query", "2", "--class", "dog")
    [found] = report(tmp_path)["items"]
    assert (found["query"], found["label"], found["index"]) == (2, "dog", 1)
    assert found["score"] == next(one["score"] for one in found["predictions"] if one["label"] == "dog") < 0.5
    assert outcome.out.startswith(f"{picture}  query 2 as dog\n")


def test_nothing_over_the_threshold_is_a_result_too(find: Command, picture: Path, tmp_path: Path) -> None:
    outcome = find(picture, "--threshold", "0.99")
    assert (outcome.code, outcome.err) == (0, "")
    title, surest, _ = outcome.out.splitlines()
    assert title == f"{picture}  no detection over 99 %"
    written = report(tmp_path)
    assert written["items"] == []
    assert surest.split()[1] == written["others"][0]["label"].split()[0]
    assert f"(query {written['others'][0]['query']})" in surest
    assert (tmp_path / "out" / "scene.above-0.99.relevance.png").is_file()


def test_several_methods_share_their_detections_and_a_sheet(find: Command, picture: Path, tmp_path: Path) -> None:
    outcome = find(picture, "-m", "all", "--max-memory", "2MB")
    assert outcome.code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        ["scene.methods.png", *(f"scene.{name}.{kind}" for name in DEFINED for kind in ("json", "png"))])
    boxes = {json.dumps([one["box_xyxy_px"] for one in report(tmp_path, f"scene.{name}.json")["items"]])
             for name in DEFINED}
    assert len(boxes) == 1
    assert outcome.out.splitlines()[-1].split() == ["together", str(tmp_path / "out" / "scene.methods.png")]


def test_little_memory_gives_the_same(find: Command, picture: Path, tmp_path: Path) -> None:
    reports = []
    for size in ("2MB", "2GB"):
        find(picture, "--max-memory", size, "--dtype", "float64")
        reports.append(report(tmp_path)["items"])
    for one, other in zip(*reports, strict=True):
        assert one["query"] == other["query"]
        assert one["scores"]["image"] == pytest.approx(other["scores"]["image"], rel=1e-6)


def test_many_pictures_are_a_row_each_and_failures_are_told(find: Command, picture: Path, tmp_path: Path) -> None:
    shutil.copy(picture, "other.png")
    outcome = find(picture, "gone.png", "other.png", "-m", "partial-lrp", "-m", "relevance")
    assert outcome.code == 1
    assert outcome.error == "gone.png does not exist. Check the path."
    first, second, summary = outcome.out.splitlines()
    assert first.startswith(str(picture))
    assert second.startswith("other.png")
    assert first.index(" over 50 %") == second.index(" over 50 %")
    assert summary == f"2 explained, 1 failed; 10 files written to {tmp_path / 'out'}"


def test_batches_give_what_single_runs_give(find: Command, picture: Path) -> None:
    Image.new("RGB", (30, 90), "navy").save("tall.png")
    arguments = (picture, "tall.png", "--json", "--threshold", "0")
    sizes = [json.loads(find(*arguments, "--batch-size", size).out)["explanations"] for size in (1, 2)]
    for alone, together in zip(*sizes, strict=True):
        assert alone["images"] == together["images"]
        assert [one["score"] for one in alone["items"]] == pytest.approx(
            [one["score"] for one in together["items"]], abs=1e-5)
    assert [len(one["items"]) for one in sizes[0]] == [8, 8]


def test_json_is_one_document(find: Command, picture: Path) -> None:
    outcome = find("gone.png", picture, "--json")
    document = json.loads(outcome.out)
    [found] = document["explanations"]
    assert all(Path(path).is_file() for path in found["files"])
    assert found["items"]
    assert document["failures"] == [{"image": "gone.png", "question": None, "error": outcome.error}]


@pytest.mark.parametrize(("change", "runs"), [
    ((), False), (("--threshold", "0.5"), False), (("--threshold", "0.6"), True), (("--class", "cat"), True),
    (("--query", "1"), True), (("--dtype", "float64", "--overwrite"), True), (("-m", "rollout"), True)])
def test_resume_leaves_out_what_was_asked_already(find: Command, picture: Path, change: tuple[str, ...],
                                                  runs: bool) -> None:
    find(picture)
    outcome = find(picture, *change, "--resume")
    assert outcome.code == 0
    assert ("wrote" in outcome.out) == runs
    assert ("1 there already" in outcome.out) != runs


MISUSE = {
    ("scene.png", "-q", "red?"): "finds objects: a question does not fit it",
    ("scene.png", "--target", "red"): "a target does not fit it. Leave it out; threshold, query and class say what",
    ("--questions", "q.jsonl"): "finds objects: a question does not fit it",
    ("scene.png", "--class", "red cirle"): "Did you mean 'red circle'? Its 3 classes: cat, dog, red circle.",
    ("scene.png", "--query", "8"): "There is no query 8; ",
    ("scene.png", "--query", "-1"): "There is no query -1; ",
    ("scene.png", "--query", "two"): "--query",
    ("scene.png", "--query", "1", "--threshold", "0.5"): "Give threshold or query.",
    ("scene.png", "--threshold", "1"): "It is a probability: from 0 to below 1.",
    ("scene.png", "--threshold", "-0.1"): "It is a probability",
    ("scene.png", "--threshold", "nan"): "It is a probability",
    ("scene.png", "--max-memory", "0"): "--max-memory '0' is no size.",
    ("scene.png", "--max-memory", "much"): "Write it as 2GB, 500MB, 1GiB or a number of bytes.",
    ("scene.png", "--regions", "grid"): "takes no regions and no features",
}


@pytest.mark.parametrize(("arguments", "message"), MISUSE.items())
def test_misuse(find: Command, picture: Path, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    (tmp_path / "q.jsonl").write_text('{"image": "scene.png", "question": "red?"}\n')
    outcome = find(*arguments)
    assert outcome.code == 2
    assert message in outcome.error
    assert outcome.out == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("option", "named"), [(("--threshold", "0.5"), "a threshold"), (("--query", "1"), "a query"),
                                               (("--class", "red"), "a class of detections")])
def test_options_of_detectors_do_not_fit_a_model_that_answers(ask: Command, picture: Path, tmp_path: Path,
                                                              option: tuple[str, str], named: str) -> None:
    outcome = ask(picture, "-q", "red?", *option)
    assert outcome.code == 2
    assert outcome.error.endswith(f" answers questions: {named} does not fit it. Leave it out; target says what is "
                                  "explained.")
    assert not (tmp_path / "out").exists()


def test_a_processor_that_is_missing_is_one_error(find: Command, picture: Path, tiny_detr: Path,
                                                  tmp_path: Path) -> None:
    broken = shutil.copytree(tiny_detr, tmp_path / "broken")
    (broken / "preprocessor_config.json").unlink()
    outcome = find(picture, picture, "--model", broken)
    assert outcome.code == 1
    assert "preprocessor_config.json" in outcome.error
