"""OWL-ViT (Minderer et al. 2022) and OWLv2 (2023): every patch looks for what texts say, and has a box of its own.

What stands for a patch is its last state times that of [CLS], number by number, and the product is compared with the
text's end token. Either factor has an equal share in a product, so half of the row that explains a detection is the
patch's own and half that of [CLS]: a definition of mmx's, as the method's authors have none for such heads. So is that
R - I is read: a patch that is shown itself would else outshine all that it looks at.
OWLv2 pads pictures to squares, at the right or below; patches there show nothing of the picture.
"""

from typing import Any

from mmx.families.base import Checkpoint, Family, Part, Pixels, Read, Tensors, Text, TextQueries, layers

_BOXES, _APACHE = "photographs (boxes of Objects365 and Visual Genome)", "Apache-2.0"


def _outputs(found: Any, network: Any, inputs: Tensors) -> Tensors:
    """ "ends" (texts,): where the model reads each text, at its largest id. Its logits are float32 always."""
    return {"logits": found.logits.to(found.pred_boxes.dtype), "boxes": found.pred_boxes,
            "ends": inputs["input_ids"].argmax(dim=1)}


def _patches(config: Any) -> int:
    return (config.vision_config.image_size // config.vision_config.patch_size) ** 2


def _family(architecture: str, model: str, *checkpoints: Checkpoint) -> Family:
    return Family(
        architectures=(architecture,),
        model_type=model,
        score=TextQueries(queries=_patches),
        inputs=(Pixels(config="vision_config"),
                Text(ask="texts", names=("input_ids",), config="text_config", until="ends")),
        schedule=lambda config: (
            *layers(f"{model}.vision_model.encoder.layers.{{}}.self_attn", "image",
                    config.vision_config.num_hidden_layers),
            *layers(f"{model}.text_model.encoder.layers.{{}}.self_attn", "text",
                    config.text_config.num_hidden_layers)),
        roots={"image": f"{model}.vision_model.pre_layernorm", "text": f"{model}.text_model.embeddings"},
        tokens={"image": (Part("cls", 1), Part("image"))},
        reads=(Read("image", row=None, part="image", weights={"cls": 0.5}, omits_identity=True),
               Read("text", lambda inputs, outputs: outputs["ends"])),
        start_layers={"image": 0, "text": 0},
        outputs=_outputs,
        checkpoints=checkpoints,
    )


FAMILY = (
    _family("OwlViTForObjectDetection", "owlvit",
            Checkpoint("google/owlvit-base-patch32", _BOXES, 613, _APACHE),
            Checkpoint("google/owlvit-base-patch16", _BOXES, 611, _APACHE)),
    _family("Owlv2ForObjectDetection", "owlv2",
            Checkpoint("google/owlv2-base-patch16-ensemble", "photographs (web pictures and captions)", 620, _APACHE)),
)
