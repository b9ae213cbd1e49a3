"""The drawn world that mmx's own checkpoints know: coloured shapes on textured ground.

A scene is drawn from a seed alone, in unit coordinates, so that one scene can be rendered at any size:
small for training, large for a reader. Every object comes with the exact mask of the pixels that show it,
which is what explanations are scored against.
"""

from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ("circle", "square", "triangle", "star")
COLORS: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "green": (44, 160, 62),
    "blue": (38, 92, 214),
    "yellow": (244, 208, 36),
    "purple": (138, 52, 176),
    "cyan": (40, 196, 208),
}
CLASSES = tuple(f"{color} {shape}" for color in COLORS for shape in SHAPES)

_SUPERSAMPLING = 4
_RADIUS_RANGE = (0.075, 0.17)
_OBJECT_RANGE = (2, 7)
# Centres stay at least this share of the two radii apart, so outlines may touch but nothing is hidden.
_SEPARATION = 1.0
_CORNERS = {"square": 4, "triangle": 3}


@dataclass(frozen=True)
class Thing:
    """One object of a scene: `x`, `y`, `radius` in units of the picture's side, `angle` in radians."""

    shape: str
    color: str
    x: float
    y: float
    radius: float
    angle: float
    tint: tuple[int, int, int]

    @property
    def name(self) -> str:
        return f"{self.color} {self.shape}"

    def outline(self) -> np.ndarray:
        """Corner points in unit coordinates, (corners, 2); a circle is a polygon of 48 corners."""
        if self.shape == "circle":
            corners, radii = 48, np.full(48, self.radius)
        elif self.shape == "star":
            corners, radii = 10, np.where(np.arange(10) % 2, 0.45, 1.1) * self.radius
        else:
            corners = _CORNERS[self.shape]
            radii = np.full(corners, self.radius * 1.1)
        angles = self.angle + 2 * pi * np.arange(corners) / corners
        return np.stack([self.x + radii * np.cos(angles), self.y + radii * np.sin(angles)], axis=1)


@dataclass(frozen=True)
class Scene:
    """What is in a picture, and the seed of the ground that it lies on."""

    things: tuple[Thing, ...]
    ground_seed: int


@dataclass(frozen=True)
class Picture:
    """A rendered scene.

    `pixels` is (size, size, 3) uint8; `masks` is (things, size, size) bool, the visible pixels of each thing;
    `boxes_xyxy_px` is (things, 4) float32, tight around the masks, right and bottom edges exclusive.
    """

    pixels: np.ndarray
    masks: np.ndarray
    boxes_xyxy_px: np.ndarray

    @property
    def image(self) -> Image.Image:
        return Image.fromarray(self.pixels)


def draw_scene(seed: int) -> Scene:
    """Scene number `seed`: two to seven things that do not cover each other."""
    random = np.random.default_rng(seed)
    wanted = int(random.integers(_OBJECT_RANGE[0], _OBJECT_RANGE[1] + 1))
    things: list[Thing] = []
    for _ in range(200):
        if len(things) == wanted:
            break
        radius = float(random.uniform(*_RADIUS_RANGE))
        x, y = (float(v) for v in random.uniform(1.15 * radius, 1 - 1.15 * radius, 2))
        if any((x - t.x) ** 2 + (y - t.y) ** 2 < (_SEPARATION * (radius + t.radius)) ** 2 for t in things):
            continue
        color = str(random.choice(list(COLORS)))
        tint = np.clip(np.array(COLORS[color]) + random.normal(0, 10, 3), 0, 255).astype(int)
        things.append(Thing(str(random.choice(SHAPES)), color, x, y, radius, float(random.uniform(0, 2 * pi)),
                            (int(tint[0]), int(tint[1]), int(tint[2]))))
    return Scene(tuple(things), int(random.integers(2**31)))


def render(scene: Scene, size: int) -> Picture:
    """The scene as a picture of `size` × `size` pixels, anti-aliased."""
    canvas = _ground(scene.ground_seed, size)
    masks = np.zeros((len(scene.things), size, size), dtype=bool)
    for index, thing in enumerate(scene.things):
        left, top, coverage = _coverage(thing.outline() * size, size)
        height, width = coverage.shape
        window = np.s_[top:top + height, left:left + width]
        canvas[window] += coverage[..., None] * (np.array(thing.tint, dtype=np.float32) - canvas[window])
        masks[:index, top:top + height, left:left + width] &= coverage < 0.5
        masks[(index, *window)] = coverage >= 0.5
    boxes = np.array([_box(mask) for mask in masks], dtype=np.float32).reshape(-1, 4)
    return Picture(canvas.round().clip(0, 255).astype(np.uint8), masks, boxes)


def _coverage(corners_px: np.ndarray, size: int) -> tuple[int, int, np.ndarray]:
    """Left, top and the share of each pixel that a polygon covers, cut to the picture."""
    left, top = np.maximum(np.floor(corners_px.min(axis=0)).astype(int) - 1, 0)
    right, bottom = np.minimum(np.ceil(corners_px.max(axis=0)).astype(int) + 1, size)
    fine = Image.new("L", ((right - left) * _SUPERSAMPLING, (bottom - top) * _SUPERSAMPLING))
    corners = (corners_px - (left, top)) * _SUPERSAMPLING - 0.5
    ImageDraw.Draw(fine).polygon([(float(x), float(y)) for x, y in corners], fill=255)
    return int(left), int(top), np.asarray(fine.reduce(_SUPERSAMPLING), dtype=np.float32) / 255


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def _ground(seed: int, size: int) -> np.ndarray:
    """A muted texture, (size, size, 3) float32: blotches, stripes or checks over a gentle slope of light."""
    random = np.random.default_rng(seed)
    base = random.uniform(110, 215) + random.normal(0, 9, 3)
    ys, xs = np.mgrid[0:size, 0:size].astype(np.float32) / size
    angle, frequency = random.uniform(0, 2 * pi), random.uniform(4, 14)
    along = xs * cos(angle) + ys * sin(angle)
    across = ys * cos(angle) - xs * sin(angle)
    kind = random.integers(3)
    if kind == 0:
        cells = int(random.integers(4, 16))
        blotches = Image.fromarray(random.normal(0, 1, (cells, cells)).astype(np.float32))
        texture = np.asarray(blotches.resize((size, size), Image.Resampling.BICUBIC))
    elif kind == 1:
        texture = np.sin(2 * pi * frequency * along)
    else:
        texture = np.sin(pi * frequency * along) * np.sin(pi * frequency * across)
    light = random.uniform(-25, 25) * (along - 0.5) + random.uniform(4, 16) * texture
    return (base + light[..., None]).astype(np.float32)
