"""The image towers of SigLIP (Zhai et al. 2023) and SigLIP 2 (Tschannen et al. 2025), trained on as classifiers.

SigLIP 2 of a fixed size is SigLIP's class; at any size and shape (NaFlex) it is one of its own, whose padding has no
part in the mean. The head reads the mean of the patches: there is no [CLS], and the tower's own attention head has no
part in it.
"""

from mmx.families.base import Classes, Family, PatchedPixels, Pixels, Read, layers


def _family(architecture: str, pixels: Pixels) -> Family:
    return Family(
        architectures=(architecture,),
        score=Classes(),
        inputs=(pixels,),
        schedule=lambda config: tuple(
            layers("vision_model.encoder.layers.{}.self_attn", "image", config.vision_config.num_hidden_layers)),
        roots={"image": "vision_model.embeddings"},
        reads=(Read("image", weights={"image": 1.0}, omits_identity=True),),
        start_layers={"image": 0},
    )


FAMILY = (
    _family("SiglipForImageClassification", Pixels(config="vision_config", resized_by="interpolate_pos_encoding")),
    _family("Siglip2ForImageClassification", PatchedPixels(config="vision_config")))
