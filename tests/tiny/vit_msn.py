"""ViT trained by masked siamese networks, small and random."""

from pathlib import Path

from transformers import ViTMSNConfig, ViTMSNForImageClassification

from tiny.kit import ANIMALS, SMALL, save_classifier


def tiny_vit_msn(folder: Path) -> None:
    """A random ViT with three classes, that sees 24 x 24 pixels in 3 x 3 patches."""
    save_classifier(folder, ViTMSNForImageClassification(ViTMSNConfig(
        **SMALL, **ANIMALS, image_size=24, patch_size=8)), 29)
