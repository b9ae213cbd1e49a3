"""Random models of the published sizes, and inputs for them."""

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import (
    LxmertConfig,
    LxmertForQuestionAnswering,
    PreTrainedModel,
    VisualBertConfig,
    VisualBertForQuestionAnswering,
)

from mmx.families.base import Family, get_family


@dataclass(frozen=True)
class Subject:
    """A random model with one batch of inputs."""

    name: str
    network: PreTrainedModel
    family: Family
    inputs: dict[str, Tensor]


def lxmert_base(batch: int, tokens: int = 20, regions: int = 36) -> Subject:
    """LXMERT as published: 9 + 5 + 5 layers of 768, 3,129 answers."""
    config = LxmertConfig(num_qa_labels=3129, attn_implementation="eager")
    inputs = {"input_ids": _ids(batch, tokens), "attention_mask": torch.ones(batch, tokens, dtype=torch.long),
              "visual_feats": torch.randn(batch, regions, 2048), "visual_pos": torch.rand(batch, regions, 4)}
    return _subject("LXMERT-base", LxmertForQuestionAnswering(config), inputs)


def visual_bert_base(batch: int, tokens: int = 20, regions: int = 100) -> Subject:
    """VisualBERT as published: 12 layers of 768, 3,129 answers, 100 regions."""
    config = VisualBertConfig(num_labels=3129, visual_embedding_dim=2048, attn_implementation="eager")
    inputs = {"input_ids": _ids(batch, tokens), "attention_mask": torch.ones(batch, tokens, dtype=torch.long),
              "visual_embeds": torch.randn(batch, regions, 2048),
              "visual_attention_mask": torch.ones(batch, regions, dtype=torch.long),
              "visual_token_type_ids": torch.zeros(batch, regions, dtype=torch.long)}
    return _subject("VisualBERT-base", VisualBertForQuestionAnswering(config), inputs)


def _ids(batch: int, tokens: int) -> Tensor:
    return torch.randint(1000, 20_000, (batch, tokens))


def _subject(name: str, network: PreTrainedModel, inputs: dict[str, Tensor]) -> Subject:
    return Subject(name, network.eval().requires_grad_(False), get_family(network.config.model_type), inputs)
