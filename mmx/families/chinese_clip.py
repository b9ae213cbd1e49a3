"""Chinese CLIP (Yang et al. 2022): CLIP with a BERT for a text tower, which reads both ways and ends at [CLS].

Each tower runs once over its own batch, as in CLIP. By default only the last layer of each tower is read; 0 reads all.
"""

from mmx.families.base import Checkpoint, Family, Pairs, Part, Pixels, Read, Text, layers

FAMILY = Family(
    architectures=("ChineseCLIPModel",),
    model_type="chinese_clip",
    score=Pairs(),
    inputs=(Pixels(config="vision_config"), Text(ask="texts", config="text_config")),
    schedule=lambda config: (
        *layers("vision_model.encoder.layers.{}.self_attn", "image", config.vision_config.num_hidden_layers),
        *layers("text_model.encoder.layer.{}.attention.self", "text", config.text_config.num_hidden_layers)),
    roots={"image": "vision_model.pre_layrnorm", "text": "text_model.embeddings"},
    tokens={"image": (Part("cls", 1), Part("image"))},
    reads=(Read("image"), Read("text")),
    start_layers={"image": -1, "text": -1},
    outputs=lambda found, network, inputs: {"logits": found.logits_per_image, "scale": network.logit_scale.exp()},
    checkpoints=(Checkpoint("OFA-Sys/chinese-clip-vit-base-patch16", "photographs (Chinese captions)", 753,
                            "MIT (code)"),),
)
