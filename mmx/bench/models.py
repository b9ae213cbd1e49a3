"""Random models of the published sizes, and inputs for them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    DetrConfig,
    DetrForObjectDetection,
    LxmertConfig,
    LxmertForQuestionAnswering,
    PreTrainedModel,
    ResNetConfig,
    VisualBertConfig,
    VisualBertForQuestionAnswering,
    ViTConfig,
    ViTForImageClassification,
)

from mmx.asking import Subject as About
from mmx.asking import asking_of
from mmx.capture import Outputs
from mmx.checkpoints.families import family_of
from mmx.engine import Described

Backward = tuple[Tensor, Sequence[str]]
"""A score and the graph's roots that its gradient must reach; no names are all of them."""
# Settings that a config takes as further arguments, which its signature does not name.
_EAGER: dict[str, Any] = {"attn_implementation": "eager"}
_STAGE: dict[str, Any] = {"out_features": ["stage4"]}


def _predicted(outputs: Outputs) -> list[Backward]:
    return [(outputs["logits"].max(dim=1).values.sum(), ())]


@dataclass(frozen=True)
class Subject:
    """A random model with one batch of inputs, what is explained of it, and the backwards that this takes at least."""

    name: str
    model: Described
    inputs: dict[str, Tensor]
    target: object = None
    backwards: Callable[[Outputs], list[Backward]] = _predicted
    start_layers: Mapping[str, int] = field(default_factory=dict)


def lxmert_base(batch: int, tokens: int = 20, regions: int = 36) -> Subject:
    """LXMERT as published: 9 + 5 + 5 layers of 768, 3,129 answers."""
    config = LxmertConfig(num_qa_labels=3129, **_EAGER)
    inputs = {"input_ids": _ids(batch, tokens), "attention_mask": torch.ones(batch, tokens, dtype=torch.long),
              "visual_feats": torch.randn(batch, regions, 2048), "visual_pos": torch.rand(batch, regions, 4)}
    return _subject(f"LXMERT-base, batch {batch}", LxmertForQuestionAnswering(config), inputs)


def visual_bert_base(batch: int, tokens: int = 20, regions: int = 100) -> Subject:
    """VisualBERT as published: 12 layers of 768, 3,129 answers, 100 regions."""
    config = VisualBertConfig(visual_embedding_dim=2048, **_labels(3129), **_EAGER)
    inputs = {"input_ids": _ids(batch, tokens), "attention_mask": torch.ones(batch, tokens, dtype=torch.long),
              "visual_embeds": torch.randn(batch, regions, 2048),
              "visual_attention_mask": torch.ones(batch, regions, dtype=torch.long),
              "visual_token_type_ids": torch.zeros(batch, regions, dtype=torch.long)}
    return _subject(f"VisualBERT-base, batch {batch}", VisualBertForQuestionAnswering(config), inputs)


def vit_base(batch: int) -> Subject:
    """ViT-B/16 as published: 12 layers of 768, 1,000 classes, 224 × 224 pixels."""
    config = ViTConfig(**_labels(1000), **_EAGER)
    return _subject(f"ViT-B/16, batch {batch}", ViTForImageClassification(config),
                    {"pixel_values": torch.randn(batch, 3, 224, 224)})


def clip_base(texts: int, tokens: int = 12) -> Subject:
    """CLIP ViT-B/32 as published, one image and `texts` texts, all layers of both towers read."""
    end = 49407
    config = CLIPConfig(text_config=CLIPTextConfig(eos_token_id=end).to_dict(),
                        vision_config=CLIPVisionConfig(patch_size=32).to_dict(), **_EAGER)
    input_ids = _ids(texts, tokens)
    input_ids[:, -1] = end
    inputs = {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids),
              "pixel_values": torch.randn(1, 3, 224, 224)}
    image_root, text_root = family_of(config, "CLIP")[1].roots

    def backwards(outputs: Outputs) -> list[Backward]:
        scores = outputs["logits"][0]
        return [*((score, (image_root,)) for score in scores), (scores.sum(), (text_root,))]

    return _subject(f"CLIP ViT-B/32, 1 image, {texts} texts", CLIPModel(config), inputs, backwards=backwards,
                    start_layers={"image": 0, "text": 0})


def detr_resnet_50(detections: int, size: tuple[int, int] = (800, 1066)) -> Subject:
    """DETR-R50 as published: 6 + 6 layers of 256, 100 queries; the first `detections` of one picture."""
    backbone: dict[str, Any] = {"use_timm_backbone": False, "use_pretrained_backbone": False,
                                "backbone_config": ResNetConfig(**_STAGE)}
    config = DetrConfig(**backbone, **_labels(91), **_EAGER)
    inputs = {"pixel_values": torch.randn(1, 3, *size), "pixel_mask": torch.ones(1, *size, dtype=torch.long)}

    def backwards(outputs: Outputs) -> list[Backward]:
        return [(score, ()) for score in outputs["logits"][0, :detections, :-1].max(dim=1).values]

    return _subject(f"DETR-R50, {size[0]} x {size[1]} pixels, {detections} detections", DetrForObjectDetection(config),
                    inputs, target=[(query, None) for query in range(detections)], backwards=backwards)


def _labels(count: int) -> dict[str, Any]:
    return {"num_labels": count}


def _ids(batch: int, tokens: int) -> Tensor:
    return torch.randint(1000, 20_000, (batch, tokens))


def _subject(name: str, network: PreTrainedModel, inputs: dict[str, Tensor], **rest) -> Subject:
    network = network.eval().requires_grad_(False)
    network.config.architectures = [type(network).__name__]
    family = family_of(network.config, name)[1]
    labels = [str(index) for index in range(network.config.num_labels or 0)]
    subject = About(name, family.does, network.config, lambda: labels, family.needs)
    return Subject(name, Described(network, family, asking_of(family, subject)), inputs, **rest)
