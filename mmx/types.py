"""What is handed from stage to stage: frozen results, raw numbers, no logic beyond their own form."""

from collections.abc import Iterator
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
class Wanted:
    """Which detections are asked for: those surer than `threshold`, of one class if one is named; or else `queries`.

    A class that is named together with queries is what they are asked about, in the place of their own.
    """

    threshold: float | None = None
    queries: tuple[int, ...] = ()
    class_name: str | None = None


@dataclass(frozen=True)
class Candidate:
    """A detection that was not asked for."""

    detection: Detection
    prediction: Prediction


@dataclass(frozen=True)
class Match:
    """How well a picture and a text fit: the cosine of their embeddings, and the logit that a model makes of it."""

    similarity: float
    logit: float


@dataclass(frozen=True)
class ModelInfo:
    """Which model it was: `revision` is a hub commit, or "sha256:..." over a local folder's weights."""

    name: str
    family: str
    revision: str
    device: str
    dtype: str


class Savable:
    """What draws itself, in a notebook too, and is saved as a picture and a JSON file."""

    def to_image(self) -> "Image":
        raise NotImplementedError

    def save(self, folder: str | Path, stem: str | None = None) -> tuple[Path, Path]:
        """Writes `<stem>.<method>.png` and `.json` into `folder` (made if absent) and returns their paths.

        Of a single detection, `<stem>.query-<number>.<method>.png` and `.json`.
        """
        from mmx.render.report import save_explanation

        return save_explanation(self, Path(folder), stem)  # type: ignore[arg-type]

    def _repr_png_(self) -> bytes:
        from mmx.render.report import png_bytes

        return png_bytes(self.to_image())


@dataclass(frozen=True)
class Explanation(Savable):
    """Why a model gave one answer to one question about one picture, or found one object, by one method.

    `scores` holds raw relevance by stream, unscaled and finite: "text" (tokens,), "image" (regions,), or, where
    `grid` is (rows, cols), "image" (rows * cols,) row by row over the part `view_xyxy_px` of the picture (None: all).
    `target` is the answer or class that is explained, `predictions` the most probable ones in order.
    `detection` says which object it is, `match` how well a text fits, which then stands in the place of the question.
    `start_layers` says from which layer on each stream was read (-1: the last one alone), where that can be chosen.
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
    view_xyxy_px: tuple[float, float, float, float] | None = None
    match: Match | None = None
    start_layers: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: plain types only, in a stable order. Raises ValueError if a score is not finite."""
        from mmx.render.report import explanation_to_dict

        return explanation_to_dict(self) if self.grid is None else self._alone().to_dict()

    def to_image(self) -> "Image":
        """The picture with its regions' relevance over it, the shaded question and the answer."""
        from mmx.render.panel import explanation_panel

        return explanation_panel(self) if self.grid is None else self._alone().to_image()

    def _repr_html_(self) -> str:
        from mmx.render.report import explanation_html

        return explanation_html(self) if self.grid is None else self._alone()._repr_html_()

    def _alone(self) -> "Detections | Explanations":
        """A detection in the form of all detections of a picture; a class or a text in the form of several."""
        if self.detection is None:
            return Explanations(self.picture, self.method, self.model, (self,), self.versions, self.notes)
        wanted = Wanted(queries=(self.detection.query,), class_name=self.target.label)
        return Detections(self.picture, self.method, self.model, wanted, (self,), (), self.versions, self.notes)


class Several(Savable):
    """The explanations of one picture, as a sequence."""

    explanations: tuple[Explanation, ...]

    def __iter__(self) -> Iterator[Explanation]:
        return iter(self.explanations)

    def __len__(self) -> int:
        return len(self.explanations)

    def __getitem__(self, index: int) -> Explanation:
        return self.explanations[index]


@dataclass(frozen=True)
class Detections(Several):
    """Why a model found what it found in one picture, by one method: an explanation for each detection.

    `wanted` says which detections were asked for; `others` are the surest ones that were not. There may be none of
    either. Those over a threshold come surest first, queries as they were asked for.
    """

    picture: Picture
    method: str
    model: ModelInfo
    wanted: Wanted
    explanations: tuple[Explanation, ...]
    others: tuple[Candidate, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: plain types only, in a stable order. Raises ValueError if a score is not finite."""
        from mmx.render.report import detections_to_dict

        return detections_to_dict(self)

    def to_image(self) -> "Image":
        """The picture with every box, then a panel for each detection with its relevance."""
        from mmx.render.detection_sheet import detection_sheet

        return detection_sheet(self)

    def _repr_html_(self) -> str:
        from mmx.render.report import detections_html

        return detections_html(self)


@dataclass(frozen=True)
class Explanations(Several):
    """Why a model sees classes in one picture, or how it matches texts, by one method: an explanation for each.

    They come as they were asked for, at least one.
    """

    picture: Picture
    method: str
    model: ModelInfo
    explanations: tuple[Explanation, ...]
    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def of_texts(self) -> bool:
        """Whether texts are explained, and not classes."""
        return self.explanations[0].match is not None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: plain types only, in a stable order. Raises ValueError if a score is not finite."""
        from mmx.render.report import explanations_to_dict

        return explanations_to_dict(self)

    def to_image(self) -> "Image":
        """The picture, then a panel for each class or text with its relevance, and the text's words shaded."""
        from mmx.render.map_sheet import map_sheet

        return map_sheet(self)

    def _repr_html_(self) -> str:
        from mmx.render.report import explanations_html

        return explanations_html(self)
