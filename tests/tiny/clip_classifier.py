"""The image towers of CLIP and MetaCLIP 2 as classifiers, small and random."""

from pathlib import Path

from transformers import CLIPConfig, CLIPForImageClassification, MetaClip2Config, MetaClip2ForImageClassification

from tiny.kit import ANIMALS, SMALL, save_classifier

_TOWER = {**SMALL, "image_size": 24, "patch_size": 8}


def tiny_clip_classifier(folder: Path) -> None:
    """A random CLIP tower with three classes, that sees 24 x 24 pixels in 3 x 3 patches."""
    save_classifier(folder, CLIPForImageClassification(CLIPConfig(vision_config=_TOWER, **ANIMALS)), 26)


def tiny_metaclip_2_classifier(folder: Path) -> None:
    """The same of MetaCLIP 2."""
    save_classifier(folder, MetaClip2ForImageClassification(MetaClip2Config(
        vision_config=_TOWER, text_config={"bos_token_id": 0, "eos_token_id": 1}, **ANIMALS)), 27)
