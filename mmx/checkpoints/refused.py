"""Classes of transformers that cannot be explained, with the reason: what is asked for often, not all there are."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Refused:
    """Classes without what relevance is propagated through.

    Attributes:
        architectures: names of the classes, as `architectures` in a config has them.
        reason: what they do in the place of what can be explained, after "it".
        instead: the field of `Asked` by which a model is known that does the same and can be explained.
    """

    architectures: tuple[str, ...]
    reason: str
    instead: str


REFUSED = (
    Refused(
        ("DeformableDetrForObjectDetection", "RTDetrForObjectDetection", "RTDetrV2ForObjectDetection",
         "DFineForObjectDetection", "Deimv2ForObjectDetection", "LwDetrForObjectDetection", "RfDetrForObjectDetection",
         "GroundingDinoForObjectDetection", "MMGroundingDinoForObjectDetection", "OmDetTurboForObjectDetection",
         "PPDocLayoutV2ForObjectDetection", "PPDocLayoutV3ForObjectDetection", "PPDocLayoutV4ForObjectDetection",
         "Mask2FormerForUniversalSegmentation", "OneFormerForUniversalSegmentation"),
        "looks at a few points of the picture, at offsets that it learned (deformable attention): there is no map over "
        "patches that relevance could be propagated through", "queries"),
    Refused(
        ("AlignModel",), "sees pictures by convolutions (EfficientNet): its image side has no attention maps", "texts"),
    Refused(
        ("BitForImageClassification", "ConvNextForImageClassification", "ConvNextV2ForImageClassification",
         "EfficientNetForImageClassification", "FocalNetForImageClassification", "HGNetV2ForImageClassification",
         "MobileNetV1ForImageClassification", "MobileNetV2ForImageClassification", "PoolFormerForImageClassification",
         "PPLCNetForImageClassification", "RegNetForImageClassification", "ResNetForImageClassification",
         "TextNetForImageClassification"),
        "mixes patches by convolutions or pooling: it has no attention maps", "targets"),
    Refused(
        ("MobileViTV2ForImageClassification", "SwiftFormerForImageClassification"),
        "mixes patches by one sum over all of them (linear attention): there is no map from patch to patch", "targets"),
    Refused(
        ("Florence2ForConditionalGeneration",),
        "sees pictures by a DaViT, every other layer of which mixes channels and not patches: there is no map from "
        "patch to patch", "question"),
    Refused(
        ("HfMoondream", "Moondream"), "is code that lies beside its weights and no class of transformers, and mmx runs "
        "no code of checkpoints", "question"),
)


def refusal(architecture: str) -> Refused | None:
    """Why a class cannot be explained, where that is known."""
    return next((one for one in REFUSED if architecture in one.architectures), None)
