"""LLaVA-OneVision (Li et al. 2024, arXiv 2408.03326): of many tokens fewer are interpolated."""

from mmx.families._anyres import family
from mmx.families.base import Checkpoint

FAMILY = family("LlavaOnevisionForConditionalGeneration", "llava_onevision",
                Checkpoint("llava-hf/llava-onevision-qwen2-0.5b-ov-hf", "photographs", 1787, "Apache-2.0"),
                Checkpoint("llava-hf/llava-onevision-qwen2-7b-ov-hf", "photographs", 16060, "Apache-2.0"))
