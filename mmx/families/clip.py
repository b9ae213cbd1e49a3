"""CLIP (Radford et al. 2021): an image tower and a text tower that meet only in the score of a picture and a text.

An item is a pair of them. Each tower runs once over its own batch, whatever the number of pairs.
By default only the last layer of each tower is read, as in the reference's CLIP notebook; 0 reads all, as in the paper.
Attention takes its softmax in float32 even in a float64 model, so captured maps are that exact and no more.
"""

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig

from mmx.capture import Chosen, Outputs, Readout
from mmx.errors import UsageError
from mmx.families.base import Family, Inputs
from mmx.methods.base import Rows
from mmx.schedule import Schedule, Site, Step

_FORMER_END = 2
"""What old configs have for the end token, which then is the largest id of a text, as in the original code."""


class Clip(Family):
    architecture = "CLIPModel"
    task = "image-text matching"
    graph_roots = ("vision_model.pre_layrnorm", "text_model.embeddings")
    readout_streams = ("image", "text")
    start_layers = {"image": -1, "text": -1}  # noqa: RUF012

    def schedule(self, config: PreTrainedConfig) -> Schedule:
        return (*_tower("vision_model", "image", config.vision_config.num_hidden_layers),
                *_tower("text_model", "text", config.text_config.num_hidden_layers))

    def run(self, network: nn.Module, inputs: Inputs) -> Outputs:
        """ "logits" (images, texts): cosines times `scale`; "ends" (texts,): where each text's end token is."""
        return {"logits": network(**inputs).logits_per_image, "scale": network.logit_scale.exp(),
                "ends": _ends(inputs["input_ids"], network.config.text_config.eos_token_id)}

    def valid(self, inputs: Inputs, outputs: Outputs) -> dict[str, Tensor]:
        """Attention is causal, so nothing after the end token is read."""
        positions = torch.arange(inputs["input_ids"].shape[1], device=outputs["ends"].device)
        return {"text": positions <= outputs["ends"][:, None]}

    def choose(self, outputs: Outputs, target: object) -> Chosen:
        """`target`: (image, text), a list of such pairs, or None for every pair, image by image."""
        logits = outputs["logits"]
        if target is None:
            images, texts = torch.ones_like(logits).nonzero(as_tuple=True)
        else:
            pairs = [target] if isinstance(target, tuple) else target
            _check(pairs, *logits.shape)
            images, texts = torch.tensor(pairs, device=logits.device).unbind(1)
        return Chosen(logits[images, texts], images, outputs["ends"][texts], {"text": texts})

    def readouts(self, inputs: Inputs, chosen: Chosen) -> tuple[Readout, ...]:
        assert chosen.positions is not None
        return Readout("image", torch.zeros_like(chosen.samples)), Readout("text", chosen.positions)

    def scores(self, rows: Rows, inputs: Inputs, chosen: Chosen) -> dict[str, Tensor]:
        return {"image": rows["image", "image"][:, 1:], "text": rows["text", "text"]}


def _tower(name: str, stream: str, layers: int) -> tuple[Step, ...]:
    return tuple((Site(f"{name}.encoder.layers.{i}.self_attn", stream, stream),) for i in range(layers))


def _ends(input_ids: Tensor, end_token: int) -> Tensor:
    """Where the model reads each text, (texts,): the first of its end tokens."""
    return (input_ids if end_token == _FORMER_END else (input_ids == end_token).int()).argmax(dim=1)


def _check(pairs: object, images: int, texts: int) -> None:
    if not (isinstance(pairs, list) and pairs and all(isinstance(one, tuple) and len(one) == 2 for one in pairs)):
        raise UsageError(f"A target of CLIP is (image, text) or a list of such pairs, not {pairs!r}.")
    for image, text in pairs:
        if not (0 <= image < images and 0 <= text < texts):
            raise UsageError(f"There is no pair ({image}, {text}) of {images} images and {texts} texts.")


FAMILY = Clip()
