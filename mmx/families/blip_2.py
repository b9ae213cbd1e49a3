"""BLIP-2 (Li et al. 2023, arXiv 2301.12597): a picture seen through the queries of a Q-Former.

An OPT goes on writing behind the prompt. A T5 reads the prompt in its encoder, and its decoder writes the answer, a
stream of its own that looks at the prompt by cross-attention (eq. 10); what image tokens get by that goes back through
the Q-Former as the rest does.
"""

from mmx.families._qformer import families
from mmx.families.base import Checkpoint

FAMILY = families(
    "Blip2ForConditionalGeneration", "blip-2", "qformer.layernorm", "Question: {question} Answer:", "a photo of",
    Checkpoint("Salesforce/blip2-opt-2.7b", "photographs", 14979, "MIT"),
    beside=(Checkpoint("Salesforce/blip2-flan-t5-xl", "photographs", 15767, "MIT"),))
