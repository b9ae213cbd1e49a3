"""I-JEPA as a classifier, small and random."""

from pathlib import Path

from transformers import IJepaConfig, IJepaForImageClassification

from tiny.kit import ANIMALS, SMALL, save_classifier


def tiny_ijepa(folder: Path) -> None:
    """A random I-JEPA with three classes, that sees 24 x 24 pixels in 3 x 3 patches."""
    save_classifier(folder, IJepaForImageClassification(IJepaConfig(
        **SMALL, **ANIMALS, image_size=24, patch_size=8)), 30)
