"""DINOv2 (Oquab et al. 2023), with registers (Darcet et al. 2024) and without: [CLS], registers, then the patches.

The classifier reads [CLS] beside the mean of the patches, so half of the row that explains a class is either's.
Processors make smaller pictures (224 pixels) than the config says (518): position embeddings are interpolated.
"""

from mmx.families.base import Checkpoint, Classes, Family, Part, Pixels, Read, layers


def _family(architecture: str, model: str, published: str, *registers: Part) -> Family:
    return Family(
        architectures=(architecture,),
        score=Classes(),
        inputs=(Pixels(any_size=True),),
        schedule=lambda config: tuple(
            layers(f"{model}.encoder.layer.{{0}}.attention.attention|{model}.encoder.layer.{{0}}.attention", "image",
                   config.num_hidden_layers)),
        roots={"image": f"{model}.embeddings"},
        tokens={"image": (Part("cls", 1), *registers, Part("image"))},
        reads=(Read("image", weights={"cls": 0.5, "image": 0.5}),),
        start_layers={"image": 0},
        checkpoints=(Checkpoint(published, "photographs (ImageNet)", 353, "Apache-2.0"),),
    )


FAMILY = (_family("Dinov2ForImageClassification", "dinov2", "facebook/dinov2-base-imagenet1k-1-layer"),
          _family("Dinov2WithRegistersForImageClassification", "dinov2_with_registers",
                  "facebook/dinov2-with-registers-base-imagenet1k-1-layer",
                  Part("registers", "num_register_tokens")))
