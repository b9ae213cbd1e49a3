"""BEiT and data2vec's image model, small and random."""

from pathlib import Path

from transformers import (
    BeitConfig,
    BeitForImageClassification,
    Data2VecVisionConfig,
    Data2VecVisionForImageClassification,
)

from tiny.kit import ANIMALS, SMALL, save_classifier

_PLAIN = {**SMALL, **ANIMALS, "image_size": 24, "patch_size": 8, "layer_scale_init_value": 0.5}


def tiny_beit(folder: Path) -> None:
    """A random BEiT with three classes and biases of places for each layer, that reads the mean of 3 x 3 patches."""
    save_classifier(folder, BeitForImageClassification(BeitConfig(**_PLAIN, use_relative_position_bias=True)), 23)


def tiny_beit_cls(folder: Path) -> None:
    """The same with one bias of places for all layers beside position embeddings, that reads [CLS]."""
    save_classifier(folder, BeitForImageClassification(BeitConfig(
        **_PLAIN, use_shared_relative_position_bias=True, use_absolute_position_embeddings=True,
        use_mean_pooling=False)), 24)


def tiny_data2vec_vision(folder: Path) -> None:
    """A random data2vec with three classes and biases of places for each layer, that reads the mean of its patches."""
    save_classifier(folder, Data2VecVisionForImageClassification(Data2VecVisionConfig(
        **_PLAIN, use_relative_position_bias=True)), 25)
