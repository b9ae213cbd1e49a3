"""ViT (Dosovitskiy et al. 2021): one stream, [CLS] and then the patches. DeiT (Touvron et al. 2021) is the same class.

Its attention takes its softmax in float32 even in a float64 model, so captured maps are that exact and no more.
"""

from mmx.families.base import Checkpoint, Classes, Family, Part, Pixels, Read, layers

_IMAGENET, _APACHE = "photographs (ImageNet)", "Apache-2.0"

FAMILY = Family(
    architectures=("ViTForImageClassification",),
    model_type="vit",
    score=Classes(),
    inputs=(Pixels(resized_by="interpolate_pos_encoding"),),
    schedule=lambda config: tuple(layers("vit.layers.{}.attention", "image", config.num_hidden_layers)),
    roots={"image": "vit.embeddings"},
    tokens={"image": (Part("cls", 1), Part("image"))},
    reads=(Read("image"),),
    start_layers={"image": 0},
    checkpoints=(
        Checkpoint("shapes-vit", default_for=("targets", "")),
        Checkpoint("google/vit-base-patch16-224", _IMAGENET, 346, _APACHE, default_for=("targets", "")),
        Checkpoint("facebook/deit-base-patch16-224", _IMAGENET, 346, _APACHE),
        Checkpoint("facebook/deit-tiny-patch16-224", _IMAGENET, 23, _APACHE)),
)
