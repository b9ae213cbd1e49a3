"""open_clip's own format, read as what it is in transformers: the same towers, by other names.

A folder with open_clip_config.json beside open_clip_model.safetensors or open_clip_pytorch_model.bin. Three kinds of
model in it are classes of transformers: a ViT beside a causal text tower is CLIPModel where texts are read at their
largest id, and MetaClip2Model where at their end token; one of timm's SigLIP towers beside a text tower that is read at
its last place is SiglipModel. Others are refused by name.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from mmx.errors import CheckpointError, UsageError, shown_value
from mmx.families.base import FORMER_END

CONFIG = "open_clip_config.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")

Settings = Mapping[str, Any]

_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_SIGLIP = re.compile(r"vit_(?P<size>[a-z0-9]+)_patch(?P<patch>\d+)_siglip_\d+")
_WIDTH_LAYERS_HEADS_MLP = {"base": (768, 12, 12, 3072), "large": (1024, 24, 16, 4096), "so400m": (1152, 27, 16, 4304),
                           "giantopt": (1536, 40, 16, 6144)}
"""Of timm's SigLIP towers."""
_BY_TANH = re.compile(r"base_patch32|large_patch16_siglip_512|so400m_patch16|giantopt")
"""Those of them whose GELU is the approximate one."""
_CLIP_TOKENIZER = "openai/clip-vit-large-patch14"
"""What open_clip saves where a model has no tokenizer of its own."""
_CLEANINGS = (None, "canonicalize", "lower", "whitespace")
_PILLOW = {"bilinear": 2, "bicubic": 3, "random": 3}

# What may be said of a model and changes nothing of what is read here, and what each option must be if it is there.
_FREE = {"embed_dim", "vision_cfg", "text_cfg", "quick_gelu", "custom_text", "init_logit_scale", "init_logit_bias",
         "output_dict", "cast_dtype", "nonscalar_logit_scale", "layers", "width", "heads", "head_width", "mlp_ratio",
         "patch_size", "image_size", "patch_dropout", "context_length", "vocab_size", "hf_tokenizer_name",
         "tokenizer_kwargs", "act_kwargs", "norm_kwargs", "pad_id", "eos_id", "timm_model_name", "timm_drop",
         "timm_model_pretrained", "timm_drop_path"}
_TOWER = {"ls_init_value": None, "output_tokens": False, "final_ln_after_pool": False}
_CLIP_OPTIONS = (
    {"attentional_pool": False, "global_average_pool": False, "no_ln_pre": False, "pool_type": "tok",
     "pos_embed_type": "learnable", "input_patchnorm": False, **_TOWER},
    {"embed_cls": False, "no_causal_mask": False, "pool_type": ("argmax", "eos"), "proj_bias": False,
     "proj_type": "linear", "use_pad_mask": False, **_TOWER})
_SIGLIP_OPTIONS = (
    {"timm_pool": "map", "timm_proj": ("none", "", None), "timm_proj_bias": False, **_TOWER},
    {"embed_cls": False, "no_causal_mask": True, "pool_type": "last", "proj_bias": True, "proj_type": "linear",
     "use_pad_mask": False, **_TOWER})


def config(raw: Settings, name: str) -> dict[str, Any]:
    """The config.json of the same model in transformers.

    Raises:
        UsageError: transformers has no class for it; the message says why.
    """
    model = raw["model_cfg"]
    vision, text = model["vision_cfg"], model["text_cfg"]
    siglip = _siglip(model)
    why = _refusal(model, siglip)
    if why is not None:
        raise UsageError(f"{name} is a model of open_clip with {why}, which mmx has no family for.",
                         "Of open_clip's it explains CLIP and MetaCLIP with ViT towers, and SigLIP.")
    act = "quick_gelu" if model.get("quick_gelu") else "gelu"
    width = text.get("width", 512)
    towers = {"text_config": {
        **_tower(text, width, text.get("layers", 12), text.get("heads", 8), int(width * text.get("mlp_ratio", 4)), act),
        "vocab_size": text.get("vocab_size", 49408), "max_position_embeddings": text.get("context_length", 77)}}
    if siglip is None:
        width = vision.get("width", 768)
        towers["vision_config"] = {
            **_tower(vision, width, vision.get("layers", 12), width // vision.get("head_width", 64),
                     int(width * vision.get("mlp_ratio", 4)), act),
            "patch_size": vision.get("patch_size", 16), "image_size": vision.get("image_size", 224)}
        for one in towers.values():
            one["projection_dim"] = model["embed_dim"]
        # The place of the end token is read, or else that of the largest id, whatever it is.
        by_end = text.get("pool_type") == "eos"
        towers["text_config"]["eos_token_id"] = text.get("eos_id", 2) if by_end else FORMER_END
        return {"architectures": ["MetaClip2Model" if by_end else "CLIPModel"], "projection_dim": model["embed_dim"],
                **towers}
    act = "gelu_pytorch_tanh" if _BY_TANH.search(siglip[0]) else "gelu"
    towers["vision_config"] = {
        **_tower({"norm_kwargs": {"eps": 1e-6}}, *_WIDTH_LAYERS_HEADS_MLP[siglip["size"]], act),
        "patch_size": int(siglip["patch"]), "image_size": vision.get("image_size", 224)}
    towers["text_config"]["projection_size"] = model["embed_dim"]
    return {"architectures": ["SiglipModel"], **towers}


