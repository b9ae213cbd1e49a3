"""The image tower of SigLIP as a classifier, small and random."""

from pathlib import Path

from transformers import SiglipConfig, SiglipForImageClassification

from tiny.kit import ANIMALS, SMALL, save_classifier


def tiny_siglip_classifier(folder: Path) -> None:
    """A random SigLIP tower with three classes, that sees 24 x 24 pixels in 3 x 3 patches."""
    save_classifier(folder, SiglipForImageClassification(SiglipConfig(
        vision_config={**SMALL, "image_size": 24, "patch_size": 8}, **ANIMALS)), 28)
