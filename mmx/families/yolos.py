"""YOLOS (Fang et al. 2021): a ViT in one stream, [CLS], patches, and detection tokens that each find one object.

Positions are interpolated, so pictures may have any size. The row that explains a detection is its token's own.
"""

from mmx.families.base import Checkpoint, Family, Part, Pixels, Queries, Read, layers

_COCO, _APACHE = "photographs (COCO)", "Apache-2.0"

FAMILY = Family(
    architectures=("YolosForObjectDetection",),
    model_type="yolos",
    score=Queries(queries=lambda config: config.num_detection_tokens),
    inputs=(Pixels(any_size=True),),
    schedule=lambda config: tuple(layers("vit.encoder.layer.{}.attention.attention", "image",
                                         config.num_hidden_layers)),
    roots={"image": "vit.embeddings"},
    tokens={"image": (Part("cls", 1), Part("image"), Part("query", "num_detection_tokens"))},
    reads=(Read("image", row=None, part="query"),),
    start_layers={"image": 0},
    outputs=lambda found, network, inputs: {"logits": found.logits, "boxes": found.pred_boxes},
    checkpoints=(
        Checkpoint("hustvl/yolos-tiny", _COCO, 26, _APACHE),
        Checkpoint("hustvl/yolos-small", _COCO, 123, _APACHE),
        Checkpoint("hustvl/yolos-base", _COCO, 511, _APACHE)),
)
