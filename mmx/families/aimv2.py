"""AIMv2 (Fini et al. 2024) tuned to texts (LiT): two towers as CLIP's, whose image tower ends in a head with one probe.

The probe attends to the patches, a cross-attention (eq. 10) that counts as the image tower's last layer. The text tower
is causal and read at the first end token. Without padding `transformers` 5.24 leaves the causal mask out where it mixes
by SDPA, not where it makes maps: here it is always given, so that a text is the same in every batch.
"""

from typing import Any

from mmx.families.base import Checkpoint, Family, Pairs, Pixels, Read, Tensors, Text, layers
from mmx.schedule import Site


def _causal(inputs: Tensors) -> Tensors:
    """With what is added to scores, (1, 1, rows, columns); padding comes behind the end and is seen by no row there."""
    length = inputs["input_ids"].shape[1]
    mask = inputs["pixel_values"].new_full((1, 1, length, length), float("-inf")).triu(1)
    return {**inputs, "attention_mask": mask}


def _outputs(found: Any, network: Any, inputs: Tensors) -> Tensors:
    """ "ends" (texts,): the first end token of each text."""
    ends = (inputs["input_ids"] == network.config.text_config.eos_token_id).int().argmax(dim=1)
    scale = network.logit_scale.clamp(0, network.max_log_logit_scale).exp()
    return {"logits": found.logits_per_image, "scale": scale, "ends": ends}


FAMILY = Family(
    architectures=("Aimv2Model",),
    model_type="aimv2",
    score=Pairs(),
    inputs=(Pixels(config="vision_config"),
            Text(ask="texts", names=("input_ids",), config="text_config", until="ends")),
    schedule=lambda config: (
        *layers("vision_model.encoder.layers.{}.attention", "image", config.vision_config.num_hidden_layers),
        (Site("vision_model.head", "probe", "image", layer_of="image"),),
        *layers("text_model.encoder.layers.{}.attention", "text", config.text_config.num_hidden_layers)),
    roots={"image": "vision_model.embeddings", "text": "text_model.embeddings"},
    reads=(Read("probe"), Read("text", lambda inputs, outputs: outputs["ends"])),
    start_layers={"image": 0, "text": 0},
    outputs=_outputs,
    completed=_causal,
    checkpoints=(Checkpoint("apple/aimv2-large-patch14-224-lit", "photographs (web captions)", 1745, "Apple AMLR"),),
)
