"""BEiT (Bao et al. 2022) and data2vec's image model (Baevski et al. 2022): [CLS], then the patches.

Places are biases that are added to attention before its softmax, interpolated to pictures of any size. The head reads
the mean of the patches, or [CLS] alone, as `use_mean_pooling` in the config says.
"""

from collections.abc import Mapping
from typing import Any

from mmx.families.base import Checkpoint, Classes, Family, Part, Pixels, Read, layers


def _read(config: Any) -> Mapping[str, float]:
    return {"image": 1.0} if config.use_mean_pooling else {}


def _family(architecture: str, model_type: str, model: str, checkpoint: Checkpoint) -> Family:
    sites = f"{model}.layers.{{0}}.attention|{model}.encoder.layer.{{0}}.attention.attention"
    return Family(
        architectures=(architecture,),
        model_type=model_type,
        score=Classes(),
        inputs=(Pixels(any_size=True),),
        schedule=lambda config: tuple(layers(sites, "image", config.num_hidden_layers)),
        roots={"image": f"{model}.embeddings"},
        tokens={"image": (Part("cls", 1), Part("image"))},
        reads=(Read("image", weights=_read, omits_identity=True),),
        start_layers={"image": 0},
        checkpoints=(checkpoint,),
    )


FAMILY = (
    _family("BeitForImageClassification", "beit", "beit",
            Checkpoint("microsoft/beit-base-patch16-224", "photographs (ImageNet)", 346, "Apache-2.0")),
    _family("Data2VecVisionForImageClassification", "data2vec-vision", "data2vec_vision",
            Checkpoint("facebook/data2vec-vision-base-ft1k", "photographs (ImageNet)", 346, "Apache-2.0")))
