"""I-JEPA (Assran et al. 2023) as a classifier: patches alone, of which the head reads the mean."""

from mmx.families.base import Classes, Family, Pixels, Read, layers

FAMILY = Family(
    architectures=("IJepaForImageClassification",),
    model_type="ijepa",
    score=Classes(),
    inputs=(Pixels(resized_by="interpolate_pos_encoding"),),
    schedule=lambda config: tuple(
        layers("ijepa.layers.{0}.attention|ijepa.encoder.layer.{0}.attention.attention", "image",
               config.num_hidden_layers)),
    roots={"image": "ijepa.embeddings"},
    reads=(Read("image", weights={"image": 1.0}, omits_identity=True),),
    start_layers={"image": 0},
)
