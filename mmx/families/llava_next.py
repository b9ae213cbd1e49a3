"""LLaVA-NeXT, also called LLaVA 1.6 (Liu et al. 2024, llava-vl.github.io/blog/2024-01-30-llava-next)."""

from mmx.families._anyres import family
from mmx.families.base import Checkpoint

FAMILY = family("LlavaNextForConditionalGeneration", "llava_next",
                Checkpoint("llava-hf/llava-v1.6-mistral-7b-hf", "photographs", 15133, "Apache-2.0"),
                Checkpoint("llava-hf/llava-v1.6-vicuna-7b-hf", "photographs", 14126, "Llama 2"))
