"""Checkpoints that mmx knows by name, as their config.json says them, with random weights: mmx models check passes.

pytest --runslow tests/cli/test_published_sizes.py     (1 GB of disk for a while; a minute each on one core)

test_full_size.py has those of the first families, on real files from end to end.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from cli_outcome import Command
from real_tokenizers import write_bert_tokenizer, write_clip_tokenizer

from mmx.checkpoints.catalog import catalog

pytestmark = pytest.mark.slow


def write_chinese_tokenizer(real: Path, folder: Path) -> None:
    """As many pieces as it has, though others."""
    vocabulary = (real / "vocab" / "bert-base-uncased-vocab.txt").read_text().splitlines()[:21128]
    transformers.BertTokenizer(vocab={piece: i for i, piece in enumerate(vocabulary)}).save_pretrained(folder)


@dataclass(frozen=True)
class Published:
    """Its config's class, what its config.json says beside that class's defaults, its processor, labels and words.

    Words are those of another vocabulary where its own is nowhere at hand.
    """

    config: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    processor: str = "ViTImageProcessor"
    processing: Mapping[str, Any] = field(default_factory=dict)
    labels: str = "imagenet"
    words: Callable[[Path, Path], None] | None = None


_RELATIVE = {"use_relative_position_bias": True, "use_absolute_position_embeddings": False}
_TINY = {"hidden_size": 192, "num_attention_heads": 3, "intermediate_size": 768}
_HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "size": {"height": 224, "width": 224},
         "do_center_crop": False}
_DETR = {"size": {"shortest_edge": 800, "longest_edge": 1333}}
_BLIP = {"vision_config": {"image_size": 384}, "text_config": {
    "vocab_size": 30524, "encoder_hidden_size": 768, "bos_token_id": 101, "eos_token_id": 102, "sep_token_id": 102}}
_RESNET_18 = {"depths": [2, 2, 2, 2], "hidden_sizes": [64, 128, 256, 512], "layer_type": "basic"}

PUBLISHED = {
    "google/vit-base-patch16-224": Published("ViTConfig"),
    "facebook/deit-tiny-patch16-224": Published("ViTConfig", _TINY, "DeiTImageProcessor"),
    "facebook/deit-base-distilled-patch16-224": Published("DeiTConfig", processor="DeiTImageProcessor"),
    "facebook/deit-tiny-distilled-patch16-224": Published("DeiTConfig", _TINY, "DeiTImageProcessor"),
    "microsoft/beit-base-patch16-224": Published("BeitConfig", _RELATIVE, "BeitImageProcessor", _HALF),
    "facebook/data2vec-vision-base-ft1k": Published("Data2VecVisionConfig", _RELATIVE, "BeitImageProcessor", _HALF),
    "microsoft/swin-tiny-patch4-window7-224": Published("SwinConfig"),
    "microsoft/swinv2-tiny-patch4-window8-256": Published(
        "Swinv2Config", {"image_size": 256, "window_size": 8}, processing={"size": {"height": 256, "width": 256}}),
    "facebook/detr-resnet-50": Published("DetrConfig", {"backbone": {}}, "DetrImageProcessor", _DETR, "coco"),
    "microsoft/conditional-detr-resnet-50": Published(
        "ConditionalDetrConfig", {"backbone": {}}, "ConditionalDetrImageProcessor", _DETR, "coco"),
    "microsoft/table-transformer-detection": Published(
        "TableTransformerConfig", {"backbone": _RESNET_18, "num_queries": 15}, "DetrImageProcessor", _DETR, "tables"),
    "dandelin/vilt-b32-finetuned-vqa": Published("ViltConfig", {}, "ViltImageProcessor", {}, "answers",
                                                 write_bert_tokenizer),
    "dandelin/vilt-b32-finetuned-coco": Published("ViltConfig", {}, "ViltImageProcessor", {}, "", write_bert_tokenizer),
    "Salesforce/blip-vqa-base": Published("BlipConfig", _BLIP, "BlipImageProcessor", {}, "", write_bert_tokenizer),
    "OFA-Sys/chinese-clip-vit-base-patch16": Published("ChineseCLIPConfig", {
        "text_config": {"vocab_size": 21128}, "vision_config": {"patch_size": 16}, "projection_dim": 512},
        "ChineseCLIPImageProcessor", {}, "", write_chinese_tokenizer),
    "google/owlvit-base-patch32": Published("OwlViTConfig", {}, "OwlViTImageProcessor", {}, "", write_clip_tokenizer),
}


@pytest.fixture(scope="module")
def real(shared: Path) -> Path:
    if not (shared / "realdata").is_dir():
        pytest.skip("needs ../shared/realdata")
    return shared / "realdata"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Taken away at once: together they are large."""
    yield tmp_path / "checkpoint"
    shutil.rmtree(tmp_path / "checkpoint", ignore_errors=True)


