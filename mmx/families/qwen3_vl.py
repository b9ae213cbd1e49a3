"""Qwen3-VL (Bai et al. 2025, arXiv 2511.21631): as Qwen2-VL, and what the tower has in some earlier layers is added to
the language model's states at the image tokens, in its first layers (DeepStack, Meng et al. 2024, arXiv 2406.04334).

What is added at an image token is that token's own, as a residual is: R of the language model is the same as without.
Back in the tower, an image token's score goes through all of the tower's layers, whichever a part of it comes from;
the gradients at their maps take every way to the score. That is mmx's own definition.
"""

from mmx.families._qwen import family
from mmx.families.base import Checkpoint

FAMILY = family(
    "Qwen3VLForConditionalGeneration", "qwen3_vl",
    Checkpoint("Qwen/Qwen3-VL-2B-Instruct", "photographs", 4255, "Apache-2.0"),
    Checkpoint("Qwen/Qwen3-VL-4B-Instruct", "photographs", 8876, "Apache-2.0"),
    Checkpoint("Qwen/Qwen3-VL-8B-Instruct", "photographs", 17534, "Apache-2.0"))
