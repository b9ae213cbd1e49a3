"""DeiT with a distillation token (Touvron et al. 2021): [CLS], the distillation token, then the patches.

The class "with teacher" has a head on either token, and its logits are the mean of both heads': half of the row that
explains a class is either's. The class without it reads [CLS] alone. DeiT without such a token is ViT's class.
"""

from mmx.families.base import Checkpoint, Classes, Family, Part, Pixels, Read, layers

_SITES = "deit.layers.{0}.attention|deit.encoder.layer.{0}.attention.attention"
_IMAGENET, _APACHE = "photographs (ImageNet)", "Apache-2.0"


def _family(architecture: str, read: Read, *checkpoints: Checkpoint) -> Family:
    return Family(
        architectures=(architecture,),
        model_type="deit",
        score=Classes(),
        inputs=(Pixels(resized_by="interpolate_pos_encoding"),),
        schedule=lambda config: tuple(layers(_SITES, "image", config.num_hidden_layers)),
        roots={"image": "deit.embeddings"},
        tokens={"image": (Part("cls", 1), Part("distillation", 1), Part("image"))},
        reads=(read,),
        start_layers={"image": 0},
        checkpoints=checkpoints,
    )


FAMILY = (
    _family("DeiTForImageClassification", Read("image")),
    _family("DeiTForImageClassificationWithTeacher", Read("image", weights={"cls": 0.5, "distillation": 0.5}),
            Checkpoint("facebook/deit-base-distilled-patch16-224", _IMAGENET, 349, _APACHE),
            Checkpoint("facebook/deit-tiny-distilled-patch16-224", _IMAGENET, 24, _APACHE)))
