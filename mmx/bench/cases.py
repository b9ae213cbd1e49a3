"""Which subjects `explain` measures, at which sizes, and with which methods; it needs no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmx.bench.subjects import Subject


class Published(StrEnum):
    VIT = "vit"
    DECODER = "decoder"
    CLIP = "clip"
    DETR = "detr"
    LXMERT = "lxmert"
    VISUAL_BERT = "visual-bert"
    SIGLIP = "siglip"
    DINOV2 = "dinov2"


class Answering(StrEnum):
    """Those that answer questions, which `perturb` measures."""

    LXMERT = Published.LXMERT
    VISUAL_BERT = Published.VISUAL_BERT


@dataclass(frozen=True)
class Case:
    """One kind of model.

    Attributes:
        build: name of the function of `mmx.bench.models`, which is given the size.
        grows: what the size is.
        sizes: those that are measured; `quick` instead where a minute must do.
        in_full: up to this size each method is measured, and all together; above it relevance alone.
    """

    build: str
    grows: str
    sizes: tuple[int, ...]
    quick: tuple[int, ...]
    in_full: int

    def subject(self, size: int) -> "Subject":
        """The random model of this size."""
        from mmx.bench import models

        build: Callable[[int], Subject] = getattr(models, self.build)
        return build(size)


CASES: dict[Published, Case] = {
    Published.VIT: Case("vit_base", "pixels", (224, 384, 512, 768), (224,), 224),
    Published.DECODER: Case("decoder", "tokens", (500, 1000, 2000, 4000), (250, 500), 1000),
    Published.CLIP: Case("clip_base", "texts", (1, 8, 64), (8,), 8),
    Published.DETR: Case("detr_resnet_50", "detections", (1, 8, 32, 100), (), 0),
    Published.LXMERT: Case("lxmert_base", "samples", (1, 16), (), 1),
    Published.VISUAL_BERT: Case("visual_bert_base", "samples", (1, 16), (), 1),
    Published.SIGLIP: Case("siglip_base", "texts", (1, 8), (), 1),
    Published.DINOV2: Case("dinov2_base", "pixels", (224, 518), (), 224),
}
"""DETR in full takes minutes: ask for its methods by name."""
