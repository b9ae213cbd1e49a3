"""VisualBERT, small and random."""

import json
from pathlib import Path

from transformers import VisualBertConfig, VisualBertForQuestionAnswering

from tiny.kit import draw_weights, save_words


def tiny_visual_bert(folder: Path) -> None:
    """A random VisualBERT with three answers whose regions are a 2 x 3 grid."""
    answers = ["red", "blue", "a long answer"]
    network = VisualBertForQuestionAnswering(VisualBertConfig(
        vocab_size=save_words(folder, ["what", "color", "is", "the", "circle", "##s", "red"]), hidden_size=16,
        visual_embedding_dim=12, num_hidden_layers=3, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=20, id2label=dict(enumerate(answers)),
        label2id={answer: i for i, answer in enumerate(answers)}))
    draw_weights(network, seed=16)
    network.save_pretrained(folder)
    (folder / "regions.json").write_text(json.dumps({"provider": "grid", "rows": 2, "columns": 3}))
