"""`mmx models check` and `pull`."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_outcome import Command, Outcome
from frcnn_folder import write_detector
from safetensors.torch import load_file, save_file

from mmx.checkpoints.families import all_families


def findings(outcome: Outcome) -> dict[str, tuple[str, str]]:
    return {one["what"]: (one["result"], one["told"]) for one in json.loads(outcome.out)["findings"]}


def test_as_a_table(mmx: Command, tiny_lxmert: Path) -> None:
    outcome = mmx("models", "check", tiny_lxmert, "--dtype", "bfloat16")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0].split() == ["looked", "at", "found"]
    assert any(line.split()[:2] == ["gradients", "ok"] and "2 lead nowhere, as they should" in line for line in lines)


def no_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()


def another_class(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text()) | {"architectures": ["LxmertForPreTraining"]}
    (folder / "config.json").write_text(json.dumps(config))


def another_head(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.startswith("answer_head")}
    save_file(kept | {"cls.other": weights["answer_head.logit_fc.0.bias"]}, folder / "model.safetensors",
              metadata={"format": "pt"})


def another_size(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text()) | {"num_qa_labels": 4}
    (folder / "config.json").write_text(json.dumps(config))


BROKEN: dict[str, tuple[Callable[[Path], object], str, tuple[str, ...]]] = {
    "tokenizer": (no_tokenizer, "tokenizer", ("has no tokenizer", "vocab.txt")),
    "class": (another_class, "model", ("is a LxmertForPreTraining, which mmx has no family for. It explains: "
                                       "LxmertForQuestionAnswering.",)),
    "head": (another_head, "model", (
        "lacks 6 weights that LxmertForQuestionAnswering needs: answer_head.logit_fc.0.bias, ", "has 1 that fit "
        "nowhere: cls.other", "Give a checkpoint of LxmertForQuestionAnswering.")),
    "shape": (another_size, "model", (
        "has 2 in another shape: answer_head.logit_fc.3.bias (3 in the file, 4 by config.json), "
        "answer_head.logit_fc.3.weight (3 x 32 in the file, 4 x 32 by config.json).",
        "sizes and classes must be theirs")),
}


@pytest.mark.parametrize(("breaks", "what", "messages"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_is_said(mmx: Command, checkpoint: Path, breaks: Callable[[Path], object], what: str,
                               messages: tuple[str, ...]) -> None:
    breaks(checkpoint)
    outcome = mmx("models", "check", checkpoint, "--json")
    assert outcome.code == 1
    assert outcome.error == f"{checkpoint} does not work with mmx as it is: {what} failed."
    result, told = findings(outcome)[what]
    assert result == "fails"
    assert all(message in told for message in messages)
    table = mmx("models", "check", checkpoint)
    assert any(line.split()[:2] == [what, "FAILS"] for line in table.out.splitlines())


def test_weights_left_over_are_named(mmx: Command, ask: Command, picture: Path, checkpoint: Path) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    extra = {"lxmert.strange": weights["answer_head.logit_fc.0.bias"].clone(),
             "lxmert.embeddings.position_ids": weights["answer_head.logit_fc.0.bias"].clone()}
    save_file(weights | extra, checkpoint / "model.safetensors", metadata={"format": "pt"})
    outcome = mmx("models", "check", checkpoint, "--json")
    assert outcome.code == 0
    assert findings(outcome)["weights left over"] == ("note", "lxmert.strange")
    assert "has 1 weights that fit nowhere" in ask(picture, "-q", "red?", "--model", checkpoint).err


def test_a_family_that_mmx_does_not_have(mmx: Command, checkpoint: Path) -> None:
    (checkpoint / "config.json").write_text('{"model_type": "bert"}')
    outcome = mmx("models", "check", checkpoint)
    assert outcome.code == 1
    [said] = [line for line in outcome.out.splitlines() if "model type 'bert'" in line]
    assert all(family.does in said for _, family in all_families())
    assert said.endswith(": see 'mmx models'.")


def test_a_region_detector(mmx: Command, tmp_path: Path) -> None:
    write_detector(tmp_path / "detector")
    outcome = mmx("models", "check", tmp_path / "detector", "--json")
    assert outcome.code == 0
    assert findings(outcome)["region detector"][1].startswith("12 objects, 5 attributes, 128 numbers a region; ")
    (tmp_path / "detector" / "model.safetensors").unlink()
    assert mmx("models", "check", tmp_path / "detector").code == 1


@pytest.mark.parametrize(("arguments", "code", "message"), [
    (("check", "shapes-lxmet"), 2, "Did you mean 'shapes-lxmert'?"),
    (("check", "./nowhere"), 2, "There is no checkpoint folder ./nowhere."),
    (("pull", "nobody"), 2, "No checkpoint named 'nobody'."),
    (("pull", "unc-nlp/lxmert-vqa-uncased"), 1, "HF_HUB_OFFLINE forbids fetching it"),
    (("check", "openai/clip-vit-base-patch32", "--revision", "v2"), 1, "clip-vit-base-patch32@v2 is not in the local"),
])
def test_what_is_not_there(mmx: Command, arguments: tuple[str, ...], code: int, message: str) -> None:
    outcome = mmx("models", *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert message in outcome.error


def test_pulling_what_is_here_checks_it(mmx: Command, tiny_vit: Path) -> None:
    outcome = mmx("models", "pull", tiny_vit)
    assert (outcome.code, outcome.err) == (0, "")
    assert "from end to end" in outcome.out


def test_a_checkpoint_in_half_precision_on_disk(mmx: Command, tiny_vit: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_vit, tmp_path / "half"))
    halved = {name: value.half() for name, value in load_file(folder / "model.safetensors").items()}
    save_file(halved, folder / "model.safetensors", metadata={"format": "pt"})
    assert "MB in float32" in findings(mmx("models", "check", folder, "--json"))["model"][1]
