"""What BLIP-2 and InstructBLIP share: a Q-Former between a vision tower and a language model.

Its queries attend to each other and, in some layers, to the picture's patches (eq. 10); each of them becomes an image
token of the language model. Image tokens have no place in the picture: its scores are those of the patches.
"""

from typing import Any

from mmx.families._decoders import ANSWERS, READS, asked, image_places, outputs
from mmx.families._tilings import View, whole
from mmx.families.base import Checkpoint, Family, Input, Part, Read, Shown, Tensors, Tiling, Tokens, Written, layers
from mmx.schedule import Link, Schedule, Site

_SEEN: dict[str, tuple[Part, ...]] = {
    "image": (Part("cls", 1), Part("image")),
    "text": (Part("image tokens", token="image_token_id"), Part("text"))}


def _prompted(config: Any) -> Schedule:
    """Tower, Q-Former, and where its queries become image tokens."""
    reader = config.qformer_config
    return (*layers("vision_model.encoder.layers.{}.self_attn", "image", config.vision_config.num_hidden_layers),
            *((Site(f"qformer.encoder.layer.{i}.{module}.attention", "query", cols, first_rows=cols == "image"),)
              for i in range(reader.num_hidden_layers) for module, cols in (
                  ("attention", "query"), ("crossattention", "image"))
              if cols == "query" or i % reader.cross_attention_frequency == 0),
            Link("text", "query", _becomes))


def _becomes(network: Any, inputs: Tensors) -> Any:
    """Where each query's image token stands; what else the Q-Former reads becomes none."""
    from torch.nn.functional import pad

    others = inputs["qformer_input_ids"].shape[1] if "qformer_input_ids" in inputs else 0
    return pad(image_places(network, inputs), (0, others), value=-1)


def _behind(config: Any) -> Schedule:
    """A language model that goes on writing behind the prompt: an OPT's layers, or else a Llama's."""
    return (*_prompted(config), *layers(
        "language_model.model.decoder.layers.{0}.self_attn|language_model.model.layers.{0}.self_attn", "text",
        config.text_config.num_hidden_layers))


def _beside(config: Any) -> Schedule:
    """A T5: its encoder reads the prompt, its decoder writes the answer, and looks at the prompt for it."""
    return (*_prompted(config),
            *layers("language_model.encoder.block.{}.layer.0.SelfAttention", "text", config.text_config.num_layers),
            *((Site(f"language_model.decoder.block.{i}.layer.{module}", "answer", cols),)
              for i in range(config.text_config.num_decoder_layers)
              for module, cols in (("0.SelfAttention", "answer"), ("1.EncDecAttention", "text"))))


def _patches(shown: Shown) -> Tiling:
    """The tower's, in the place of image tokens."""
    return whole(shown.part(), View(shown.tensors["pixel_values"].shape[-1], shown.config.vision_config.patch_size))


def families(architecture: str, model_type: str, root: str, form: str, caption: str, *checkpoints: Checkpoint,
             beside: tuple[Checkpoint, ...] = (), more: tuple[Input, ...] = ()) -> tuple[Family, Family]:
    """Of a class: with a language model that goes on behind the prompt, and with one that writes beside it.

    Args:
        root: where the Q-Former's part of the graph starts.
        beside: the checkpoints of the latter.
        more: inputs that the Q-Former reads beside the picture.
    """
    pixels, prompt, completion = asked(_patches, form, caption, captioned="{question}")
    roots = {"image": "vision_model.embeddings", "query": root, "text": "language_model:inputs_embeds"}
    tokens = _SEEN | {"query": (Part("query"), *(Part(one.part, one.names[0]) for one in more))}
    one = Family(
        architectures=(architecture,), model_type=model_type, score=ANSWERS, inputs=(pixels, prompt, *more, completion),
        schedule=_behind, tokens=tokens, reads=READS, outputs=outputs, checkpoints=checkpoints,
        roots={**roots, "text": "language_model.model.decoder|language_model.model:inputs_embeds"})
    return one, Family(
        architectures=(architecture,), settings={"use_decoder_only_language_model": False}, score=Tokens(),
        inputs=(pixels, prompt, *more, Written(config="text_config", start="decoder_start_token_id")),
        schedule=_beside, tokens=tokens, reads=(Read("answer", row=None),), checkpoints=beside,
        roots={**roots, "text": "language_model.encoder:inputs_embeds",
               "answer": "language_model.decoder.embed_tokens"},
        outputs=lambda found, network, inputs: {"logits": found.logits, "ids": inputs["decoder_input_ids"]})
