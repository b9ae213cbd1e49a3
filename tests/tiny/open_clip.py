"""CLIP in open_clip's own format, small and random."""

import json
from pathlib import Path

import torch
from open_clip_towers import OpenClip, QuickGELU, Text, Visual
from safetensors.torch import save_file

from tiny.clip import save_letters
from tiny.kit import draw_weights


def open_clip(words: int) -> OpenClip:
    """The network that `tiny_open_clip` saves."""
    torch.manual_seed(41)
    network = OpenClip(Visual(24, 2, 2, 8, 16, 8, QuickGELU()), Text(16, 3, 4, words, 16, 8, QuickGELU()))
    draw_weights(network, seed=41)
    return network.eval()


def tiny_open_clip(folder: Path) -> None:
    """A random CLIP by quick GELU with letters for a vocabulary, that sees the middle 32 x 32 pixels in 4 x 4."""
    folder.mkdir(parents=True, exist_ok=True)
    words = save_letters(folder, 16)
    settings = {
        "model_cfg": {"embed_dim": 8, "quick_gelu": True,
                      "vision_cfg": {"image_size": 32, "layers": 2, "width": 24, "head_width": 12, "patch_size": 8},
                      "text_cfg": {"context_length": 16, "vocab_size": words, "width": 16, "heads": 4, "layers": 3}},
        "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "interpolation": "bicubic",
                           "resize_mode": "shortest"}}
    (folder / "open_clip_config.json").write_text(json.dumps(settings))
    save_file(open_clip(words).saved(custom_text=False), folder / "open_clip_model.safetensors")
