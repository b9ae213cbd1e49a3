"""SigLIP 2 (Tschannen et al. 2025) at any size and shape (NaFlex): SigLIP whose pictures have grids of their own.

Its checkpoints of one fixed size are SigLIP's class. The head's probe attends to the patches that are no padding. The
text tower reads its last position; texts are padded to it, unmasked, as the model was trained.
"""

from dataclasses import replace

from mmx.families.base import Checkpoint, PatchedPixels
from mmx.families.siglip import FAMILY as SIGLIP

FAMILY = replace(
    SIGLIP,
    architectures=("Siglip2Model",),
    model_type="siglip2",
    inputs=(PatchedPixels(config="vision_config"), SIGLIP.inputs[1]),
    checkpoints=(
        Checkpoint("google/siglip2-base-patch16-naflex", "photographs (web captions)", 1501, "Apache-2.0"),),
)
