"""InstructBLIP (Dai et al. 2023, arXiv 2305.06500): BLIP-2's Q-Former, which reads the question beside the picture.

Its queries and the question attend to each other; the queries alone look at the picture. What a question gets is told
twice: of its words in the language model's prompt, and of its words as the Q-Former reads them.
"""

from mmx.families._qformer import families
from mmx.families.base import Checkpoint, Reread

FAMILY = families(
    "InstructBlipForConditionalGeneration", "instructblip", "qformer.embeddings", "{question}",
    "Write a short description for the image.",
    Checkpoint("Salesforce/instructblip-vicuna-7b", "photographs", 31649, "research only"),
    beside=(Checkpoint("Salesforce/instructblip-flan-t5-xl", "photographs", 16093, "MIT"),),
    more=(Reread(config="qformer_config"),))