def labels_of(what: str, real: Path) -> dict[int, str]:
    if what == "imagenet":
        names = (real / "labels" / "imagenet_classes.txt").read_text().splitlines()
    elif what == "answers":
        names = json.loads((real / "lxmert" / "vqa" / "trainval_label2ans.json").read_text())
    elif what == "coco":  # as the checkpoints have it, with numbers that COCO leaves out
        found = {one["id"]: one["name"] for one in json.loads(
            (real / "labels" / "panoptic_coco_categories.json").read_text()) if one["isthing"]}
        names = [found.get(number, "N/A") for number in range(max(found) + 1)]
    else:
        names = ["table", "table rotated"] if what == "tables" else []
    return dict(enumerate(names))


def config_of(one: Published, real: Path) -> Any:
    settings = dict(one.settings)
    if "backbone" in settings:
        settings["backbone_config"] = transformers.ResNetConfig(out_features=["stage4"], **settings.pop("backbone"))
    names = labels_of(one.labels, real)
    if names:
        settings |= {"id2label": names, "label2id": {name: number for number, name in names.items()}}
    return getattr(transformers, one.config)(**settings)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_checkpoint_of_its_published_size_is_sound(mmx: Command, real: Path, folder: Path, name: str) -> None:
    known = {entry.name: entry for entry in catalog()}
    if name not in known:
        pytest.skip(f"mmx does not know {name}")
    one, architecture = PUBLISHED[name], known[name].architecture
    assert architecture is not None
    config = config_of(one, real)
    torch.manual_seed(0)
    network = getattr(transformers, architecture)(config)
    network.save_pretrained(folder)
    getattr(transformers, one.processor)(**one.processing).save_pretrained(folder)
    if one.words is not None:
        one.words(real, folder)
    sizes = [sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e6,
             sum(one.numel() * one.element_size() for one in network.state_dict().values()) / 1e6]
    # Tied weights are saved once or twice.
    assert known[name].size_mb in [pytest.approx(size, rel=0.02, abs=1) for size in sizes]
    outcome = mmx("models", "check", folder, "--json")
    found = json.loads(outcome.out)
    assert outcome.code == 0, [one for one in found["findings"] if one["result"] == "fails"]
    named = [one["told"] for one in found["findings"] if one["what"] in ("classes", "answers")]
    assert not one.labels or named[0].startswith(f"{config.num_labels}, such as ")


def test_a_checkpoint_that_was_really_trained_is_sound_and_names_what_it_sees(mmx: Command, real: Path) -> None:
    """A ViT-Ti/16 with its own config and weights."""
    folder = real / "models" / "vit-ti16-tinyimagenet"
    picture = min((real / "coco" / "tinycoco_38" / "images" / "val2017").iterdir())
    outcome = mmx("models", "check", folder, picture, "--json")
    document = json.loads(outcome.out)
    assert (outcome.code, document["works"]) == (0, True)
    config = json.loads((folder / "config.json").read_text())
    assert len(document["predictions"]) == 5
    assert {one["label"] for one in document["predictions"]} <= set(config["id2label"].values())
    assert document["predictions"][0]["score"] > 10 / len(config["id2label"])
