"""The image towers of SigLIP and SigLIP 2 as classifiers, small and random."""

from pathlib import Path

from transformers import (
    Siglip2Config,
    Siglip2ForImageClassification,
    Siglip2ImageProcessor,
    SiglipConfig,
    SiglipForImageClassification,
)

from tiny.kit import ANIMALS, SMALL, draw_weights, save_classifier


def tiny_siglip_classifier(folder: Path) -> None:
    """A random SigLIP tower with three classes, that sees 24 x 24 pixels in 3 x 3 patches."""
    save_classifier(folder, SiglipForImageClassification(SiglipConfig(
        vision_config={**SMALL, "image_size": 24, "patch_size": 8}, **ANIMALS)), 28)


def tiny_siglip2_classifier(folder: Path) -> None:
    """A random SigLIP 2 tower with three classes, of at most 16 patches in a grid as wide and high as the picture."""
    network = Siglip2ForImageClassification(Siglip2Config(
        vision_config={**SMALL, "num_patches": 9, "patch_size": 8}, **ANIMALS))
    draw_weights(network, seed=31)
    network.save_pretrained(folder)
    Siglip2ImageProcessor(patch_size=8, max_num_patches=16).save_pretrained(folder)
