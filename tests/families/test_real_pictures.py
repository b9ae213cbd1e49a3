"""The paper's own example pictures and CLIP's real vocabulary: sizes, tokens and words line up."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch

import mmx
from mmx.elements.text import TextEncoder
from mmx.model import Model
from mmx.results import Patches, Words
from mmx.show.tokens import scored_words

MERGES = 49152 - 256 - 2


def printable_bytes() -> list[str]:
    """The character that stands for each byte, in the vocabulary's order."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return [chr(byte) for byte in shown] + [chr(256 + number) for number in range(len(hidden))]


@pytest.fixture(scope="module")
def reference(shared: Path) -> Path:
    folder = shared / "realdata" / "images" / "reference" / "CLIP"
    if not folder.is_dir():
        pytest.skip("needs ../shared/realdata/images/reference")
    return folder


@pytest.fixture(scope="module")
def clip(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The layout of ViT-B/32 (224 pixels, 7 x 7 patches, 77 tokens) with the real vocabulary, and narrow."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

    file = shared / "realdata" / "vocab" / "bpe_simple_vocab_16e6.txt.gz"
    if not file.is_file():
        pytest.skip("needs ../shared/realdata/vocab")
    lines = gzip.decompress(file.read_bytes()).decode().split("\n")[1:MERGES + 1]
    letters = printable_bytes()
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), *(line.replace(" ", "") for line in lines),
              "<|startoftext|>", "<|endoftext|>"]
    folder = tmp_path_factory.mktemp("clip")
    narrow = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(0)
    CLIPModel(CLIPConfig(
        text_config={**narrow, "vocab_size": 49408, "bos_token_id": 49406, "eos_token_id": 49407},
        vision_config={**narrow, "patch_size": 32}, projection_dim=8)).save_pretrained(folder)
    CLIPImageProcessor().save_pretrained(folder)
    CLIPTokenizer(vocab={piece: number for number, piece in enumerate(pieces)},
                  merges=[tuple(line.split()) for line in lines], model_max_length=77).save_pretrained(folder)
    return mmx.load(folder)


def tokenizer_of(model: Model) -> Any:
    texts = model.parts.texts
    assert isinstance(texts, TextEncoder)
    return texts.tokenizer


def test_the_tokens_are_openais(clip: Model) -> None:
    assert tokenizer_of(clip)("a photo of a zebra")["input_ids"] == [49406, 320, 1125, 539, 320, 22548, 49407]


@pytest.mark.parametrize(("text", "words"), [
    ("an elephant", ["an", "elephant"]),
    ("  An ELEPHANT's   trunk, don't!", ["An", "ELEPHANT's", "trunk", ",", "don't", "!"]),
    ("unbelievably antidisestablishmentarian zèbre", ["unbelievably", "antidisestablishmentarian", "zèbre"]),
    ("two 象 🐘", ["two", "象", "🐘"]),
    ("rocket-launcher №5", ["rocket", "-", "launcher", "№", "5"]),
])
def test_words_are_as_they_were_typed(clip: Model, reference: Path, text: str, words: list[str]) -> None:
    [one] = clip.explain(reference / "el1.png", text=text)
    [said] = one.elements["text"]
    assert isinstance(said, Words)
    found = scored_words(said.text, said.tokens, one.scores["text"])
    assert [word.text for word in found] == words
    plain = sum(score for token, score in zip(said.tokens, one.scores["text"], strict=True) if not token.special)
    assert sum(word.score for word in found) == pytest.approx(float(plain), rel=1e-5)
    assert len(said) == len(tokenizer_of(clip)(text)["input_ids"])


def test_every_reference_picture_is_explained_in_its_own_size(clip: Model, reference: Path) -> None:
    paths = sorted(reference.iterdir())
    texts = ["a zebra", "an elephant", "a man with eyeglasses"]
    for path, found in zip(paths, clip.explain(paths, text=texts, start_layer=0), strict=True):
        width, height = found.picture.size
        assert [one.label for one in found] == texts
        assert all(one.scores["image"].shape == (49,) for one in found)
        [patches] = found.elements["image"]
        assert isinstance(patches, Patches)
        assert (patches.rows, patches.columns) == (7, 7), path
        left, top, right, bottom = patches.box_xyxy_px
        assert right - left == pytest.approx(bottom - top, rel=0.02)
        assert right - left == pytest.approx(min(width, height), rel=0.02)
        assert (left + right) / 2 == pytest.approx(width / 2, abs=1 + width / 100)
        assert (top + bottom) / 2 == pytest.approx(height / 2, abs=1 + height / 100)


def test_imagenet_names_are_found(shared: Path, reference: Path, tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    file = shared / "realdata" / "labels" / "imagenet_classes.txt"
    if not file.is_file():
        pytest.skip("needs ../shared/realdata/labels")
    names = dict(enumerate(file.read_text().splitlines()))
    torch.manual_seed(0)
    config = ViTConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
                       id2label=names, label2id={name: index for index, name in names.items()})
    ViTForImageClassification(config).save_pretrained(tmp_path)
    ViTImageProcessor().save_pretrained(tmp_path)
    assert len(json.loads((tmp_path / "config.json").read_text())["id2label"]) == 1000
    found = mmx.load(tmp_path).explain(reference / "catdog.png", target=["tabby", 243])
    assert [(one.label, one.index) for one in found] == [("tabby", 281), ("bull mastiff", 243)]
    [patches] = found.elements["image"]
    assert isinstance(patches, Patches)
    assert (patches.rows, patches.columns) == (14, 14)
