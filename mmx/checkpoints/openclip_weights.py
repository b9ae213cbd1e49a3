"""Weights of open_clip's towers, and of timm's in them, by the names that they have in transformers."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from mmx.arrays import Shaped

_NAMES = tuple((re.compile(pattern), name) for pattern, name in (
    (r"^module\.", ""),
    (r"^(text\.)?(?=(positional_embedding|token_embedding|ln_final|text_projection|transformer)\b)", "text_model."),
    (r"^text_model\.text_projection$", "text_projection.weight"),
    (r"^text_model\.text_projection\.", "text_model.head."),
    (r"^visual\.proj$", "visual_projection.weight"),
    (r"^visual\.(trunk\.)?", "vision_model."),
    (r"\.(positional_embedding|pos_embed)$", ".embeddings.position_embedding.weight"),
    (r"\.token_embedding\.", ".embeddings.token_embedding."), (r"\.class_embedding$", ".embeddings.class_embedding"),
    (r"\.(conv1|patch_embed\.proj)\.", ".embeddings.patch_embedding."),
    (r"\.ln_final\.", ".final_layer_norm."), (r"\.ln_pre\.", ".pre_layrnorm."),
    (r"^vision_model\.(ln_post|norm)\.", "vision_model.post_layernorm."),
    (r"\.(transformer\.resblocks|blocks)\.", ".encoder.layers."),
    (r"\.(ln_|norm)([12])\.", r".layer_norm\2."), (r"\.c_fc\.", ".fc1."), (r"\.c_proj\.", ".fc2."),
    (r"\.attn\.(in_proj_|qkv\.)", ".self_attn.in_proj_"), (r"\.attn\.(out_)?proj\.", ".self_attn.out_proj."),
    (r"\.attn_pool\.latent$", ".head.probe"), (r"\.attn_pool\.norm\.", ".head.layernorm."),
    (r"\.attn_pool\.mlp\.", ".head.mlp."), (r"\.attn_pool\.proj\.", ".head.attention.out_proj."),
    (r"\.attn_pool\.", ".head.attention.")))
_TURNED = {"visual_projection.weight", "text_projection.weight"}


def weights_of(found: Mapping[str, Shaped[Tensor, "..."]], architecture: str) -> dict[str, Shaped[Tensor, "..."]]:
    """The same numbers by the names that they have in transformers."""
    made: dict[str, Tensor] = {}
    for name, values in found.items():
        if name.endswith("attn_mask"):
            continue
        for pattern, new in _NAMES:
            name = pattern.sub(new, name)
        if ".self_attn.in_proj_" in name:
            for part, piece in zip("qkv", values.chunk(3), strict=True):
                made[name.replace("in_proj_", f"{part}_proj.")] = piece
        elif name in ("logit_scale", "logit_bias"):
            made[name] = values.reshape((1,) if architecture == "SiglipModel" else ())
        else:
            made[name] = values.T if name in _TURNED else values
    for kind in ("weight", "bias"):
        parts = [made.pop(f"vision_model.head.attention.{part}.{kind}", None) for part in ("q", "kv")]
        if all(one is not None for one in parts):
            made[f"vision_model.head.attention.in_proj_{kind}"] = torch.cat([one for one in parts if one is not None])
    position = made.get("vision_model.embeddings.position_embedding.weight")
    if position is not None and position.dim() == 3:
        made["vision_model.embeddings.position_embedding.weight"] = position[0]
    return made
