"""Table Transformer (Smock et al. 2022): DETR with its norms before attention, which finds tables and their parts.

The class mixes by maps that it makes itself, and gives them away where it is asked to.
"""

from dataclasses import replace

from mmx.families.base import Checkpoint
from mmx.families.detr import FAMILY as DETR

FAMILY = replace(
    DETR,
    architectures=("TableTransformerForObjectDetection",),
    model_type="table-transformer",
    arguments={"output_attentions": True},
    checkpoints=(
        Checkpoint("microsoft/table-transformer-detection", "pages (PubTables-1M)", 115, "MIT"),
        Checkpoint("microsoft/table-transformer-structure-recognition", "tables (PubTables-1M)", 115, "MIT")),
)
