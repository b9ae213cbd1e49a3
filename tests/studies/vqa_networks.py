"""Random LXMERT and VisualBERT in float32, batches of different lengths for them, and the model called by hand."""

import torch
from torch import Tensor
from transformers import (
    LxmertConfig,
    LxmertForQuestionAnswering,
    VisualBertConfig,
    VisualBertForQuestionAnswering,
)

from mmx.checkpoints.families import family_of_architecture
from mmx.families.base import Family
from mmx.perturbation.removal import Removal
from mmx.wiring import run

WORDS, REGIONS = (9, 6, 8), (7, 5, 7)


def family(architecture: str) -> Family:
    found = family_of_architecture(architecture)
    assert found is not None
    return found[1]


def lxmert() -> Removal:
    torch.manual_seed(0)
    config = LxmertConfig(vocab_size=30, hidden_size=16, num_attention_heads=2, intermediate_size=24, l_layers=2,
                          r_layers=1, x_layers=2, visual_feat_dim=12, max_position_embeddings=20, num_qa_labels=5,
                          initializer_range=0.3, attn_implementation="eager")
    return Removal(LxmertForQuestionAnswering(config).eval(), family("LxmertForQuestionAnswering"))


def visual_bert() -> Removal:
    torch.manual_seed(0)
    config = VisualBertConfig(vocab_size=30, hidden_size=16, num_attention_heads=2, intermediate_size=24,
                              num_hidden_layers=2, visual_embedding_dim=12, max_position_embeddings=20, num_labels=5,
                              initializer_range=0.3, attn_implementation="eager")
    return Removal(VisualBertForQuestionAnswering(config).eval(), family("VisualBertForQuestionAnswering"))


NETWORKS = {"lxmert": lxmert, "visual_bert": visual_bert}


def batch(removal: Removal) -> dict[str, Tensor]:
    """Three samples, padded on the right."""
    drawn = torch.Generator().manual_seed(1)
    count, words, regions = len(WORDS), max(WORDS), max(REGIONS)
    mask = (torch.arange(regions) < torch.tensor(REGIONS)[:, None]).long()
    corners = torch.rand(count, regions, 2, generator=drawn) / 2
    ids = torch.randint(1, 30, (count, words), generator=drawn)
    features = torch.randn(count, regions, 12, generator=drawn)
    boxes = torch.cat([corners, corners + 0.4], dim=2)
    return {
        "input_ids": ids, "attention_mask": (torch.arange(words) < torch.tensor(WORDS)[:, None]).long(),
        "token_type_ids": torch.zeros(count, words, dtype=torch.long), **region_inputs(removal, features, boxes, mask)}


def region_inputs(removal: Removal, features: Tensor, boxes: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """By the names of the model's own forward."""
    if "Lxmert" in removal.family.architectures[0]:
        return {"visual_feats": features, "visual_pos": boxes, "visual_attention_mask": mask}
    return {"visual_embeds": features, "visual_attention_mask": mask, "visual_token_type_ids": torch.zeros_like(mask)}


def drawn_scores() -> dict[str, Tensor]:
    drawn = torch.Generator().manual_seed(2)
    return {"text": torch.rand(len(WORDS), max(WORDS), generator=drawn),
            "image": torch.rand(len(REGIONS), max(REGIONS), generator=drawn)}


def by_hand(removal: Removal, inputs: dict[str, Tensor], sample: int, words: list[int],
            regions: list[int]) -> Tensor:
    """Logits (classes,) of one sample with nothing but these words and regions, without padding and masks."""
    kept = {name: regions if name.startswith("visual") else words for name in inputs}
    reduced = {name: values[sample, kept[name]][None] for name, values in inputs.items()}
    with torch.inference_mode():
        return run(removal.network, removal.family, reduced)["logits"][0]
