"""Questions from a file, and runs that go on where an earlier one ended."""

import json
from pathlib import Path

import pytest
from cli_outcome import Command, Outcome, labels, report
from PIL import Image

from mmx.model import Model


def rows(path: Path, *lines: dict) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def sources(outcome: Outcome) -> list[tuple[str, str]]:
    return [(one["question"], Path(one["files"][0]).name) for one in json.loads(outcome.out)["explanations"]]


def test_csv_rows_are_asked_in_order(ask: Command, picture: Path, tmp_path: Path) -> None:
    table = tmp_path / "questions.csv"
    table.write_text("image,question,target,id\nscene.png,what color?,blue,first\nscene.png,is the circle red?,,\n")
    outcome = ask("--questions", table, "--json")
    assert outcome.code == 0
    assert sources(outcome) == [("what color?", "first.relevance.png"),
                                ("is the circle red?", "scene.is-the-circle-red.relevance.png")]
    first, second = json.loads(outcome.out)["explanations"]
    assert labels(first) == ["blue"] and first["asked"]["targets"] == [1]
    assert labels(second) == [second["predictions"][0]["label"]] and second["asked"]["targets"] == []


def test_one_picture_asked_twice_keeps_both_answers(ask: Command, picture: Path, tmp_path: Path) -> None:
    file = rows(tmp_path / "q.jsonl", *({"image": "scene.png", "question": text} for text in ("red?", "red?", "what?")))
    names = [name for _, name in sources(ask("--questions", file, "--json"))]
    assert names == [f"{name}.relevance.png" for name in ("scene-1.red", "scene-2.red", "scene.what")]
    assert all((tmp_path / "out" / name).is_file() for name in names)


