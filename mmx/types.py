"""What is handed from stage to stage: frozen results, raw numbers, no logic beyond their own form."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Picture:
    """A picture as a model and a reader see it: upright, RGB, 8 bits.

    `notes` says what had to be done to get there ("first of 12 frames", "rotated as its EXIF says").
    """

    image: "Image"
    source: str
    sha256: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Token:
    """One token of a text: `text` as the reader typed it, `piece` as the tokenizer has it."""

    text: str
    piece: str
    special: bool
    span: tuple[int, int] | None


@dataclass(frozen=True)
class Region:
    """A part of a picture with a box in its pixels, and what the region provider says of it."""

    box_xyxy_px: tuple[float, float, float, float]
    label: str | None = None
    score: float | None = None


@dataclass(frozen=True)
class Prediction:
    """One answer or class with its softmax probability."""

    index: int
    label: str
    probability: float


@dataclass(frozen=True)
class Detection:
    """A detected object: which object query found it, and its box in the picture's pixels."""

    query: int
    box_xyxy_px: tuple[float, float, float, float]


@dataclass(frozen=True)
class ModelInfo:
    """Which model it was: `revision` is a hub commit, or "sha256:..." over a local folder's weights."""

    name: str
    family: str
    revision: str
    device: str
    dtype: str


@dataclass(frozen=True)
class Explanation:
    """Why a model gave one answer to one question about one picture, or found one object, by one method.

    `scores` holds raw relevance by stream, unscaled and finite: "text" (tokens,), "image" (regions,), or, where
    `grid` is (rows, cols), "image" (rows * cols,) over the whole picture, row by row.
    `target` is the answer or class that is explained, `predictions` the most probable ones in order.
    `detection` says which object it is; then there is no question.
    """

    picture: Picture
    question: str
    method: str
    target: Prediction
    predictions: tuple[Prediction, ...]
    scores: dict[str, np.ndarray]
    tokens: tuple[Token, ...]
    regions: tuple[Region, ...]
    region_provider: str
    model: ModelInfo
    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    grid: tuple[int, int] | None = None
    detection: Detection | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: plain types only, in a stable order. Raises ValueError if a score is not finite."""
        from mmx.render.report import explanation_to_dict

        return explanation_to_dict(self)

    def to_image(self) -> "Image":
        """The picture with its regions' relevance over it, the shaded question and the answer."""
        from mmx.render.panel import explanation_panel

        return explanation_panel(self)

    def save(self, folder: str | Path, stem: str | None = None) -> tuple[Path, Path]:
        """Writes `<stem>.<method>.png` and `.json` into `folder` (made if absent) and returns their paths."""
        from mmx.render.report import save_explanation

        return save_explanation(self, Path(folder), stem)

    def _repr_png_(self) -> bytes:
        from mmx.render.report import png_bytes

        return png_bytes(self.to_image())

    def _repr_html_(self) -> str:
        from mmx.render.report import explanation_html

        return explanation_html(self)
