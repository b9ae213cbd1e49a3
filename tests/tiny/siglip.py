"""SigLIP, small and random."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, SiglipConfig, SiglipImageProcessor, SiglipModel

from tiny.kit import draw_weights


def tiny_siglip(folder: Path) -> None:
    """A random SigLIP with words for a vocabulary and texts of 10 tokens, that sees 24 x 24 pixels in 3 x 3 patches."""
    words = ["<pad>", "</s>", "<unk>", "a", "red", "blue", "circle", "photo", "of", "zebra"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>",
                            model_max_length=10).save_pretrained(folder)
    tower = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    network = SiglipModel(SiglipConfig(
        text_config={**tower, "vocab_size": len(words), "max_position_embeddings": 10, "projection_size": 16,
                     "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1},
        vision_config={**tower, "image_size": 24, "patch_size": 8}))
    draw_weights(network, seed=12)
    with torch.no_grad():
        network.logit_scale.fill_(1.2)
        network.logit_bias.fill_(-0.7)
    network.save_pretrained(folder)
    SiglipImageProcessor(size={"height": 24, "width": 24}).save_pretrained(folder)
