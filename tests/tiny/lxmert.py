"""LXMERT, small and random."""

import json
from pathlib import Path

import torch
from transformers import BertTokenizer, LxmertConfig, LxmertForQuestionAnswering


def tiny_lxmert(folder: Path) -> None:
    """A random LXMERT with three answers and a tokenizer of its own, its regions a 2x3 grid."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "?", "what", "color", "is", "the", "circle", "##s", "red"]
    answers = ["red", "blue", "a long answer"]
    torch.manual_seed(0)
    config = LxmertConfig(
        vocab_size=len(pieces), hidden_size=16, num_attention_heads=2, intermediate_size=24, l_layers=2, r_layers=1,
        x_layers=2, visual_feat_dim=12, max_position_embeddings=20, num_qa_labels=len(answers),
        id2label=dict(enumerate(answers)), label2id={answer: i for i, answer in enumerate(answers)},
        initializer_range=0.6)
    LxmertForQuestionAnswering(config).save_pretrained(folder)
    BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, model_max_length=20).save_pretrained(folder)
    (folder / "regions.json").write_text(json.dumps({"provider": "grid", "rows": 2, "columns": 3}))