def test_pictures_lie_where_images_says(ask: Command, picture: Path, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    file = rows(tmp_path / "lists" / "q.jsonl", {"image": "scene.png", "question": "red?"})
    assert ask("--questions", file).code == 1
    assert ask("--questions", file, "--images", tmp_path).code == 0


def test_rows_that_fail_say_their_line_and_others_go_on(ask: Command, picture: Path, tmp_path: Path) -> None:
    file = rows(tmp_path / "q.jsonl", {"image": "scene.png", "question": ""}, {"image": "", "question": "red?"},
                {"image": "gone.png", "question": "red?"}, {"image": "scene.png", "question": "red?", "target": "no"},
                {"image": "scene.png", "question": "is the circle red?"})
    outcome = ask("--questions", file)
    assert outcome.code == 1
    assert [line.split(": ")[1] for line in outcome.err.splitlines()] == [f"{file}, line {n}" for n in (1, 2, 3, 4)]
    assert "is the circle red?" in outcome.out
    assert outcome.out.splitlines()[-1].startswith("1 explained, 4 failed; 2 files")


def test_the_target_of_a_row_goes_before_the_option(ask: Command, picture: Path, tmp_path: Path) -> None:
    file = rows(tmp_path / "q.jsonl", {"image": "scene.png", "question": "red?", "target": "0"},
                {"image": "scene.png", "question": "red?"})
    found = json.loads(ask("--questions", file, "--json", "--target", "blue").out)["explanations"]
    assert [labels(one) for one in found] == [["red"], ["blue"]]


@pytest.mark.parametrize(("arguments", "message"), [
    (("scene.png", "--questions", "q.jsonl"), "takes the place of IMAGE"),
    (("--questions", "q.jsonl", "-q", "red?"), "takes the place of IMAGE"),
    (("--questions", "none.csv"), "none.csv cannot be read"),
    (("--questions", "q.jsonl", "--images", "nowhere"), "--images nowhere is not a folder"),
    (("--questions", "scene.png"), "no known kind of question file"),
    (("scene.png", "-q", "red?", "--images", "."), "Give --questions FILE"),
    (("--questions", "q.jsonl", "--target", "no"), "'no' is not an answer"),
])
def test_misuse(ask: Command, picture: Path, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    rows(tmp_path / "q.jsonl", {"image": "scene.png", "question": "red?"})
    outcome = ask(*arguments)
    assert outcome.code == 2
    assert message in outcome.error
    assert not (tmp_path / "out").exists()


def stamps(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_resume_leaves_out_what_is_there(ask: Command, picture: Path, tmp_path: Path) -> None:
    ask(picture, "-q", "red?")
    before = stamps(tmp_path / "out")
    outcome = ask(picture, "-q", "red?", "--resume")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"1 there already; nothing new in {tmp_path / 'out'}\n"
    assert stamps(tmp_path / "out") == before
    document = json.loads(ask(picture, "-q", "red?", "--resume", "--json").out)
    assert document["explanations"] == []
    assert [Path(path).name for path in document["skipped"][0]["files"]] == ["scene.red.relevance.png",
                                                                            "scene.red.relevance.json"]


@pytest.mark.parametrize("change", [("--target", "red"), ("-m", "rollout")])
def test_resume_explains_what_was_asked_differently(ask: Command, picture: Path, tmp_path: Path, change: tuple[str,
                                                    str]) -> None:
    ask(picture, "-q", "red?")
    outcome = ask(picture, "-q", "red?", *change, "--resume")
    assert outcome.code == 0
    assert "wrote" in outcome.out


@pytest.mark.parametrize("resume", [(), ("--resume",)])
@pytest.mark.parametrize(("change", "said"), [
    (("--regions", "grid:2x2"), "answers something else"), (("--dtype", "float64"), "is of the same model in float32")])
def test_a_result_of_something_else_is_replaced_only_where_that_is_asked_for(
        ask: Command, picture: Path, tmp_path: Path, change: tuple[str, str], said: str, resume: tuple) -> None:
    ask(picture, "-q", "red?")
    before = stamps(tmp_path / "out")
    outcome = ask(picture, "-q", "red?", *change, *resume)
    error = outcome.err.splitlines()[-1]
    assert outcome.code == 2 and "scene.red.relevance.json is there already and " in error
    assert said in error and "--overwrite" in error
    assert stamps(tmp_path / "out") == before
    assert "wrote" in ask(picture, "-q", "red?", *change, *resume, "--overwrite").out


def test_resume_notices_a_file_that_changed_beside_the_checkpoint(ask: Command, picture: Path, tmp_path: Path) -> None:
    answers = tmp_path / "answers.txt"
    answers.write_text("red\ngreen\nblue\n")
    ask(picture, "-q", "red?", "--answers", answers)
    assert "1 there already" in ask(picture, "-q", "red?", "--answers", answers, "--resume").out
    answers.write_text("blue\ngreen\nred\n")
    outcome = ask(picture, "-q", "red?", "--answers", answers, "--resume")
    assert outcome.code == 2 and "is of the same model with other names of answers" in outcome.error


def test_another_picture_of_that_name_replaces_none(ask: Command, picture: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    Image.new("RGB", (30, 20), "green").save(tmp_path / "a" / "scene.png")
    ask(picture, "-q", "red?")
    before = stamps(tmp_path / "out")
    outcome = ask("a/scene.png", picture.name, "-m", "relevance", "-q", "red?")
    assert outcome.code == 0 and {*stamps(tmp_path / "out")} == {
        f"{name}.red.relevance.{kind}" for name in ("scene", "a-scene") for kind in ("json", "png")}
    before = stamps(tmp_path / "out")
    outcome = ask("a/scene.png", "-q", "red?", "-m", "rollout")
    assert outcome.code == 2 and "is of another picture of that name" in outcome.error
    assert stamps(tmp_path / "out") == before


def test_the_same_again_is_written_again(ask: Command, picture: Path, tmp_path: Path) -> None:
    assert [ask(picture, "-q", "red?").code for _ in range(2)] == [0, 0]
    assert len(stamps(tmp_path / "out")) == 2


def test_several_questions_are_asked_of_every_picture(ask: Command, picture: Path, tmp_path: Path) -> None:
    outcome = ask(picture, "-q", "red?", "-q", "what?", "-q", "red?", "--json")
    assert [one["question"] for one in json.loads(outcome.out)["explanations"]] == ["red?", "what?"]
    assert {path.stem for path in (tmp_path / "out").iterdir()} == {"scene.red.relevance", "scene.what.relevance"}
    assert ask(picture, "-q", "red?", "-q", " ").error.startswith("The question is empty.")


def test_a_page_that_is_not_of_the_result_is_not_replaced(ask: Command, picture: Path, tmp_path: Path) -> None:
    (tmp_path / "scene.red.html").write_text("mine")
    outcome = ask(picture, "-q", "red?", "--html", "--out", tmp_path)
    assert outcome.code == 1 and "scene.red.html is there already and is another one" in outcome.error
    assert (tmp_path / "scene.red.html").read_text() == "mine"


def test_what_is_left_of_a_batch_goes_through_the_model_with_it(ask: Command, picture: Path, tmp_path: Path,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    """For the same bytes: digits depend on what shares a batch."""
    rows(tmp_path / "q.jsonl", *({"image": name, "question": text} for name in ("scene.png", "gone.png")
                                 for text in ("red?", "what?", "is it?", "blue?")))
    asked = ("--questions", tmp_path / "q.jsonl", "-m", "rollout", "-m", "relevance", "--html", "--batch-size", 3)
    ask(*asked)
    whole = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    for name in whole:
        if name.startswith(("scene.what.", "scene.is-it.")):
            (tmp_path / "out" / name).unlink()
    sizes: list[int] = []
    run = Model.explain_batch
    monkeypatch.setattr(Model, "explain_batch", lambda self, jobs, *more, **options: (
        sizes.append(len(jobs)), run(self, jobs, *more, **options))[1])
    ask(*asked, "--resume")
    assert sizes == [3] and {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == whole


def test_ctrl_c_says_how_far_it_came(ask: Command, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Model, jobs: list, *more: object, **options: object) -> list:
        if jobs[0].asked.question == "what?":
            raise KeyboardInterrupt
        return run(self, jobs, *more, **options)

    run = Model.explain_batch
    monkeypatch.setattr(Model, "explain_batch", interrupted)
    outcome = ask(picture, "-q", "red?", "-q", "what?", "--batch-size", 1)
    assert outcome.code == 130
    assert "1 of 2 are done" in outcome.error and "--resume" in outcome.error


def test_resume_explains_the_prediction_after_another_target(ask: Command, picture: Path) -> None:
    ask(picture, "-q", "red?", "--target", "blue")
    assert "wrote" in ask(picture, "-q", "red?", "--resume").out


@pytest.mark.parametrize("broken", [b"", b"[]", b'{"schema_version": 2}', b"\xff"])
def test_resume_trusts_no_broken_report(ask: Command, picture: Path, tmp_path: Path, broken: bytes) -> None:
    ask(picture, "-q", "red?")
    (tmp_path / "out" / "scene.red.relevance.json").write_bytes(broken)
    assert "wrote" in ask(picture, "-q", "red?", "--resume").out
    assert report(tmp_path)["question"] == "red?"
