"""Features that were computed before, the Visual Genome detector, and what answers are called."""

import base64
import json
import shutil
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from cli_outcome import Command, elements, labels, report
from frcnn_folder import SMALL, write_detector


def coded(values: list, kind: str = "<f4") -> str:
    return base64.b64encode(np.array(values, dtype=kind).tobytes()).decode()


@pytest.fixture
def names(tmp_path: Path) -> None:
    (tmp_path / "objects_vocab.txt").write_text("\n".join(f"thing {i}" for i in range(1600)))
    (tmp_path / "attributes_vocab.txt").write_text("\n".join(f"kind{i}" for i in range(400)))


@pytest.fixture
def features(tmp_path: Path) -> Path:
    """Of scene.png alone: two regions."""
    numbers = np.random.default_rng(0).normal(size=24).tolist()
    fields = ["scene", "40", "60", coded([7, 9], "<i8"), coded([0.9, 0.4]), coded([1, 2], "<i8"), "", "2",
              coded([0, 0, 60, 40, 30, 20, 60, 40]), coded(numbers)]
    (tmp_path / "features.tsv").write_text("\t".join(fields) + "\n")
    return tmp_path / "features.tsv"


@pytest.mark.usefixtures("names")
def test_features_by_the_pictures_name(ask: Command, picture: Path, features: Path, tmp_path: Path) -> None:
    outcome = ask(picture, "-q", "red?", "--features", features)
    assert (outcome.code, outcome.err) == (0, "")
    found = elements(report(tmp_path), "image")
    assert found["provider"] == report(tmp_path)["asked"]["regions"] == "features of features.tsv"
    assert [region["label"] for region in found["regions"]] == ["kind1 thing 7", "kind2 thing 9"]
    assert [region["box_xyxy_px"] for region in found["regions"]] == [[0, 0, 60, 40], [30, 20, 60, 40]]
    assert "kind1 thing 7" in outcome.out


def test_without_their_names_at_hand(ask: Command, picture: Path, features: Path, tmp_path: Path) -> None:
    assert ask(picture, "-q", "red?", "--features", features).code == 0
    found = report(tmp_path)
    assert [region["label"] for region in elements(found, "image")["regions"]] == [None, None]
    assert "objects_vocab.txt" in found["notes"][0]


def test_a_picture_without_features_is_named(ask: Command, picture: Path, features: Path, tmp_path: Path) -> None:
    shutil.copy(picture, "other.png")
    outcome = ask(picture, "other.png", "-q", "red?", "--features", features)
    assert outcome.code == 1
    assert "other.png: " in outcome.err and "has no features of other" in outcome.err
    assert (tmp_path / "out" / "scene.red.relevance.png").is_file()


@pytest.mark.parametrize(("arguments", "code", "message"), [
    (("--features", "none.tsv"), 2, "none.tsv does not exist"),
    (("--answers", "none.json"), 2, "none.json cannot be read"),
    (("--answers", "two.json"), 2, "two.json holds 2 names where there must be 3"),
    (("--answers", "scene.png"), 2, "scene.png holds no names"),
    (("--regions", "frcnn:nowhere/at/all"), 2, "There is no checkpoint folder nowhere/at/all"),
    (("--regions", "frcnn"), 1, "unc-nlp/frcnn-vg-finetuned is not in the local cache"),
])
def test_misuse(ask: Command, picture: Path, tmp_path: Path, arguments: tuple[str, ...], code: int,
                message: str) -> None:
    Path("two.json").write_text('["a", "b"]')
    outcome = ask(picture, "-q", "red?", *arguments)
    assert outcome.code == code
    assert message in outcome.error
    assert not (tmp_path / "out").exists()


def test_features_of_another_size(ask: Command, picture: Path, features: Path) -> None:
    fields = features.read_text().rstrip().split("\t")
    features.write_text("\t".join([*fields[:-1], coded([1.0] * 10)]) + "\n")
    outcome = ask(picture, "-q", "red?", "--features", features)
    assert outcome.code == 2 or outcome.code == 1
    assert "has 5 numbers a region; the model takes 12" in outcome.error


@pytest.mark.parametrize("content", ['["red", "a, b", "c"]', "red\na, b\nc\n"])
def test_answers_out_of_a_file(ask: Command, picture: Path, tmp_path: Path, content: str) -> None:
    path = tmp_path / ("answers.json" if content[0] == "[" else "answers.txt")
    path.write_text(content)
    assert ask(picture, "-q", "red?", "--answers", path, "--target", "a, b").code == 0
    [item] = report(tmp_path)["items"]
    assert (item["index"], item["label"]) == (1, "a, b")


