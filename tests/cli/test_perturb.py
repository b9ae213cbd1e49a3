"""`mmx perturb` and `mmx compare` as a user calls them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_outcome import Command
from noise import noise
from PIL import Image

from mmx.studies.perturb import published
from mmx.studies.perturb.records import PerturbationTest

METHODS = ("-m", "relevance", "-m", "rollout")
QUESTIONS = ("what color is the circle?", "what is red?", "is the circle red?")
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    rows = ["image,question,answer,id"]
    for number in range(9):
        picture = noise((60, 40), 20 + 20 * number)
        picture.save(folder / f"{number}.png")
        rows.append(f"{number}.png,{QUESTIONS[number % 3]},{('red', 'blue')[number % 2]},q{number}")
    (folder / "q.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture
def arguments(tiny_lxmert: Path, data: Path, tmp_path: Path) -> list[object]:
    return ["perturb", "--model", tiny_lxmert, "--data", data / "q.csv", "--cache", tmp_path / "cache",
            "--batch-size", 2, *METHODS]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, threads that share tiny tensors mostly wait for each other."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def perturb(mmx: Command, arguments: list[object], tmp_path: Path) -> Command:
    """With the tiny model on nine questions, into the folder `out`; later options win over these."""
    return lambda *more: mmx(*arguments, "--out", tmp_path / "out", *more)


def summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


def records(folder: Path) -> list[dict]:
    return [json.loads(line) for path in sorted(folder.glob("records.*.jsonl")) for line in path.open()]


@pytest.mark.parametrize("protocol", ["iccv21", "clean"])
def test_a_run(perturb: Command, tmp_path: Path, protocol: str) -> None:
    outcome = perturb("--protocol", protocol)
    assert (outcome.code, outcome.err) == (0, "")
    assert "rightly where nothing is removed: 9 samples" in outcome.out.splitlines()[0]
    assert outcome.out.count("lower AUC is better") == outcome.out.count("higher AUC is better") == 2
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {
        ".run.lock", "summary.json", "summary.csv", "run.json", "curves.png", "curves.pdf", "records.0-of-1.jsonl"}
    found, methods = summary(out), ["relevance", "rollout", *(["random"] if protocol == "clean" else [])]
    assert found["parameters"]["methods"] == methods and found["protocol"] == protocol
    assert {(modality, sign) for modality, signs in found["panels"].items() for sign in signs} == {
        (modality, sign) for modality in ("image", "text") for sign in ("positive", "negative")}
    for one in records(out):
        assert len(one["image_hash"]) == 64 and one["target"] in ("red", "blue", "a long answer")
        for method in methods:
            for curves in one["curves"][method].values():
                for curve in curves.values():
                    assert len(curve["answers"]) == len(curve["accuracies"]) == len(found["panels"]["image"][
                        "positive"]["removed"])
                    assert curve["answers"][0] == one["target"] and curve["accuracies"][0] == one["accuracy"]


def test_the_order_on_the_terminal_is_the_areas(perturb: Command, tmp_path: Path) -> None:
    lines = perturb("-m", "all", "--positive", "--modality", "image").out.splitlines()
    panel = summary(tmp_path / "out")["panels"]["image"]["positive"]["methods"]
    start = next(place for place, line in enumerate(lines) if line.startswith("method")) + 1
    shown = [line.split()[0] for line in lines[start:start + len(panel)]]
    assert shown == sorted(panel, key=lambda name: panel[name]["auc"]["mean"])


def test_json_is_the_summary_and_nothing_else(perturb: Command, tmp_path: Path) -> None:
    outcome = perturb("--json", "--quiet")
    assert json.loads(outcome.out) == summary(tmp_path / "out") and outcome.err == ""


@pytest.mark.parametrize("protocol", ["iccv21", "clean"])
def test_killed_and_gone_on_with_ends_in_the_same_bytes(perturb: Command, tmp_path: Path, protocol: str) -> None:
    out, options = tmp_path / "out", ("--protocol", protocol)
    perturb(*options)
    whole = {path.name: path.read_bytes() for path in out.iterdir()}
    path = out / "records.0-of-1.jsonl"
    lines = whole[path.name].splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]) + lines[3][:50])
    (out / "summary.json").unlink()
    assert perturb(*options, "--resume").code == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == whole


def test_a_finished_run_is_not_run_again(perturb: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    perturb()
    monkeypatch.setattr(PerturbationTest, "records", lambda *given: pytest.fail("ran again"))
    assert perturb("--resume").code == 0


def test_other_parameters_are_not_mixed_in(perturb: Command) -> None:
    perturb()
    outcome = perturb("--resume", "--protocol", "clean")
    assert outcome.code == 2 and 'had protocol "iccv21", not "clean"' in outcome.error


def test_a_run_is_not_replaced_unasked(perturb: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    perturb()
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with monkeypatch.context() as early:
        early.setattr("mmx.model.by_name.loading.resolve", lambda *name: pytest.fail("began to load a model"))
        for options in ((), ("--seed", 7)):
            outcome = perturb(*options)
            assert outcome.code == 2 and "--resume" in outcome.error and "--overwrite" in outcome.error
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert perturb("--overwrite", "-n", 2).code == 0
    assert len(records(tmp_path / "out")) == 2


@pytest.mark.parametrize(("change", "wrong"), [
    ({"accuracy": 7}, "an accuracy is no number from 0 to 1"), ({"accuracy": None}, "an accuracy is no number"),
    ({"id": 99}, "there is no sample 99"), ({"sample": "q99"}, "sample 0 is '"), ({"target": 3}, "is no text"),
    ({"curves": {}}, "it lacks 'relevance'"), ({"curves": 3}, "its values are of another kind"),
])
def test_a_record_that_was_edited_is_named(perturb: Command, tmp_path: Path, change: dict, wrong: str) -> None:
    perturb()
    path = tmp_path / "out" / "records.0-of-1.jsonl"
    first, *more = path.read_text().splitlines(keepends=True)
    path.write_text("".join([json.dumps(json.loads(first) | change) + "\n", *more]))
    outcome = perturb("--resume")
    assert outcome.code == 2 and f"{path}, line 1, is no record of this run: " in outcome.error
    assert wrong in outcome.error


def test_a_picture_that_was_replaced_is_noticed_on_resume(perturb: Command, data: Path, tmp_path: Path) -> None:
    perturb()
    path = tmp_path / "out" / "records.0-of-1.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    Image.new("RGB", (30, 30), "green").save(data / "2.png")
    outcome = perturb("--resume")
    assert outcome.code == 2 and "are no longer what they were" in outcome.error


def test_a_picture_that_is_missing_is_a_line_and_done_on_resume(perturb: Command, data: Path, tmp_path: Path) -> None:
    perturb()
    straight = (tmp_path / "out/summary.json").read_bytes()
    hidden = (data / "3.png").rename(tmp_path / "hidden.png")
    outcome = perturb("--overwrite")
    assert outcome.code == 1 and "8 samples, 1 failed" in outcome.out
    [line] = outcome.err.splitlines()
    assert line.startswith("error: q3: ") and "3.png does not exist" in line
    assert [one["sample"] for one in summary(tmp_path / "out")["failures"]] == ["q3"]
    hidden.rename(data / "3.png")
    assert perturb("--resume").code == 0
    assert (tmp_path / "out/summary.json").read_bytes() == straight


def test_nothing_evaluated_is_a_failure(perturb: Command, data: Path, tmp_path: Path) -> None:
    for path in data.glob("*.png"):
        path.unlink()
    outcome = perturb()
    assert outcome.code == 1 and outcome.err.splitlines()[-1].startswith("error: No sample could be evaluated.")
    assert not (tmp_path / "out/summary.json").exists()


def test_a_question_that_is_too_long_fails_alone(perturb: Command, data: Path) -> None:
    with (data / "q.csv").open("a") as file:
        file.write(f"\n0.png,{'what ' * 40},red,long")
    outcome = perturb()
    assert outcome.code == 1 and "error: long: The question has 42 tokens" in outcome.err
    assert "9 samples, 1 failed" in outcome.out


def test_samples_steps_and_control_as_asked(perturb: Command, tmp_path: Path) -> None:
    assert perturb("-n", 4, "--steps", "0,0.5,1", "--control", "--negative", "--modality", "text").code == 0
    found = summary(tmp_path / "out")
    assert found["samples"]["evaluated"] == 4
    assert list(found["panels"]) == ["text"] and list(found["panels"]["text"]) == ["negative"]
    panel = found["panels"]["text"]["negative"]
    assert panel["removed"] == [0, 0.5, 1] and list(panel["methods"]) == ["relevance", "rollout", "random"]


def test_combinations_do_not_change_each_other(perturb: Command, tmp_path: Path) -> None:
    perturb("-m", "all", "--protocol", "clean")
    together = summary(tmp_path / "out")["panels"]["image"]["negative"]["methods"]["raw-attention"]
    perturb("-m", "raw-attention", "--protocol", "clean", "--negative", "--modality", "image", "--no-control")
    assert summary(tmp_path / "out")["panels"]["image"]["negative"]["methods"]["raw-attention"] == together


def test_scenes_are_drawn_where_no_data_is_named(mmx: Command, tmp_path: Path) -> None:
    outcome = mmx("perturb", "-n", 6, "--out", tmp_path / "out", "--no-cache", "--quiet", "--positive")
    assert (outcome.code, outcome.err) == (0, "")
    assert summary(tmp_path / "out")["accuracy"]["mean"] > 0.6
    assert summary(tmp_path / "out")["parameters"]["data"]["kind"] == "drawn scenes"


def test_a_known_checkpoint_that_answers_badly_is_warned_of_early_and_late(
        perturb: Command, tiny_lxmert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(published._FIGURES, str(tiny_lxmert), (2.0, "a made-up figure"))
    monkeypatch.setattr(published, "FEWEST", 4)
    outcome = perturb("--quiet")
    warnings = [line for line in outcome.err.splitlines() if "WARNING" in line]
    assert len(warnings) == 2 and "200.0 % as published" in warnings[0]
    assert "void" in summary(tmp_path / "out")["warning"]


def test_answers_that_the_config_does_not_name(perturb: Command, checkpoint: Path, tmp_path: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    for name in ("id2label", "label2id"):
        config.pop(name)
    (checkpoint / "config.json").write_text(json.dumps({**config, "num_qa_labels": 3}))
    outcome = perturb("--model", checkpoint)
    assert outcome.code == 2 and "What the answers of" in outcome.err
    names = tmp_path / "answers.json"
    names.write_text('["red", "blue", "green"]')
    assert perturb("--model", checkpoint, "--answers", names).code == 0
    assert {one["target"] for one in records(tmp_path / "out")} <= {"red", "blue", "green"}
    names.write_text('["red"]')
    assert perturb("--model", checkpoint, "--answers", names).code == 2


@pytest.mark.parametrize(("options", "said"), [
    (("--modality", "sound"), "No modality named 'sound'"), (("--steps", "a"), "--steps 'a' is no list"),
    (("--steps", "1,0"), "cannot be run"), (("--protocol", "iccv"), "iccv"), (("-m", "relevanse"), "Did you mean"),
    (("--num-samples", 0), "num-samples"), (("--data", "absent.csv"), "absent.csv cannot be read"),
    (("--features", "absent.tsv"), "absent.tsv does not exist"), (("--images", "absent"), "absent is not a folder"),
    (("--annotations", "a.json"), "a.json"),
])
def test_misuse(perturb: Command, options: tuple, said: str) -> None:
    outcome = perturb(*options)
    assert outcome.code == 2 and said in outcome.error


def test_pictures_without_data_are_misuse(mmx: Command, tmp_path: Path) -> None:
    outcome = mmx("perturb", "--images", tmp_path, "--quiet", "--out", tmp_path / "out")
    assert outcome.code == 2 and "go with --data" in outcome.error
    assert not (tmp_path / "out").exists()


def test_a_model_that_answers_nothing_is_refused(perturb: Command, tiny_detr: Path) -> None:
    outcome = perturb("--model", tiny_detr)
    assert outcome.code == 2 and "this test is about answers" in outcome.error


def test_lxmerts_features(perturb: Command, shared: Path, tmp_path: Path) -> None:
    """Real features are refused by a model that was made for others; no picture is asked for."""
    data = shared / "realdata"
    outcome = perturb("--data", data / "derived/v2_OpenEnded_mscoco_train2014_questions.photos_here.json",
                      "--annotations", data / "derived/v2_mscoco_train2014_annotations.photos_here.json",
                      "--features", data / "lxmert/features/train2014_obj36.tsv")
    assert outcome.code == 2 and "2048 numbers a region; the model takes 12" in outcome.err.splitlines()[-1]


def test_official_questions_on_real_photographs(perturb: Command, shared: Path, tmp_path: Path) -> None:
    data = shared / "realdata/vqa/official_allennlp"
    outcome = perturb("--data", data / "questions.json", "--annotations", data / "annotations.json",
                      "--images", data / "images")
    assert (outcome.code, outcome.err) == (0, "")
    assert {one["image"] for one in records(tmp_path / "out")} == {"COCO_train2014_000000458752"}


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


@pytest.mark.slow
def test_two_processes_end_in_the_bytes_of_one(perturb: Command, arguments: list[object], tmp_path: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS")  # torchrun asks for 1 by itself, which is not the user's wish
    perturb()
    other = tmp_path / "shared-out"
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "mmx",
         *map(str, arguments), "--out", str(other)], capture_output=True, text=True, env=_environment(), check=False)
    assert done.returncode == 0, done.stderr
    assert len(list(other.glob("records.*-of-2.jsonl"))) == 2
    for name in ("summary.json", "summary.csv", "curves.png", "curves.pdf"):
        assert (other / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_kill_9_loses_nothing(perturb: Command, arguments: list[object], tmp_path: Path) -> None:
    perturb()
    other = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-m", "mmx", *map(str, arguments), "--out", str(other)],
                               env=_environment())
    path = other / "records.0-of-1.jsonl"
    while process.poll() is None and not (path.is_file() and path.stat().st_size):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = path.read_bytes().count(b"\n")
    assert perturb("--out", other, "--resume").code == 0
    assert 0 < before <= 9 == len(records(other))
    for name in ("summary.json", "summary.csv", "curves.png", "curves.pdf"):
        assert (other / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_compare_puts_runs_side_by_side(perturb: Command, mmx: Command, tmp_path: Path) -> None:
    perturb("--out", tmp_path / "both", "--positive")
    perturb("--out", tmp_path / "a", "-m", "rollout", "--positive")
    mmx_arguments = ["--out", tmp_path / "c"]
    outcome = mmx("compare", tmp_path / "both", tmp_path / "a", *mmx_arguments)
    assert (outcome.code, outcome.err) == (0, "")
    found, alone = summary(tmp_path / "c"), summary(tmp_path / "both")
    panel = found["panels"]["image"]["positive"]
    assert list(panel["methods"]) == ["relevance (both)", "rollout (both)", "relevance (a)", "rollout (a)"]
    assert panel["methods"]["rollout (a)"] == alone["panels"]["image"]["positive"]["methods"]["rollout"]
    assert panel["differences"]["rollout (both)"]["rollout (a)"] == {"mean": 0, "low": 0, "high": 0}
    assert {path.name for path in (tmp_path / "c").iterdir()} == {
        "summary.json", "summary.csv", "curves.png", "curves.pdf"}
    document = mmx("compare", tmp_path / "both", tmp_path / "a", *mmx_arguments, "--json").out
    assert json.loads(document) == found
    assert "holds a run" in mmx("compare", tmp_path / "both", tmp_path / "a", "--out", tmp_path / "a").error
    assert summary(tmp_path / "a")["parameters"]["kind"] == "perturb"
    turned = ("compare", tmp_path / "a", tmp_path / "both", *mmx_arguments)
    assert "holds another comparison" in mmx(*turned).error and summary(tmp_path / "c") == found
    assert mmx(*turned, "--overwrite").code == 0 and summary(tmp_path / "c") != found


@pytest.mark.parametrize(("options", "said"), [
    (("--protocol", "clean"), 'protocol is "iccv21" in the one and "clean" in the other'),
    (("--num-samples", "5"), "data.num_samples is null in the one and 5"), (("--steps", "0,1"), "steps."),
    (("--regions", "grid:1x2"), "regions."), (("--dtype", "float64"), 'dtype is "float32"'),
])
def test_compare_refuses_what_differs_and_names_it(perturb: Command, mmx: Command, tmp_path: Path, options: tuple,
                                                   said: str) -> None:
    perturb("--out", tmp_path / "a", "--positive", "--modality", "image")
    perturb("--out", tmp_path / "b", "--positive", "--modality", "image", *options)
    outcome = mmx("compare", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "c")
    assert outcome.code == 2 and said in outcome.error
    assert not (tmp_path / "c").exists()


def test_compare_refuses_other_pictures_under_the_same_names(perturb: Command, mmx: Command, data: Path,
                                                             tmp_path: Path) -> None:
    perturb("--out", tmp_path / "a")
    Image.new("RGB", (30, 30), "green").save(data / "2.png")
    perturb("--out", tmp_path / "b")
    outcome = mmx("compare", tmp_path / "a", tmp_path / "b")
    assert outcome.code == 2 and "other samples or pictures" in outcome.error


def test_compare_wants_finished_runs(perturb: Command, mmx: Command, tmp_path: Path) -> None:
    perturb("--out", tmp_path / "a")
    assert "nothing to be compared with" in mmx("compare", tmp_path / "a", tmp_path / "a").error
    assert "holds no finished run" in mmx("compare", tmp_path / "a", tmp_path / "absent").error
    perturb("--out", tmp_path / "b")
    (tmp_path / "b/summary.json").unlink()
    assert "holds no finished run" in mmx("compare", tmp_path / "a", tmp_path / "b").error
    (tmp_path / "b/summary.json").write_text('{"parameters": {"kind": "segment"}}')
    assert "holds no finished run" in mmx("compare", tmp_path / "a", tmp_path / "b").error


def test_a_model_that_is_asked_in_a_prompt_needs_questions_alone(mmx: Command, tiny_qwen2_5_vl: Path, data: Path,
                                                                 tmp_path: Path) -> None:
    (data / "asked.csv").write_text("".join(["image,question\n", *(f"{number}.png,{question}\n" for number, question
                                                                    in enumerate(QUESTIONS))]))
    done = mmx("perturb", "--model", tiny_qwen2_5_vl, "--data", data / "asked.csv", "--out", tmp_path / "out",
               "--protocol", "clean", "--no-control", "--steps", "0,1", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found == summary(tmp_path / "out")
    assert found["parameters"]["follows"] == ["log_probability"] and found["accuracy"] is None
    assert set(found["log_probability_panels"]) == {"image", "text"}
    assert found["samples"] == {"evaluated": 3, "failed": 0, "divided_by": 3}
    assert (tmp_path / "out" / "curves.png").is_file() and (tmp_path / "out" / "summary.csv").is_file()


def test_a_question_that_is_read_twice_is_refused_before_the_weights_are_read(mmx: Command, tiny_instructblip: Path,
                                                                              tmp_path: Path) -> None:
    done = mmx("perturb", "--model", tiny_instructblip, "--out", tmp_path / "out")
    assert done.code == 2 and "reads a question twice" in done.error
