"""DETRs whose backbone is timm's, as on the main branch of facebook/detr-resnet-50."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from defined_methods import methods_on
from noise import noise
from PIL import Image
from transformers import DetrConfig, DetrForObjectDetection, DetrImageProcessor

import mmx
from mmx.errors import CheckpointError


@pytest.fixture(scope="module")
def timm_detr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("timm")
    folder = tmp_path_factory.mktemp("timm") / "detr"
    torch.manual_seed(4)
    DetrForObjectDetection(DetrConfig(
        use_timm_backbone=True, backbone="test_resnet", use_pretrained_backbone=False, d_model=16, encoder_layers=2,
        decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16,
        num_queries=8, num_labels=3)).save_pretrained(folder)
    DetrImageProcessor(size={"shortest_edge": 96, "longest_edge": 192}).save_pretrained(folder)
    return folder


@pytest.fixture
def as_published(timm_detr: Path, tmp_path: Path) -> Path:
    """The config as it was written before backbones had configs of their own."""
    folder = shutil.copytree(timm_detr, tmp_path / "as-published")
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config.pop("backbone_config", None)
    config |= {"use_timm_backbone": True, "backbone": "test_resnet", "use_pretrained_backbone": True}
    path.write_text(json.dumps(config))
    return folder


def test_every_method_on_it(as_published: Path) -> None:
    model = mmx.load(as_published)
    picture = noise((160, 96), 80)
    names = [method.name for method in methods_on("DetrForObjectDetection")]
    found = dict(zip(names, model.explain_methods(picture, methods=names, query=3, samples=4), strict=True))
    maps = {name: np.asarray(one[0].scores["image"]) for name, one in found.items()}
    assert all(np.isfinite(one).all() for one in maps.values())
    assert maps["relevance"].max() > 0


@pytest.mark.parametrize("given", [{"out_indices": [1, 2, 3, 4]}, {"in_chans": 3, "out_indices": [1, 2, 3, 4]}])
def test_settings_of_the_backbone_ask_no_hub(as_published: Path, given: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = mmx.load(as_published).explain(Image.new("RGB", (160, 96), "red"), query=3)[0].scores["image"]
    path = as_published / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"backbone_kwargs": given}))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr("huggingface_hub.HfApi.repo_info", refuse)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", refuse)
    found = mmx.load(as_published).explain(Image.new("RGB", (160, 96), "red"), query=3)[0].scores["image"]
    assert (found == expected).all()


def test_without_timm_one_line_says_what_to_install(tiny_detr: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ImportError("\nTimmBackbone requires the timm library but it was not found in your environment.")

    monkeypatch.setattr("transformers.DetrForObjectDetection.from_pretrained", refuse)
    with pytest.raises(CheckpointError, match=r"weights of .*detr needs the package timm, which") as found:
        mmx.load(tiny_detr)
    assert found.value.hint == "pip install timm"
