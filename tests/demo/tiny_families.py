"""Random checkpoints of the families that no shipped one belongs to, each with a tokenizer and a processor."""

from pathlib import Path
from typing import Any

import torch
from transformers import BertTokenizer

_PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "?", "what", "color", "is", "the", "circle", "a", "red")
_LENGTH = 20
_TOWER = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
_PATCHES = {"image_size": 32, "patch_size": 8}
_WORDS = {"vocab_size": len(_PIECES), "max_position_embeddings": _LENGTH}
_EDGES = {"height": 32, "width": 32}


def save_vilt(folder: Path) -> Path:
    from transformers import ViltConfig, ViltForQuestionAnswering, ViltImageProcessor

    return _saved(folder, ViltForQuestionAnswering, ViltConfig(
        **_TOWER, **_PATCHES, **_WORDS, **_named("red", "blue", "7"), initializer_range=0.5),
        ViltImageProcessor(size={"shortest_edge": 32}, size_divisor=8))


def save_dinov2(folder: Path) -> Path:
    from transformers import BitImageProcessor, Dinov2Config, Dinov2ForImageClassification

    return _saved(folder, Dinov2ForImageClassification, Dinov2Config(
        **_TOWER, **_PATCHES, **_named("cat", "dog", "red circle"), initializer_range=0.5),
        BitImageProcessor(size={"shortest_edge": 36}, crop_size=_EDGES))


def save_siglip(folder: Path) -> Path:
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel

    ends = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    return _saved(folder, SiglipModel, SiglipConfig(
        text_config={**_TOWER, **_WORDS, **ends}, vision_config={**_TOWER, **_PATCHES}),
        SiglipImageProcessor(size=_EDGES))


def save_blip(folder: Path) -> Path:
    from transformers import BlipConfig, BlipForImageTextRetrieval, BlipImageProcessor

    ends = {"bos_token_id": 2, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0}
    return _saved(folder, BlipForImageTextRetrieval, BlipConfig(
        text_config={**_TOWER, **_WORDS, **ends, "encoder_hidden_size": 16}, vision_config={**_TOWER, **_PATCHES},
        projection_dim=8, image_text_hidden_size=8), BlipImageProcessor(size=_EDGES))


def _named(*labels: str) -> dict[str, Any]:
    return {"id2label": dict(enumerate(labels)), "label2id": {label: index for index, label in enumerate(labels)}}


def _saved(folder: Path, network: Any, config: Any, processor: Any) -> Path:
    torch.manual_seed(5)
    network(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    BertTokenizer(vocab={piece: index for index, piece in enumerate(_PIECES)},
                  model_max_length=_LENGTH).save_pretrained(folder)
    return folder
