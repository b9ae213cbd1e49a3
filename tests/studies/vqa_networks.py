"""Random LXMERT and VisualBERT in float32, batches of different lengths for them, and the model called by hand."""

import torch
from torch import Tensor, nn
from transformers import (
    LxmertConfig,
    LxmertForQuestionAnswering,
    VisualBertConfig,
    VisualBertForQuestionAnswering,
)

from mmx.families._vqa import VqaFamily
from mmx.families.base import get_family

WORDS, REGIONS = (9, 6, 8), (7, 5, 7)


def lxmert() -> tuple[nn.Module, VqaFamily]:
    torch.manual_seed(0)
    config = LxmertConfig(vocab_size=30, hidden_size=16, num_attention_heads=2, intermediate_size=24, l_layers=2,
                          r_layers=1, x_layers=2, visual_feat_dim=12, max_position_embeddings=20, num_qa_labels=5,
                          initializer_range=0.3, attn_implementation="eager")
    return LxmertForQuestionAnswering(config).eval(), get_family("lxmert")


def visual_bert() -> tuple[nn.Module, VqaFamily]:
    torch.manual_seed(0)
    config = VisualBertConfig(vocab_size=30, hidden_size=16, num_attention_heads=2, intermediate_size=24,
                              num_hidden_layers=2, visual_embedding_dim=12, max_position_embeddings=20, num_labels=5,
                              initializer_range=0.3, attn_implementation="eager")
    return VisualBertForQuestionAnswering(config).eval(), get_family("visual_bert")


NETWORKS = {"lxmert": lxmert, "visual_bert": visual_bert}


def batch(family: VqaFamily) -> dict[str, Tensor]:
    """Three samples, padded on the right."""
    drawn = torch.Generator().manual_seed(1)
    count, words, regions = len(WORDS), max(WORDS), max(REGIONS)
    mask = (torch.arange(regions) < torch.tensor(REGIONS)[:, None]).long()
    corners = torch.rand(count, regions, 2, generator=drawn) / 2
    return {
        "input_ids": torch.randint(1, 30, (count, words), generator=drawn),
        "attention_mask": (torch.arange(words) < torch.tensor(WORDS)[:, None]).long(),
        "token_type_ids": torch.zeros(count, words, dtype=torch.long),
        **family.region_inputs(torch.randn(count, regions, 12, generator=drawn),
                               torch.cat([corners, corners + 0.4], dim=2), mask),
    }


def drawn_scores() -> dict[str, Tensor]:
    drawn = torch.Generator().manual_seed(2)
    return {"text": torch.rand(len(WORDS), max(WORDS), generator=drawn),
            "image": torch.rand(len(REGIONS), max(REGIONS), generator=drawn)}


def by_hand(network: nn.Module, family: VqaFamily, inputs: dict[str, Tensor], sample: int, words: list[int],
            regions: list[int]) -> Tensor:
    """Logits (classes,) of one sample with nothing but these words and regions, without padding and masks."""
    kept = {"text": words, "image": regions}
    reduced = {name: inputs[name][sample, kept[modality]][None] for modality, names in family.parts.items()
               for name in names if name in inputs}
    with torch.inference_mode():
        return family.run(network, reduced)["logits"][0]