def _siglip(model: Settings) -> "re.Match[str] | None":
    """Size and patches of its image tower, where that is one of SigLIP's."""
    return _SIGLIP.fullmatch(str(model["vision_cfg"].get("timm_model_name")))


def _tower(given: Settings, width: int, layers: int, heads: int, inner: int, act: str) -> dict[str, Any]:
    by_tanh = (given.get("act_kwargs") or {}).get("approximate") == "tanh"
    return {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads, "intermediate_size": inner,
            "hidden_act": "gelu_pytorch_tanh" if by_tanh else act,
            "layer_norm_eps": (given.get("norm_kwargs") or {}).get("eps", 1e-5)}


def _refusal(model: Settings, siglip: "re.Match[str] | None") -> str | None:
    """What it has that no class of transformers' has."""
    vision, text = model["vision_cfg"], model["text_cfg"]
    if "multimodal_cfg" in model:
        return "a decoder that writes captions (CoCa)"
    if text.get("hf_model_name"):
        return f"the text tower {shown_value(text['hf_model_name'])}"
    if isinstance(vision.get("layers"), list):
        return "a ResNet for an image tower, which attends only once"
    if vision.get("timm_model_name") and (siglip is None or siglip["size"] not in _WIDTH_LAYERS_HEADS_MLP):
        return f"the image tower {shown_value(vision['timm_model_name'])}"
    if siglip is None and model.get("init_logit_bias") is not None:
        return "a bias in the score of a CLIP"
    wanted = _CLIP_OPTIONS if siglip is None else _SIGLIP_OPTIONS
    for part, given, options in (("model_cfg", model, {}), ("vision_cfg", vision, wanted[0]),
                                 ("text_cfg", text, wanted[1]),
                                 ("tokenizer_kwargs", text.get("tokenizer_kwargs") or {}, {"clean": _CLEANINGS})):
        for option, value in given.items():
            allowed = options.get(option)
            if option not in _FREE and (option not in options
                                        or value not in (allowed if isinstance(allowed, tuple) else (allowed,))):
                return f"{shown_value(option)} {shown_value(value)} in its {part}"
    lacking = [option for option in ("no_causal_mask", "pool_type", "proj_bias")
               if siglip is not None and option not in text]
    return f"no {lacking[0]} in its text_cfg" if lacking else None


def processor(raw: Settings, name: str) -> dict[str, Any]:
    """The preprocessor_config.json of the same preparation of pictures. CheckpointError where there is none."""
    given, size = raw.get("preprocess_cfg") or {}, raw["model_cfg"]["vision_cfg"].get("image_size", 224)
    height, width = (size, size) if isinstance(size, int) else size
    mode = given.get("resize_mode") or "shortest"
    if mode not in ("shortest", "squash") or (mode == "shortest" and height != width):
        raise CheckpointError(f"{name} is shown pictures by open_clip's resize_mode '{mode}' at {height} x {width} "
                              "pixels, which no image processor of transformers does.",
                              "Give another one as `processor=`.")
    whole = {"height": height, "width": width}
    return {"image_processor_type": "CLIPImageProcessor", "do_convert_rgb": True, "do_rescale": True,
            "do_normalize": True, "do_resize": True, "do_center_crop": mode == "shortest", "crop_size": whole,
            "size": {"shortest_edge": height} if mode == "shortest" else whole,
            "resample": _PILLOW[given.get("interpolation") or "bicubic"],
            "image_mean": given.get("mean") or _MEAN, "image_std": given.get("std") or _STD}


def tokenizer(raw: Settings, name: str) -> str:
    """Whose tokenizer it uses where it has none beside it. CheckpointError where that is not said."""
    model = raw["model_cfg"]
    whose = model["text_cfg"].get("hf_tokenizer_name") or (None if _siglip(model) else _CLIP_TOKENIZER)
    if whose is None:
        raise CheckpointError(f"{name} has no tokenizer, and its {CONFIG} names none (hf_tokenizer_name).",
                              "Put its tokenizer.json beside its weights.")
    return whose


def cleaning(raw: Settings, name: str) -> Callable[[Any], None]:
    """What makes a tokenizer clean its texts first as open_clip does: SigLIP's are without punctuation and capitals.

    What it makes raises CheckpointError for a tokenizer that cannot.
    """
    def clean(found: Any) -> None:
        if how is None:  # CLIP's own tokenizer makes small letters and single spaces itself
            return
        if not found.is_fast:
            raise CheckpointError(f"{name} cleans texts before its tokenizer sees them, which one without a "
                                  "tokenizer.json cannot do.", "Put the tokenizer.json beside its weights.")
        from tokenizers import Regex, normalizers

        without = [normalizers.Replace("_", " "), normalizers.Replace(Regex(r"[!-/:-@\[-`{-~]"), "")]
        backend = found.backend_tokenizer
        backend.normalizer = normalizers.Sequence([
            *(without if how == "canonicalize" else []), *([] if how == "whitespace" else [normalizers.Lowercase()]),
            normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip(),
            *([] if backend.normalizer is None else [backend.normalizer])])

    text = raw["model_cfg"]["text_cfg"]
    by_default = "whitespace" if text.get("hf_tokenizer_name") is not None else None
    how = (text.get("tokenizer_kwargs") or {}).get("clean") or by_default
    return clean
