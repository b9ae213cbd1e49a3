"""What a config.json may say that is mmx's to decide."""

import json
import shutil
from pathlib import Path

import pytest
from family_checks import picture

import mmx

ASKED = {"tiny_lxmert": {"question": "red?"}, "tiny_detr": {"query": 1}, "tiny_vit": {},
         "tiny_clip": {"text": "red"}, "tiny_vilt": {"question": "red?"}, "tiny_siglip": {"text": "red"},
         "tiny_dinov2": {}, "tiny_dinov2_registers": {}, "tiny_blip": {"text": "red"}}


def says_tuples(config: dict) -> dict:
    return {name: says_tuples(value) if isinstance(value, dict) and name.endswith("config") else value
            for name, value in config.items()} | {"return_dict": False}


@pytest.mark.parametrize("name", ASKED)
def test_a_config_that_wants_tuples_changes_nothing(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> None:
    folder: Path = request.getfixturevalue(name)
    other = shutil.copytree(folder, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(says_tuples(config)))
    first, second = (mmx.load(one).explain_methods(picture(), methods=["relevance", "relevance-lrp", "rollout"],
                                                   **ASKED[name]) for one in (folder, other))
    assert [[item.scores["image"].tolist() for item in one] for one in first] == [
        [item.scores["image"].tolist() for item in one] for one in second]
