"""SigLIP (Zhai et al. 2023): two towers whose score is a sigmoid of each pair, not a softmax over texts.

The image tower ends in a head in which one probe attends to the patches, a cross-attention (eq. 10) that counts as its
last layer. The text tower reads its last position; texts are padded to it, unmasked, as the model was trained.
Attention takes its softmax in float32 even in a float64 model, so captured maps are that exact and no more.
"""

from mmx.families.base import Checkpoint, Family, Pairs, Pixels, Read, Text, layers
from mmx.schedule import Site

_CAPTIONS, _APACHE = "photographs (web captions)", "Apache-2.0"

FAMILY = Family(
    architectures=("SiglipModel",),
    model_type="siglip",
    score=Pairs(unit="sigmoid"),
    inputs=(Pixels(config="vision_config", resized_by="interpolate_pos_encoding"),
            Text(ask="texts", names=("input_ids",), padding="max_length", config="text_config")),
    schedule=lambda config: (
        *layers("vision_model.encoder.layers.{}.self_attn", "image", config.vision_config.num_hidden_layers),
        (Site("vision_model.head.attention", "probe", "image", layer_of="image"),),
        *layers("text_model.encoder.layers.{}.self_attn", "text", config.text_config.num_hidden_layers)),
    roots={"image": "vision_model.embeddings", "text": "text_model.embeddings"},
    reads=(Read("probe"), Read("text", row=-1)),
    start_layers={"image": 0, "text": 0},
    outputs=lambda found, network, inputs: {"logits": found.logits_per_image, "scale": network.logit_scale.exp(),
                                            "bias": network.logit_bias},
    checkpoints=(
        Checkpoint("google/siglip-base-patch16-224", _CAPTIONS, 813, _APACHE),
        Checkpoint("google/siglip2-base-patch16-224", _CAPTIONS, 1501, _APACHE),
        Checkpoint("timm/ViT-B-16-SigLIP", _CAPTIONS, 813, _APACHE)),
)
