"""CLIP (Radford et al. 2021): an image tower and a text tower that meet only in the score of a picture and a text.

Each tower runs once over its own batch, whatever the number of pairs.
By default only the last layer of each tower is read, as in the reference's CLIP notebook; 0 reads all, as in the paper.
Attention takes its softmax in float32 even in a float64 model, so captured maps are that exact and no more.
"""

from typing import Any

from mmx.families.base import FORMER_END, Checkpoint, Family, Pairs, Part, Pixels, Read, Tensors, Text, layers

_CAPTIONS, _MIT = "photographs (web captions)", "MIT (code)"


def _outputs(found: Any, network: Any, inputs: Tensors) -> Tensors:
    """ "ends" (texts,): where the model reads each text, the first of its end tokens."""
    ids, end = inputs["input_ids"], network.config.text_config.eos_token_id
    return {"logits": found.logits_per_image, "scale": network.logit_scale.exp(),
            "ends": (ids if end == FORMER_END else (ids == end).int()).argmax(dim=1)}


FAMILY = Family(
    architectures=("CLIPModel",),
    model_type="clip",
    score=Pairs(),
    inputs=(Pixels(config="vision_config", resized_by="interpolate_pos_encoding"),
            Text(ask="texts", names=("input_ids",), config="text_config", until="ends")),
    schedule=lambda config: (
        *layers("vision_model.encoder.layers.{}.self_attn", "image", config.vision_config.num_hidden_layers),
        *layers("text_model.encoder.layers.{}.self_attn", "text", config.text_config.num_hidden_layers)),
    roots={"image": "vision_model.pre_layrnorm", "text": "text_model.embeddings"},
    tokens={"image": (Part("cls", 1), Part("image"))},
    reads=(Read("image"), Read("text", lambda inputs, outputs: outputs["ends"])),
    start_layers={"image": -1, "text": -1},
    outputs=_outputs,
    checkpoints=(
        Checkpoint("shapes-clip", default_for=("texts",)),
        Checkpoint("openai/clip-vit-base-patch32", _CAPTIONS, 605, _MIT, default_for=("texts",)),
        Checkpoint("openai/clip-vit-base-patch16", _CAPTIONS, 599, _MIT),
        Checkpoint("openai/clip-vit-large-patch14", _CAPTIONS, 1711, _MIT),
        Checkpoint("imageomics/bioclip", "photographs of living things (TreeOfLife-10M)", 599, "MIT")),
)
