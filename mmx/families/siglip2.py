"""SigLIP 2 (Tschannen et al. 2025) at any size and shape (NaFlex): SigLIP whose pictures have grids of their own.

Its checkpoints of one fixed size are SigLIP's class. The head's probe attends to the patches that are no padding. The
text tower reads its last position; texts are padded to it, unmasked, as the model was trained.
"""

from mmx.families.base import Checkpoint, Family, Pairs, PatchedPixels, Read, Text, layers
from mmx.schedule import Site

FAMILY = Family(
    architectures=("Siglip2Model",),
    model_type="siglip2",
    score=Pairs(unit="sigmoid"),
    inputs=(PatchedPixels(config="vision_config"),
            Text(ask="texts", names=("input_ids",), padding="max_length", config="text_config")),
    schedule=lambda config: (
        *layers("vision_model.encoder.layers.{}.self_attn", "image", config.vision_config.num_hidden_layers),
        (Site("vision_model.head.attention", "probe", "image", layer_of="image"),),
        *layers("text_model.encoder.layers.{}.self_attn", "text", config.text_config.num_hidden_layers)),
    roots=("vision_model.embeddings", "text_model.embeddings"),
    reads=(Read("probe"), Read("text", row=-1)),
    start_layers={"image": 0, "text": 0},
    outputs=lambda found, network, inputs: {"logits": found.logits_per_image, "scale": network.logit_scale.exp(),
                                            "bias": network.logit_bias},
    checkpoints=(
        Checkpoint("google/siglip2-base-patch16-naflex", "photographs (web captions)", 1501, "Apache-2.0"),),
)