def test_answers_without_names_are_numbers(ask: Command, picture: Path, checkpoint: Path, tmp_path: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    numbered = {str(i): f"LABEL_{i}" for i in range(3)}
    config |= {"id2label": numbered, "label2id": {name: int(i) for i, name in numbered.items()}}
    (checkpoint / "config.json").write_text(json.dumps(config))
    outcome = ask(picture, "-q", "red?", "--model", checkpoint)
    assert outcome.code == 0
    assert "does not name its answers, so they are numbers: give --answers FILE" in outcome.err
    assert report(tmp_path)["notes"][-1].endswith("so they are numbers: give the option answers")
    assert labels(report(tmp_path))[0].startswith("answer ")


@pytest.mark.usefixtures("names")
def test_regions_out_of_the_detector(ask: Command, picture: Path, checkpoint: Path, tmp_path: Path) -> None:
    from transformers import LxmertConfig, LxmertForQuestionAnswering

    (checkpoint / "regions.json").unlink()
    config = LxmertConfig.from_pretrained(checkpoint)
    config.visual_feat_dim = 128
    LxmertForQuestionAnswering(config).save_pretrained(checkpoint)
    settings = deepcopy(SMALL)
    settings["roi_heads"]["num_classes"], settings["roi_box_head"]["num_attrs"] = 1600, 400
    detector = write_detector(tmp_path / "detector", settings)
    for name in ("objects_vocab.txt", "attributes_vocab.txt"):
        shutil.copy(name, detector)
    outcome = ask(picture, "-q", "red?", "--model", checkpoint, "--regions", f"frcnn:{detector}")
    assert (outcome.code, outcome.err) == (0, "")
    found = elements(report(tmp_path), "image")
    assert found["provider"] == f"Faster R-CNN detections ({detector})"
    assert all(region["label"].startswith("kind") and region["confidence"] > 0 for region in found["regions"])
    turned = ask(picture, "-q", "red?", "--model", checkpoint, "--regions", f"frcnn-iccv21:{detector}", "--overwrite")
    assert turned.code == 0
    assert elements(report(tmp_path), "image")["provider"].endswith(", channels as in the reference)")


def test_a_model_for_2048_numbers_a_region_wants_the_detector(ask: Command, picture: Path, checkpoint: Path) -> None:
    from transformers import LxmertConfig, LxmertForQuestionAnswering

    (checkpoint / "regions.json").unlink()
    config = LxmertConfig.from_pretrained(checkpoint)
    config.visual_feat_dim = 2048
    LxmertForQuestionAnswering(config).save_pretrained(checkpoint)
    outcome = ask(picture, "-q", "red?", "--model", checkpoint)
    assert outcome.code == 1
    assert "takes the regions of a detector: unc-nlp/frcnn-vg-finetuned is not in the local" in outcome.error
    assert "--regions grid" in outcome.error
    outcome = ask(picture, "-q", "red?", "--model", checkpoint, "--regions", "grid")
    assert outcome.code == 0
    assert "was trained on other regions than these" in outcome.err


@pytest.mark.parametrize("option", [("--regions", "grid"), ("--features", "features.tsv")])
def test_a_model_of_pixels_takes_no_regions(mmx: Command, picture: Path, tiny_vit: Path, features: Path,
                                            option: tuple[str, str]) -> None:
    outcome = mmx("explain", picture, "--model", tiny_vit, *option)
    assert outcome.code == 2
    assert outcome.error.endswith("takes no regions and no features: it looks at the whole picture. Leave them out.")


def test_a_model_of_texts_takes_no_names_of_answers(mmx: Command, picture: Path, tiny_clip: Path) -> None:
    Path("answers.txt").write_text("a\nb\n")
    outcome = mmx("explain", picture, "--text", "red", "--model", tiny_clip, "--answers", "answers.txt")
    assert outcome.code == 2
    assert outcome.error.endswith("matches pictures and texts: no names of answers fit it. Leave them out.")


def test_classes_take_names_too(mmx: Command, picture: Path, tiny_vit: Path, tmp_path: Path) -> None:
    Path("classes.txt").write_text("a\nb\nc\nd\ne\n")
    outcome = mmx("explain", picture, "--model", tiny_vit, "--answers", "classes.txt", "-t", "d", "-o", "out")
    assert (outcome.code, labels(report(tmp_path))) == (0, ["d"])
