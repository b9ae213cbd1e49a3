"""ViT trained by masked siamese networks (MSN, Assran et al. 2022): [CLS], which is read, and then the patches."""

from mmx.families.base import Classes, Family, Part, Pixels, Read, layers

FAMILY = Family(
    architectures=("ViTMSNForImageClassification",),
    model_type="vit_msn",
    score=Classes(),
    inputs=(Pixels(resized_by="interpolate_pos_encoding"),),
    schedule=lambda config: tuple(
        layers("vit.layers.{0}.attention|vit.encoder.layer.{0}.attention.attention", "image",
               config.num_hidden_layers)),
    roots={"image": "vit.embeddings"},
    tokens={"image": (Part("cls", 1), Part("image"))},
    reads=(Read("image"),),
    start_layers={"image": 0},
)
