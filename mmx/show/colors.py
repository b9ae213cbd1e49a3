"""Raw scores become display strengths and colours here, and nowhere else.

A strength is in [0, 1], or in [-1, 1] if some score of its stream is negative, or its method may speak against. Zero
leaves its ground as it is: what lies under relevance turns pale, and is tinted the more the stronger it is. Maps,
regions, words and legends go through the same blend, `Colors.over`.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from mmx.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

RGB = tuple[int, int, int]

WHITE: RGB = (255, 255, 255)
INK: RGB = (17, 24, 39)
GREY: RGB = (98, 106, 120)
PALE: RGB = (241, 242, 245)
RULE: RGB = (222, 225, 230)

# Okabe and Ito's colours, which colour-blind readers tell apart.
DISTINCT: tuple[RGB, ...] = ((0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0),
                             (240, 228, 66), (40, 40, 40))

SEQUENTIAL, DIVERGING = "mmx", "mmx-signed"
# Both lose luminance steadily away from zero, so they keep their order in grey print and for colour-blind readers.
_ANCHORS = {SEQUENTIAL: (WHITE, (254, 228, 140), (253, 168, 62), (236, 84, 38), (182, 10, 30)),
            DIVERGING: ((24, 72, 150), (118, 172, 216), WHITE, (244, 152, 118), (182, 16, 36))}
_LEVELS = 1024
_ALPHA = 0.6
_LUMA = (0.299, 0.587, 0.114)
_WASH = 0.72  # how far what lies under relevance goes to pale grey
_LIGHTEN = 0.4  # how much lighter that grey is
# Of each colour of what lies under relevance: its shares of red, green and blue, and what is added to them.
_PALE = tuple(number for own in np.eye(3) for number in
              (*((1 - _WASH) * own + _WASH * (1 - _LIGHTEN) * np.array(_LUMA)), _WASH * _LIGHTEN * 255))
_GAMMA = 0.7  # weak relevance is seen a little sooner
_AT_ONCE = 64  # rows, so that what is in between stays in a processor's cache
# Scores below it are products that have underflowed on their way.
_NOISE = {"float64": 1e-290, "float32": 1e-30, "bfloat16": 1e-30, "float16": 1e-6}


@dataclass(frozen=True)
class Look:
    """How relevance is drawn, as a user may ask for it.

    Attributes:
        cmap: one of matplotlib's colour maps by name; None is mmx's own.
        alpha: how much the strongest colour covers, from 0 to 1; None is mmx's own.
        cells: whether a map shows its patches, each in its own colour, and is not spread smoothly.

    Raises:
        UsageError: alpha is not in its range, or there is no such colour map.
    """

    cmap: str | None = None
    alpha: float | None = None
    cells: bool = False

    def __post_init__(self) -> None:
        if self.alpha is not None and not 0 <= self.alpha <= 1:
            raise UsageError(f"An alpha of {self.alpha:g} makes no sense.", "It is from 0 to 1.")
        if self.cmap is not None:
            colormap(self.cmap)


@dataclass(frozen=True)
class Colors:
    """The colours of a stream: of `cmap` by name, from strength 0, or if `signed` from -1, to 1."""

    cmap: str
    signed: bool = False
    alpha: float = _ALPHA

    @property
    def low(self) -> int:
        return -1 if self.signed else 0

    def at(self, strengths: np.ndarray | float) -> np.ndarray:
        """The colour map alone as uint8, (..., 3); strengths outside it take its end colour."""
        levels = _levels(self.cmap)
        places = (np.asarray(strengths, dtype=np.float64) - self.low) * (len(levels) / (1 - self.low))
        return np.take(levels, places.clip(0, len(levels) - 1).astype(np.intp), axis=0)

    def over(self, ground: np.ndarray, strengths: np.ndarray) -> np.ndarray:
        """Strengths (...) over a ground (..., 3) of uint8, as uint8."""
        image = Image.fromarray(np.ascontiguousarray(ground, dtype=np.uint8).reshape(1, -1, 3))
        return np.asarray(self.over_image(image, np.reshape(strengths, (1, -1)))).reshape(np.shape(ground))

    def over_image(self, image: Image.Image, strengths: np.ndarray) -> Image.Image:
        """A picture, RGB, under its strengths (height, width)."""
        shown = image.convert("RGB", _PALE)
        for top in range(0, image.height, _AT_ONCE):
            film = Image.fromarray(self.film(strengths[top:top + _AT_ONCE]))
            shown.paste(film, (0, top), film)
        return shown

    def film(self, strengths: np.ndarray) -> np.ndarray:
        """What `over` lays on its ground where that is pale already: (..., 4) of uint8, the last its opacity."""
        films = _films(self)
        steps = (len(films) - 1) / (1 - self.low)
        levels = ((np.asarray(strengths) - self.low) * steps + 0.5).clip(0, len(films) - 1).astype(np.intp)
        return films.take(levels).view(np.uint8).reshape(*levels.shape, 4)

    def on_white(self, strength: float) -> RGB:
        """One strength over white: the ground of words."""
        red, green, blue = self.over(np.array(WHITE), np.array(strength)).tolist()
        return red, green, blue

    def pure(self, strength: float) -> RGB:
        """One strength through and through: of outlines."""
        red, green, blue = self.at(strength).tolist()
        return red, green, blue


@dataclass(frozen=True)
class Shades:
    """One stream ready for display.

    Attributes:
        largest: the raw size of score that has strength 1; 0 where all are zero.
        negligible: scores there are, but none above the noise of their dtype; they have no strength.
    """

    strengths: np.ndarray
    colors: Colors
    largest: float
    negligible: bool = False

    @property
    def ends(self) -> tuple[float, float]:
        """The raw scores at the ends of the colours."""
        return self.colors.low * self.largest, self.largest


def shades_of(scores: np.ndarray, dtype: str = "float64", look: Look | None = None, signed: bool = False) -> Shades:
    """Scales one stream by its largest absolute score; centred on zero if it is `signed` or any score is negative.

    Args:
        dtype: of the model, which says below what size a score is noise.

    Raises:
        ValueError: a score is not finite.
    """
    scores, look = np.asarray(scores, dtype=np.float64), look or Look()
    if not np.isfinite(scores).all():
        raise ValueError("Scores to be drawn must be finite.")
    largest, signed = float(np.abs(scores).max(initial=0.0)), signed or bool((scores < 0).any())
    negligible = 0 < largest < _NOISE.get(dtype, 0)
    colors = Colors(look.cmap or (DIVERGING if signed else SEQUENTIAL), signed,
                    _ALPHA if look.alpha is None else look.alpha)
    strengths = scores / largest if largest and not negligible else np.zeros_like(scores)
    return Shades(strengths, colors, largest, negligible)


@lru_cache
def colormap(name: str) -> "Colormap":
    """mmx's own or one of matplotlib's. Raises UsageError where there is none of that name."""
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap

    if name in _ANCHORS:
        return LinearSegmentedColormap.from_list(name, [unit(color) for color in _ANCHORS[name]], _LEVELS)
    if name not in colormaps:
        raise UsageError(f"matplotlib has no colour map '{name}'.", "There are viridis, magma, coolwarm and others.")
    return colormaps[name]


@lru_cache
def _levels(name: str) -> np.ndarray:
    """The colours of a map in order, (levels, 3), uint8."""
    found = colormap(name)
    return (np.asarray(found(np.arange(found.N)))[:, :3] * 255).round().astype(np.uint8)


@lru_cache
def _films(colors: Colors) -> np.ndarray:
    """Of strengths from the weakest to the strongest, zero among them, four bytes each as one number: (levels,)."""
    strengths = np.linspace(colors.low, 1, _LEVELS * (1 - colors.low) + 1)
    opacity = (255 * colors.alpha * np.abs(strengths)**_GAMMA).round().astype(np.uint8)
    return np.concatenate([colors.at(strengths), opacity[:, None]], axis=1).view(np.uint32)[:, 0]


@lru_cache
def legend(colors: Colors, width: int, height: int) -> np.ndarray:
    """What strengths look like, weakest to strongest from left to right, over white (top) to black grounds; uint8."""
    ground = np.linspace(255, 0, height).round()[:, None, None] * np.ones((1, width, 3))
    shown = colors.over(ground, np.tile(np.linspace(colors.low, 1, width), (height, 1)))
    shown.setflags(write=False)  # it is shared
    return shown


def unit(color: RGB) -> tuple[float, float, float]:
    """As matplotlib wants it, from 0 to 1."""
    red, green, blue = color
    return red / 255, green / 255, blue / 255


def luminance(colors: np.ndarray) -> np.ndarray:
    """Rec. 601 luma in [0, 255] of (..., 3) colours."""
    return np.asarray(colors, dtype=np.float32) @ np.array(_LUMA, dtype=np.float32)


def text_color_on(background: RGB) -> RGB:
    """Ink or white, whichever stands out."""
    return INK if luminance(np.array(background)) > 135 else WHITE
