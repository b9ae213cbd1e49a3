"""SigLIP 2, small and random: of one fixed size, which is SigLIP's class, and of any (NaFlex)."""

from pathlib import Path

import torch
from tokenizers import processors
from torch import nn
from transformers import (
    GemmaTokenizer,
    Siglip2Config,
    Siglip2ImageProcessor,
    Siglip2Model,
    Siglip2Tokenizer,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
)

from tiny.kit import draw_weights

_TOWER = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "hidden_size": 16}


def save_gemma_words(folder: Path, tokenizer_class: type) -> dict[str, int | None]:
    """Gemma's tokenizer with letters and a few merges, ending texts as SigLIP 2's does; the text tower's settings."""
    merges = [("r", "e"), ("re", "d"), ("c", "i"), ("ci", "r"), ("\u2581", "a"), ("\u2581", "red")]
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "\u2581", *"abcdefghijklmnopqrstuvwxyz",
              *("".join(pair) for pair in merges)]
    tokenizer = tokenizer_class(vocab={piece: i for i, piece in enumerate(pieces)}, merges=merges,
                                add_bos_token=False, add_eos_token=True, padding_side="right", model_max_length=64,
                                do_lower_case=True, model_input_names=["input_ids"])
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", 1)])
    tokenizer.save_pretrained(folder)
    return {"vocab_size": len(pieces), "max_position_embeddings": 20, "projection_size": 16, "pad_token_id": 0,
            "bos_token_id": 2, "eos_token_id": 1}


def _save(folder: Path, network: nn.Module, seed: int) -> None:
    draw_weights(network, seed)
    with torch.no_grad():
        network.logit_scale.fill_(1.2)
        network.logit_bias.fill_(-0.7)
    network.save_pretrained(folder)


def tiny_siglip2(folder: Path) -> None:
    """A random SigLIP 2 of 24 x 24 pixels in 3 x 3 patches, with texts of 20 tokens."""
    words = save_gemma_words(folder, GemmaTokenizer)
    _save(folder, SiglipModel(SiglipConfig(text_config={**_TOWER, **words},
                                           vision_config={**_TOWER, "image_size": 24, "patch_size": 8})), seed=47)
    SiglipImageProcessor(size={"height": 24, "width": 24}).save_pretrained(folder)


def tiny_siglip2_naflex(folder: Path) -> None:
    """A random SigLIP 2 of at most 16 patches of 8 x 8 pixels, in a grid as wide and high as the picture."""
    words = save_gemma_words(folder, Siglip2Tokenizer)
    _save(folder, Siglip2Model(Siglip2Config(text_config={**_TOWER, **words},
                                             vision_config={**_TOWER, "num_patches": 9, "patch_size": 8})), seed=48)
    Siglip2ImageProcessor(patch_size=8, max_num_patches=16).save_pretrained(folder)
