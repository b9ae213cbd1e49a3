"""AltCLIP (Chen et al. 2022): CLIP with an XLM-RoBERTa for a text tower, which reads both ways and ends at its start.

Each tower runs once over its own batch, as in CLIP. By default only the last layer of each tower is read; 0 reads all.
"""

from mmx.families.base import Checkpoint, Family, Pairs, Part, Pixels, Read, Text, layers

_TEXT = "text_model.roberta.encoder"

FAMILY = Family(
    architectures=("AltCLIPModel",),
    model_type="altclip",
    score=Pairs(),
    inputs=(Pixels(config="vision_config"),
            Text(ask="texts", names=("input_ids", "attention_mask"), config="text_config", first_position=2)),
    schedule=lambda config: (
        *layers("vision_model.encoder.layers.{}.self_attn", "image", config.vision_config.num_hidden_layers),
        *layers(f"{_TEXT}.layers.{{0}}.attention.self|{_TEXT}.layer.{{0}}.attention.self", "text",
                config.text_config.num_hidden_layers)),
    roots={"image": "vision_model.pre_layrnorm", "text": "text_model.roberta.embeddings"},
    tokens={"image": (Part("cls", 1), Part("image"))},
    reads=(Read("image"), Read("text")),
    start_layers={"image": -1, "text": -1},
    outputs=lambda found, network, inputs: {"logits": found.logits_per_image, "scale": network.logit_scale.exp()},
    checkpoints=(Checkpoint("BAAI/AltCLIP", "photographs (captions in two languages)", 3457,
                            "CreativeML Open RAIL-M"),),
)
