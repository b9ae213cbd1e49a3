"""Raw scores become display strengths and colours here, and nowhere else.

A strength is in [0, 1], or in [-1, 1] if some score of its stream is negative. Zero is always white.
"""

from dataclasses import dataclass

import numpy as np

RGB = tuple[int, int, int]

WHITE: RGB = (255, 255, 255)
INK: RGB = (17, 24, 39)
GREY: RGB = (98, 106, 120)
PALE: RGB = (241, 242, 245)
RULE: RGB = (222, 225, 230)


@dataclass(frozen=True)
class Colormap:
    """Evenly spaced anchor colours from strength `low` to strength 1."""

    low: float
    anchors: tuple[RGB, ...]

    def __call__(self, strengths: np.ndarray | float) -> np.ndarray:
        """Colours as uint8, (..., 3); strengths outside the scale take its end colour."""
        positions = np.linspace(self.low, 1, len(self.anchors))
        channels = [np.interp(strengths, positions, levels) for levels in zip(*self.anchors, strict=True)]
        return np.stack(channels, axis=-1).round().astype(np.uint8)


# Both lose luminance steadily away from zero, so they keep their order in grey print and for colour-blind readers.
SEQUENTIAL = Colormap(0, (WHITE, (254, 228, 140), (253, 168, 62), (236, 84, 38), (182, 10, 30)))
DIVERGING = Colormap(-1, ((24, 72, 150), (118, 172, 216), WHITE, (244, 152, 118), (182, 16, 36)))


@dataclass(frozen=True)
class Shades:
    """One stream ready for display; `largest` is the raw size of score that has strength 1 (0: all are zero)."""

    strengths: np.ndarray
    colormap: Colormap
    largest: float


def shades_of(scores: np.ndarray) -> Shades:
    """Scales one stream by its largest absolute score; diverging if any score is negative."""
    scores = np.asarray(scores, dtype=np.float64)
    if not np.isfinite(scores).all():
        raise ValueError("Scores to be drawn must be finite.")
    largest = float(np.abs(scores).max(initial=0.0))
    colormap = DIVERGING if (scores < 0).any() else SEQUENTIAL
    return Shades(scores / largest if largest else np.zeros_like(scores), colormap, largest)


def rgb(colormap: Colormap, strength: float) -> RGB:
    """One colour, as Pillow wants it."""
    red, green, blue = colormap(strength).tolist()
    return red, green, blue


def luminance(colors: np.ndarray) -> np.ndarray:
    """Rec. 601 luma in [0, 255] of (..., 3) colours."""
    return np.asarray(colors, dtype=np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)


def text_color_on(background: RGB) -> RGB:
    """Ink or white, whichever stands out."""
    return INK if luminance(np.array(background)) > 135 else WHITE
