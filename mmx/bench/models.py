"""Random models of the published sizes, and inputs for them."""

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
    Dinov2Config,
    Dinov2ForImageClassification,
    LlamaConfig,
    LlamaForCausalLM,
    LxmertConfig,
    LxmertForQuestionAnswering,
    ResNetConfig,
    SiglipConfig,
    SiglipModel,
    VisualBertConfig,
    VisualBertForQuestionAnswering,
    ViTConfig,
    ViTForImageClassification,
)

from mmx.bench.subjects import Backward, Subject, described
from mmx.capture import Outputs
from mmx.families.base import Classes, Family, Read, Text, layers

# Settings that a config takes as further arguments, which its signature does not name.
_EAGER: dict[str, Any] = {"attn_implementation": "eager"}
_STAGE: dict[str, Any] = {"out_features": ["stage4"]}

DECODER = Family(
    architectures=("LlamaForCausalLM",),
    score=Classes(noun="answer"),
    inputs=(Text(names=("input_ids",)),),
    schedule=lambda config: tuple(layers("model.layers.{}.self_attn", "text", config.num_hidden_layers)),
    roots={"text": "model.embed_tokens"},
    reads=(Read("text", row=-1),),
    outputs=lambda found, network, inputs: {"logits": found.logits[:, -1]},
    arguments={"use_cache": False, "logits_to_keep": 1},
)
"""A causal decoder, of which the next token is explained."""


def lxmert_base(batch: int, tokens: int = 20, regions: int = 36) -> Subject:
    """LXMERT as published: 9 + 5 + 5 layers of 768, 3,129 answers."""
    config = LxmertConfig(num_qa_labels=3129, **_EAGER)
    inputs = {"input_ids": _ids(batch, tokens), "attention_mask": torch.ones(batch, tokens, dtype=torch.long),
              "visual_feats": torch.randn(batch, regions, 2048), "visual_pos": torch.rand(batch, regions, 4)}
    return Subject(f"LXMERT-base, batch {batch}", described(LxmertForQuestionAnswering(config)), inputs,
                   max(tokens, regions))


def visual_bert_base(batch: int, tokens: int = 20, regions: int = 100) -> Subject:
    """VisualBERT as published: 12 layers of 768, 3,129 answers, 100 regions."""
    config = VisualBertConfig(visual_embedding_dim=2048, **_labels(3129), **_EAGER)
    inputs = {"input_ids": _ids(batch, tokens), "attention_mask": torch.ones(batch, tokens, dtype=torch.long),
              "visual_embeds": torch.randn(batch, regions, 2048),
              "visual_attention_mask": torch.ones(batch, regions, dtype=torch.long),
              "visual_token_type_ids": torch.zeros(batch, regions, dtype=torch.long)}
    return Subject(f"VisualBERT-base, batch {batch}", described(VisualBertForQuestionAnswering(config)), inputs,
                   tokens + regions)


def vit_base(pixels: int) -> Subject:
    """ViT-B/16 as published, 12 layers of 768, 1,000 classes, for pictures of `pixels` × `pixels`."""
    config = ViTConfig(image_size=pixels, **_labels(1000), **_EAGER)
    return Subject(f"ViT-B/16, {pixels} × {pixels} pixels", described(ViTForImageClassification(config)),
                   {"pixel_values": torch.randn(1, 3, pixels, pixels)}, 1 + (pixels // 16)**2)


def dinov2_base(pixels: int) -> Subject:
    """DINOv2-B/14 as published, 12 layers of 768, 1,000 classes, its position embeddings interpolated."""
    config = Dinov2Config(image_size=518, patch_size=14, **_labels(1000), **_EAGER)
    return Subject(f"DINOv2-B/14, {pixels} × {pixels} pixels", described(Dinov2ForImageClassification(config)),
                   {"pixel_values": torch.randn(1, 3, pixels, pixels)}, 1 + (pixels // 14)**2)


def clip_base(texts: int, tokens: int = 12, patch: int = 32) -> Subject:
    """CLIP ViT-B/32 as published, one image and `texts` texts, all layers of both towers read."""
    end = 49407
    config = CLIPConfig(text_config=CLIPTextConfig(eos_token_id=end).to_dict(),
                        vision_config=CLIPVisionConfig(patch_size=patch).to_dict(), **_EAGER)
    input_ids = _ids(texts, tokens)
    input_ids[:, -1] = end
    inputs = {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids),
              "pixel_values": torch.randn(1, 3, 224, 224)}
    return _pairs(f"CLIP ViT-B/{patch}, 1 picture, {_count(texts, 'text')}", CLIPModel(config), inputs,
                  1 + (224 // patch)**2)


def siglip_base(texts: int) -> Subject:
    """SigLIP-B/16 as published, 224 × 224 pixels, one image and `texts` texts of 64 tokens, all layers read."""
    config = SiglipConfig(text_config={"vocab_size": 32_000, "attention_dropout": 0.0},
                          vision_config={"image_size": 224, "patch_size": 16}, **_EAGER)
    inputs = {"input_ids": _ids(texts, 64), "pixel_values": torch.randn(1, 3, 224, 224)}
    return _pairs(f"SigLIP-B/16, 1 picture, {_count(texts, 'text')}", SiglipModel(config), inputs, (224 // 16)**2)


def detr_resnet_50(detections: int, size: tuple[int, int] = (800, 1066)) -> Subject:
    """DETR-R50 as published: 6 + 6 layers of 256, 100 queries; the first `detections` of one picture."""
    backbone: dict[str, Any] = {"use_timm_backbone": False, "use_pretrained_backbone": False,
                                "backbone_config": ResNetConfig(**_STAGE)}
    config = DetrConfig(**backbone, **_labels(91), **_EAGER)
    inputs = {"pixel_values": torch.randn(1, 3, *size), "pixel_mask": torch.ones(1, *size, dtype=torch.long)}

    def backwards(outputs: Outputs) -> list[Backward]:
        return [Backward.each(outputs["logits"][0, :detections, :-1].max(dim=1).values)]

    return Subject(f"DETR-R50, {size[0]} × {size[1]} pixels, {_count(detections, 'detection')}",
                   described(DetrForObjectDetection(config)), inputs, -(-size[0] // 32) * -(-size[1] // 32),
                   target=[(query, None) for query in range(detections)], backwards=backwards)


def decoder(tokens: int) -> Subject:
    """A Llama of 8 layers of 512 and 8 heads, whose next token after `tokens` tokens is explained."""
    config = LlamaConfig(vocab_size=1000, hidden_size=512, intermediate_size=2048, num_hidden_layers=8,
                         num_attention_heads=8, max_position_embeddings=max(4096, tokens), **_EAGER)
    return Subject(f"decoder, 8 layers × 512, {tokens} tokens", described(LlamaForCausalLM(config), DECODER),
                   {"input_ids": torch.randint(0, 1000, (1, tokens))}, tokens)


def _pairs(name: str, network: CLIPModel | SiglipModel, inputs: dict[str, Tensor], tokens: int) -> Subject:
    """The towers meet in the score alone: one gradient of each text at the image, and one of all texts at themselves.
    """
    model = described(network)

    def backwards(outputs: Outputs) -> list[Backward]:
        scores = outputs["logits"][0]
        return [Backward.each(scores, "image"), Backward.together(scores, "text")]

    return Subject(name, model, inputs, tokens, backwards=backwards, start_layers={"image": 0, "text": 0})


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number > 1 else ''}"


def _labels(count: int) -> dict[str, Any]:
    return {"num_labels": count}


def _ids(batch: int, tokens: int) -> Tensor:
    return torch.randint(1000, 20_000, (batch, tokens))
