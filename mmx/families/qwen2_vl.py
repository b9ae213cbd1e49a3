"""Qwen2-VL (Wang et al. 2024, arXiv 2409.12191): any size of picture, all of whose patches attend to each other; 2 x 2
of them are merged to one image token.
"""

from mmx.families._qwen import family
from mmx.families.base import Checkpoint

FAMILY = family(
    "Qwen2VLForConditionalGeneration", "qwen2_vl",
    Checkpoint("Qwen/Qwen2-VL-2B-Instruct", "photographs", 4418, "Apache-2.0"),
    Checkpoint("Qwen/Qwen2-VL-7B-Instruct", "photographs", 16583, "Apache-2.0"))
