"""ViLT, small and random."""

from pathlib import Path

from transformers import ViltConfig, ViltForQuestionAnswering, ViltImageProcessor

from tiny.kit import draw_weights, save_words


def tiny_vilt(folder: Path) -> None:
    """A random ViLT with three answers that takes pictures of any size, 32 pixels high or wide, in patches of 8."""
    answers = ["red", "blue", "a long answer"]
    config = ViltConfig(
        vocab_size=save_words(folder, ["what", "color", "is", "the", "circle", "##s", "red"]), hidden_size=16,
        num_hidden_layers=3, num_attention_heads=2, intermediate_size=24, max_position_embeddings=20, image_size=32,
        patch_size=8, id2label=dict(enumerate(answers)), label2id={answer: i for i, answer in enumerate(answers)})
    network = ViltForQuestionAnswering(config)
    draw_weights(network, seed=11)
    network.save_pretrained(folder)
    ViltImageProcessor(size={"shortest_edge": 32}, size_divisor=8).save_pretrained(folder)
