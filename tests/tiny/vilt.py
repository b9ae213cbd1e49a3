"""ViLT, small and random."""

from pathlib import Path

from transformers import ViltConfig, ViltForImageAndTextRetrieval, ViltForQuestionAnswering, ViltImageProcessor

from tiny.kit import draw_weights, save_words


def save_vilt(folder: Path, network_class: type, seed: int, **more: object) -> None:
    """One that takes pictures of any size, 32 pixels high or wide, in patches of 8."""
    network = network_class(ViltConfig(
        vocab_size=save_words(folder, ["what", "color", "is", "the", "circle", "##s", "red"]), hidden_size=16,
        num_hidden_layers=3, num_attention_heads=2, intermediate_size=24, max_position_embeddings=20, image_size=32,
        patch_size=8, **more))
    draw_weights(network, seed)
    network.save_pretrained(folder)
    ViltImageProcessor(size={"shortest_edge": 32}, size_divisor=8).save_pretrained(folder)


def tiny_vilt(folder: Path) -> None:
    """A random ViLT with three answers."""
    answers = ["red", "blue", "a long answer"]
    save_vilt(folder, ViltForQuestionAnswering, 11, id2label=dict(enumerate(answers)),
              label2id={answer: i for i, answer in enumerate(answers)})


def tiny_vilt_retrieval(folder: Path) -> None:
    """A random ViLT that says how well a text fits a picture."""
    save_vilt(folder, ViltForImageAndTextRetrieval, 46)
