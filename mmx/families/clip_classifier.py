"""The image towers of CLIP (Radford et al. 2021) and MetaCLIP 2 (Chuang et al. 2025), trained on as classifiers.

The head reads the mean of the patches of the last layer, and not [CLS].
"""

from mmx.families.base import Classes, Family, Part, Pixels, Read, layers

FAMILY = Family(
    architectures=("CLIPForImageClassification", "MetaClip2ForImageClassification"),
    score=Classes(),
    inputs=(Pixels(config="vision_config", resized_by="interpolate_pos_encoding"),),
    schedule=lambda config: tuple(
        layers("vision_model.encoder.layers.{}.self_attn", "image", config.vision_config.num_hidden_layers)),
    roots={"image": "vision_model.pre_layrnorm"},
    tokens={"image": (Part("cls", 1), Part("image"))},
    reads=(Read("image", weights={"image": 1.0}, omits_identity=True),),
    start_layers={"image": 0},
)
