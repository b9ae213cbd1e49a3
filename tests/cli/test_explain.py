"""What `mmx explain` answers, prints and writes."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_outcome import Command, elements, report, tokens
from defined_methods import defined_on
from noise import noise
from PIL import Image
from transformers import LxmertConfig

from mmx.families.lxmert import FAMILY

QUESTION, STEM = ("-q", "what color is the circle?"), "scene.what-color-is-the-circle"


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_one_picture_is_told_in_a_block(ask: Command, picture: Path, tmp_path: Path) -> None:
    outcome = ask(picture, *QUESTION)
    assert (outcome.code, outcome.err) == (0, "")
    found = report(tmp_path)
    assert Image.open(tmp_path / "out" / f"{STEM}.relevance.png").format == "PNG"
    title, answer, words, regions, files = outcome.out.splitlines()
    assert title == f"{picture}  what color is the circle?"
    assert answer.split()[0] == "answer"
    best, second = (f"{one['label']} {100 * one['score']:.0f} %" for one in found["predictions"][:2])
    assert f"{best}  then {second}" in answer
    strongest = max((one for one in tokens(found) if not one["special"]), key=lambda one: one["relevance"])
    assert words.split()[:2] == ["words", strongest["text"]]
    assert regions.split()[0] == "regions"
    assert files.split(maxsplit=1) == ["wrote", f"{tmp_path / 'out' / STEM}.relevance.png and .json"]


def test_regions_without_a_name_are_told_by_their_place(ask: Command, picture: Path, tmp_path: Path) -> None:
    regions = ask(picture, *QUESTION).out.splitlines()[3]
    scores = report(tmp_path)["items"][0]["scores"]["image"]
    strongest = max(range(6), key=lambda index: scores[index])
    places = ["upper left", "upper middle", "upper right", "lower left", "lower middle", "lower right"]
    assert f"1 {places[strongest]} " in regions


def test_several_methods_share_a_table(ask: Command, picture: Path, tmp_path: Path) -> None:
    outcome = ask(picture, *QUESTION, "-m", "rollout", "-m", "ours_no_lrp", "-m", "relevance")
    assert outcome.code == 0
    names = [line.split()[0] for line in outcome.out.splitlines()[3:6]]
    assert names[0] == "rollout" and names[2] == "relevance"
    assert written(tmp_path / "out") == sorted([f"{STEM}.methods.png", *(f"{STEM}.{name}.{kind}" for name in names
                                                                       for kind in ("json", "png"))])


def test_all_methods(ask: Command, mmx: Command, picture: Path, tmp_path: Path) -> None:
    assert ask(picture, *QUESTION, "-m", "all").code == 0
    defined = {method.name for method in defined_on(FAMILY, LxmertConfig())}
    names = [method["name"] for method in json.loads(mmx("methods", "--json").out)["methods"]
             if method["name"] in defined]
    assert len(names) > 5
    assert written(tmp_path / "out") == sorted([f"{STEM}.methods.png", *(f"{STEM}.{name}.{kind}" for name in names
                                                                       for kind in ("json", "png"))])


@pytest.mark.parametrize("target", ["blue", " Blue ", "1"])
def test_a_target_is_an_answer_or_its_index(ask: Command, picture: Path, tmp_path: Path, target: str) -> None:
    outcome = ask(picture, *QUESTION, "--target", target)
    assert outcome.code == 0
    assert "explained  blue" in outcome.out
    [item] = report(tmp_path)["items"]
    assert (item["kind"], item["index"], item["label"], item["unit"]) == ("answer", 1, "blue", "softmax")


def test_many_pictures_are_a_row_each(ask: Command, picture: Path, tmp_path: Path) -> None:
    other = tmp_path / "another picture.png"
    shutil.copy(picture, other)
    outcome = ask(picture, other, *QUESTION)
    first, second, summary = outcome.out.splitlines()
    assert (outcome.code, outcome.err) == (0, "")
    assert first.startswith(str(picture))
    assert second.startswith(str(other))
    assert "…" not in outcome.out and "color" not in outcome.out and "relevanc" not in outcome.out
    assert first.index(" %") == second.index(" %")
    assert summary == f"2 explained; 4 files written to {tmp_path / 'out'}"


def test_a_column_says_what_tells_rows_apart_whole_in_a_pipe(ask: Command, picture: Path, tmp_path: Path) -> None:
    table = tmp_path / "asked.csv"
    table.write_text("image,question\nscene.png,what color is the circle?\nscene.png,what is red?\n")
    outcome = ask("--questions", table, "-m", "relevance", "-m", "ablation-no-aggregation")
    rows = [line.split("  ")[:4] for line in outcome.out.splitlines()[:-1]]
    assert [row[0] for row in rows] == [str(picture)] * 4
    assert all("…" not in part for row in rows for part in row)
    assert [next(name for name in ("relevance", "ablation-no-aggregation") if name in line)
            for line in outcome.out.splitlines()[:-1]] == ["relevance", "ablation-no-aggregation"] * 2
    assert [line.count("what color is the circle?") for line in outcome.out.splitlines()[:-1]] == [1, 1, 0, 0]


def test_pictures_of_one_name_keep_their_own_files(ask: Command, picture: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for copy in ("a/scene.png", "scene-2.png", "SCENE.PNG"):
        shutil.copy(picture, tmp_path / copy)
    assert ask(picture, "a/scene.png", "scene-2.png", "SCENE.PNG", *QUESTION).code == 0
    reports = [json.loads(path.read_text()) for path in (tmp_path / "out").glob("*.json")]
    assert {one["images"][0]["source"] for one in reports} == {str(picture), "a/scene.png", "scene-2.png", "SCENE.PNG"}


def test_batches_give_what_single_runs_give(ask: Command, picture: Path, tmp_path: Path) -> None:
    Image.new("RGB", (30, 90), "navy").save("tall.png")
    sizes = [json.loads(ask(picture, "tall.png", *QUESTION, "--json", "--batch-size", size).out)["explanations"]
             for size in (1, 2)]
    for alone, together in zip(*sizes, strict=True):
        assert alone["images"] == together["images"] and alone["elements"] == together["elements"]
        for stream, scores in alone["items"][0]["scores"].items():
            assert scores == pytest.approx(together["items"][0]["scores"][stream], abs=1e-5)


def test_json_is_one_document(ask: Command, picture: Path) -> None:
    outcome = ask("gone.png", picture, *QUESTION, "--json", "--quiet", "-m", "rollout", "-m", "relevance")
    document = json.loads(outcome.out)
    assert outcome.code == 1
    assert outcome.error == "gone.png does not exist. Check the path."
    assert [one["method"] for one in document["explanations"]] == ["rollout", "relevance"]
    assert all(Path(path).is_file() for one in document["explanations"] for path in one["files"])
    assert document["failures"] == [{"image": "gone.png", "question": QUESTION[1], "error": outcome.error}]


def test_json_tells_what_stopped_everything(ask: Command, picture: Path) -> None:
    outcome = ask(picture, *QUESTION, "--json", "--model", "nothing-like-it")
    assert outcome.code == 2
    assert json.loads(outcome.out)["failures"][0]["error"] == outcome.error


@pytest.mark.parametrize("wrong", [("--threshold", "x"), ("--batch-size", "0"), ("--no-such-option",)])
def test_json_tells_what_was_called_wrongly(ask: Command, picture: Path, wrong: tuple[str, ...]) -> None:
    outcome = ask(picture, *QUESTION, "--json", *wrong)
    assert outcome.code == 2 and wrong[0] in outcome.error
    assert json.loads(outcome.out)["failures"] == [{"image": None, "question": None, "error": outcome.error}]


SCRIPTS = ["何色ですか", "какого цвета круг?", "ما هو اللون؟", "🎨 color ❓", "a\nb\tc", "👩‍👧"]


@pytest.mark.parametrize("question", SCRIPTS)
def test_questions_in_any_script(ask: Command, picture: Path, tmp_path: Path, question: str) -> None:
    outcome = ask(picture, "-q", question)
    assert outcome.code == 0
    assert report(tmp_path)["question"] == question
    assert outcome.err.startswith("note: words that the model does not know: ")
    assert sum("No font on this machine" not in line for line in outcome.err.splitlines()) == 1


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_other_number_types(ask: Command, picture: Path, dtype: str) -> None:
    outcome = ask(picture, *QUESTION, "--dtype", dtype, "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["explanations"][0]["model"]["dtype"] == dtype


def test_another_grid(ask: Command, picture: Path) -> None:
    outcome = ask(picture, *QUESTION, "--regions", "grid:3x4", "--json")
    [found] = json.loads(outcome.out)["explanations"]
    assert len(elements(found, "image")["regions"]) == len(found["items"][0]["scores"]["image"]) == 12


def test_quiet_says_results_and_errors_only(ask: Command, picture: Path) -> None:
    outcome = ask("gone.png", picture, "-q", "何 color?", "--quiet")
    assert outcome.code == 1
    assert outcome.error.startswith("gone.png")
    assert str(picture) in outcome.out


def test_letters_that_no_font_has_are_said_once(ask: Command, mmx: Command, picture: Path, tmp_path: Path) -> None:
    outcome = ask(picture, "-q", "what is \ue000?", "-q", "is \ue000 red?")
    assert outcome.code == 0 and outcome.err.count("note: No font on this machine has symbols like u+e000") == 1
    [first, _] = sorted((tmp_path / "out").glob("*.json"))
    assert mmx("draw", first, "--overwrite").err.count("No font on this machine has symbols like u+e000") == 1
    assert "No font" not in ask(picture, "-q", "red?").err


def test_html_is_one_more_file_for_each_picture(ask: Command, picture: Path, tmp_path: Path) -> None:
    outcome = ask(picture, "-q", "what <b>color</b> is the circle?", "--html")
    [page] = (tmp_path / "out").glob("scene.what-b-color-b-is-the-circle-*.html")
    assert outcome.code == 0
    assert outcome.out.splitlines()[-1].split() == ["page", str(page)]
    assert "<b>" not in page.read_text() and "&lt;" in page.read_text()
    several = json.loads(ask(picture, *QUESTION, "--html", "-m", "relevance", "-m", "rollout", "--json").out)
    assert {one["html"] for one in several["explanations"]} == {f"{tmp_path / 'out' / STEM}.html"}
    assert "rollout" in (tmp_path / "out" / f"{STEM}.html").read_text()


def test_html_that_is_missing_is_made_up_for(ask: Command, picture: Path, tmp_path: Path) -> None:
    ask(picture, picture, *QUESTION, "--html")
    page = tmp_path / "out" / f"{STEM.replace('scene', 'scene-1')}.html"
    page.unlink()
    resumed = ask(picture, picture, *QUESTION, "--html", "--resume")
    assert resumed.out.splitlines()[-1].startswith("1 explained, 1 there already")
    assert page.is_file()


def test_the_scores_alone_are_the_same_file_without_a_figure(ask: Command, picture: Path, tmp_path: Path) -> None:
    asked = picture, "-q", "red?", "-m", "relevance,rollout"
    ask(*asked)
    ended = ask(*asked, "--format", "json", "--out", tmp_path / "scores")
    assert (ended.code, ended.err) == (0, "") and ended.out.endswith("scores/scene.red.*.json\n")
    names = {f"scene.red.{method}.json" for method in ("relevance", "rollout")}
    assert {path.name for path in (tmp_path / "scores").iterdir()} == names
    assert all((tmp_path / "scores" / one).read_bytes() == (tmp_path / "out" / one).read_bytes() for one in names)
    document = json.loads(ask(*asked, "--format", "json", "--out", tmp_path / "scores", "--json").out)
    assert [(len(one["files"]), one["sheet"]) for one in document["explanations"]] == [(1, None)] * 2
    assert "there already" in ask(*asked, "--format", "json", "--out", tmp_path / "scores", "--resume").out
    ask(*asked, "--format", "json,png", "--out", tmp_path / "both")
    assert len([*(tmp_path / "both").iterdir()]) == 5


def test_scores_alone_go_with_a_page_and_nothing_is_drawn_of_overlays(ask: Command, picture: Path, tmp_path: Path
                                                                       ) -> None:
    ask(picture, "-q", "red?", "--format", "json", "--figure", "overlay", "--html")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"scene.red.relevance.json", "scene.red.html"}


def test_a_dry_run_says_what_would_be_done_and_does_nothing(ask: Command, picture: Path, tmp_path: Path) -> None:
    outcome = ask(picture, "-q", "what color is the circle?", "-m", "relevance,rollout", "--dry-run")
    assert (outcome.code, outcome.err) == (0, "")
    told = dict(line.split(maxsplit=1) for line in outcome.out.splitlines())
    assert list(told) == ["model", "asked", "methods", "tokens", "memory", "time"]
    assert told["asked"] == "1 picture, 1 item each, 1 at once at most"
    assert (told["methods"], told["tokens"]) == ("relevance, rollout", "text 8, image 6")
    assert re.fullmatch(r"[\d.]+ KB beside the model's [\d.]+ KB", told["memory"])
    assert re.match(r"about [\d.]+ ms in the model", told["time"])
    assert not (tmp_path / "out").exists()


def test_a_dry_run_reads_no_weights_and_keeps_to_a_limit(mmx: Command, tiny_vit: Path, picture: Path,
                                                         tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_vit, tmp_path / "empty"))
    (folder / "model.safetensors").write_bytes(b"nothing of use")

    def told(*more: str) -> dict[str, Any]:
        outcome = mmx("explain", *[picture] * 4, "--model", folder, "--dry-run", "--json", *more)
        assert outcome.code == 0
        return json.loads(outcome.out)

    whole = told()
    part = told("--max-memory", str(whole["memory_bytes"] * 2 // 3))
    assert (whole["batch_size"], part["batch_size"]) == (4, 2)
    assert part["memory_bytes"] <= whole["memory_bytes"] * 2 // 3
    most = int(re.search(r"takes ([\d.]+) KB", mmx("explain", picture, "--model", folder, "--dry-run",
                                                  "--max-memory", "1KB").error)[1].replace(".", "")) * 1000
    least = told("--max-memory", str(most + 1000))  # by layers that run again
    assert (least["batch_size"], least["memory_bytes"] <= most + 1000) == (1, True)
    refused = mmx("explain", picture, "--model", folder, "--dry-run", "--max-memory", "1KB")
    assert (refused.code, refused.out) == (1, "")
    assert re.fullmatch(rf"{re.escape(str(picture))} takes [\d.]+ KB of memory on cpu beside the model, and "
                        "--max-memory allows 1 KB. Give a smaller picture, more --max-memory, or another --device.",
                        refused.error)


@pytest.mark.slow
def test_two_processes_write_what_one_does(mmx: Command, tiny_vit: Path, tmp_path: Path,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)  # torchrun asks for 1 by itself, not the user
    pictures = [tmp_path / f"{number}.png" for number in range(5)]
    for number, path in enumerate(pictures):
        noise((60, 40), 20 + number).save(path)
    arguments = ["explain", *pictures, "gone.png", "--model", tiny_vit, "--batch-size", 2, "--json"]
    alone = mmx(*arguments, "--out", "alone")

    def shared(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "mmx",
             *map(str, arguments), "--out", "shared", *more], capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})

    done = shared()
    assert done.returncode == alone.code == 1  # of the picture that is gone
    assert done.stdout.replace("shared/", "alone/") == alone.out
    assert done.stderr.count("gone.png") == 1
    names = written(tmp_path / "alone")
    assert written(tmp_path / "shared") == names and len(names) == 10
    assert all((tmp_path / "shared" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes() for name in names)
    (tmp_path / "shared" / names[0]).unlink()
    document = json.loads(shared("--resume").stdout)
    assert (len(document["explanations"]), len(document["skipped"])) == (1, 4)
    assert (tmp_path / "shared" / names[0]).read_bytes() == (tmp_path / "alone" / names[0]).read_bytes()
