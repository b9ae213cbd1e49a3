"""What matches pictures and texts, from end to end: open_clip's format, grids of each picture's own, a logit alone."""

import json
import shutil
from pathlib import Path

import pytest
from cli_outcome import Command, elements, labels, report

TEXTS = ("--text", "a red circle", "--text", "zebra")


def test_a_folder_of_open_clip_is_explained(mmx: Command, tiny_open_clip: Path, picture: Path, tmp_path: Path) -> None:
    outcome = mmx("explain", picture, "--model", tiny_open_clip, *TEXTS, "--out", tmp_path / "out")
    assert (outcome.code, outcome.err) == (0, "")
    found = report(tmp_path)
    assert labels(found) == ["a red circle", "zebra"]
    assert found["model"]["architecture"] == "CLIPModel"
    looked = mmx("models", "check", tiny_open_clip, "--json")
    told = {one["what"]: one["told"] for one in json.loads(looked.out)["findings"]}
    assert looked.code == 0 and told["attention maps"].startswith("5 of 5, 2 or 4 heads each")


def test_what_open_clip_has_and_transformers_has_not_is_one_line(mmx: Command, tiny_open_clip: Path, picture: Path,
                                                                 tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_open_clip, tmp_path / "coca"))
    settings = json.loads((folder / "open_clip_config.json").read_text())
    settings["model_cfg"]["multimodal_cfg"] = {"layers": 2}
    (folder / "open_clip_config.json").write_text(json.dumps(settings))
    for command in (("explain", picture, "--text", "red", "--model"), ("models", "check")):
        outcome = mmx(*command, folder)
        assert "is a model of open_clip with a decoder that writes captions (CoCa)" in outcome.out + outcome.err
        assert outcome.code == (2 if command[0] == "explain" else 1)


@pytest.mark.parametrize("methods", [(), ("-m", "all", "--html")])
def test_each_picture_has_its_own_grid(mmx: Command, tiny_siglip2_naflex: Path, picture: Path, tmp_path: Path,
                                       methods: tuple[str, ...]) -> None:
    outcome = mmx("explain", picture, "--model", tiny_siglip2_naflex, *TEXTS, *methods, "--out", tmp_path / "out")
    assert outcome.code == 0 and all(line.startswith("note: ") for line in outcome.err.splitlines()), outcome.err
    for path in (tmp_path / "out").glob("*.json"):
        found = json.loads(path.read_text())
        grid = elements(found, "image")
        assert (grid["rows"], grid["columns"], grid["box_xyxy_px"]) == (3, 5, [0, 0, 60, 40])
        assert all(len(item["scores"]["image"]) == 15 for item in found["items"])


def test_a_logit_stands_in_its_column_beside_a_softmax(mmx: Command, tiny_vilt_retrieval: Path, picture: Path,
                                                       tmp_path: Path) -> None:
    outcome = mmx("explain", picture, "--model", tiny_vilt_retrieval, "--text", "red", "--text", "the circle",
                  "--out", tmp_path / "out")
    head, *rows = [line.split() for line in outcome.out.splitlines()[1:4]]
    assert head[:3] == ["text", "logit", "softmax"]
    for row, item in zip(rows, report(tmp_path)["items"], strict=True):
        label = item["label"].split()
        assert row[:len(label)] == label
        assert float(row[len(label)]) == pytest.approx(item["score"], rel=1e-3)
        assert item["unit"] == "logit" and item["also"].keys() == {"softmax"}
