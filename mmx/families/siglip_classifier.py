"""The image tower of SigLIP (Zhai et al. 2023), trained on as a classifier; SigLIP 2 of a fixed size is the same class.

The head reads the mean of the patches: there is no [CLS], and the tower's own attention head has no part in it.
"""

from mmx.families.base import Classes, Family, Pixels, Read, layers

FAMILY = Family(
    architectures=("SiglipForImageClassification",),
    score=Classes(),
    inputs=(Pixels(config="vision_config", resized_by="interpolate_pos_encoding"),),
    schedule=lambda config: tuple(
        layers("vision_model.encoder.layers.{}.self_attn", "image", config.vision_config.num_hidden_layers)),
    roots=("vision_model.embeddings",),
    reads=(Read("image", weights={"image": 1.0}, omits_identity=True),),
    start_layers={"image": 0},
)
