"""The parts of an explanation: what was asked, of which model, about which picture, and what is explained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mmx.arrays import Float
from mmx.results.elements import Box, Elements

if TYPE_CHECKING:
    from PIL.Image import Image

Unit = Literal["softmax", "sigmoid", "similarity", "logit", "value"]
"""What a score is: a share of one among all, a probability of its own, a cosine, a raw logit, a plain number."""


@dataclass(frozen=True)
class Picture:
    """A picture as a model and a reader see it: upright, RGB, 8 bits.

    Attributes:
        image: the pixels; of a result that was read from JSON, None until it is drawn.
        source: the file's path as it was given, or what stands for it.
        sha256: of the file's bytes, or of the pixels where there is no file.
        notes: what had to be done to get there ("first of 12 frames", "rotated as its EXIF says").
        size_px: width and height where `image` is None; see `size`.
    """

    image: "Image | None"
    source: str
    sha256: str
    notes: tuple[str, ...] = ()
    size_px: tuple[int, int] = (0, 0)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.size_px if self.image is None else self.image.size


@dataclass(frozen=True)
class Prediction:
    """One answer, class or text.

    Attributes:
        index, label: which one it is: of answers, of classes, of the texts that were asked about.
        score, unit: what the model says of it.
    """

    index: int
    label: str
    score: float
    unit: Unit


@dataclass(frozen=True)
class Item:
    """One explained target.

    Attributes:
        kind: "answer", "class", "text", "detection" or "word"; or "function", of the model's outputs.
        index, label: which one it is: of answers, of classes, of the texts that were asked about; of words of an answer
            that was written, the number of its first token there, from 1, and 0 for the whole.
        score, unit: what the model says of it.
        scores: raw relevance by stream, finite and unscaled; empty where it was not explained.
        also: further measures of it by unit.
        query, box_xyxy_px: of a detection, which object query found it and where.
        predictions: of a detection, its most probable classes.
        elements: of the streams that are its own, such as the words of a text.
        notes: what a reader of this item must know.
        span: of words that were written, their first character in the answer and the one after their last.
        log_probability: of words that were written, in nats, given all that stands before them.
        log_probability_without_picture: the same where the picture is blank.
    """

    kind: str
    index: int
    label: str
    score: float
    unit: Unit
    scores: Mapping[str, Float[np.ndarray, " _tokens"]] = field(default_factory=dict)
    also: Mapping[Unit, float] = field(default_factory=dict)
    query: int | None = None
    box_xyxy_px: Box | None = None
    predictions: tuple[Prediction, ...] = ()
    elements: Elements = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    span: tuple[int, int] | None = None
    log_probability: float | None = None
    log_probability_without_picture: float | None = None

    def __repr__(self) -> str:
        scores = ", ".join(f"{len(row)} {stream} scores" for stream, row in self.scores.items())
        return f"<Item {self.kind} {self.index}, {told_score(self)}: {scores or 'not explained'}>"

    @property
    def prediction(self) -> Prediction:
        """Which target it is, with its score."""
        return Prediction(self.index, self.label, self.score, self.unit)

    @property
    def drop_without_picture(self) -> float | None:
        """How much of the log-probability goes where the picture is blank, in nats; None where that is not known."""
        if self.log_probability is None or self.log_probability_without_picture is None:
            return None
        return self.log_probability - self.log_probability_without_picture


def told_score(one: Item | Prediction) -> str:
    """ "red 0.93 softmax", on one line whatever the label is."""
    return f"{' '.join(one.label.split())} {one.score:.3g} {one.unit}"


DEFAULT_THRESHOLD = 0.5
"""Of detections of a detector's own classes, where none is asked for."""


Function = Callable[[Any], Any]
"""From a model's outputs, by name, to one score of each sample."""
_IF_GIVEN = ("answer", "against", "level", "score", "max_new_tokens", "function", "samples")


@dataclass(frozen=True)
class Asked:
    """What is asked about a picture. Which of it fits a model is its family's to say.

    Attributes:
        question: asked of a model that answers.
        answer: of a model that writes its answers: the one that is explained; None is the model's own.
        texts: texts that are matched with the picture.
        targets: what is explained, by name or index; none is what the model predicts, or every text.
        threshold: detections surer than this are explained, or
        queries: these object queries, however sure they are.
        class_name: detections of this class only; with `queries`, what they are asked about.
        start_layers: the first layer that is read, by stream; -1 is the last one alone.
        regions: who provides regions, where the model looks at regions.
        against: what is explained is compared with this class, text or answer: what speaks for one and not for the
            other.
        level: where scores of pictures are read, of a language model that is shown them: at its image "tokens"
            (None), or carried back to the patches of its "tower", or so by N(R), "tower-normalized".
        score: what of a class, text or token is explained: its "logit" (None), its "probability", the logarithm
            "logprob" of that, or its "similarity".
        max_new_tokens: how many tokens a model may write; None is mmx's default.
        function: what is explained in the place of all that; in a result, its name.
        samples: how often a method runs the model again that can choose; None is the method's default.
    """

    question: str | None = None
    texts: tuple[str, ...] = ()
    targets: tuple[str | int, ...] = ()
    threshold: float | None = None
    queries: tuple[int, ...] = ()
    class_name: str | None = None
    start_layers: Mapping[str, int] = field(default_factory=dict)
    regions: str | None = None
    answer: str | None = None
    against: str | int | None = None
    level: str | None = None
    score: str | None = None
    max_new_tokens: int | None = None
    function: Function | str | None = None
    samples: int | None = None

    @property
    def function_name(self) -> str | None:
        """What the function is called."""
        if self.function is None or isinstance(self.function, str):
            return self.function
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def to_dict(self) -> dict[str, Any]:
        """All but the question, which stands by itself in the JSON form; what few models are asked, if given."""
        return {"texts": list(self.texts), "targets": list(self.targets),
                "threshold": self.threshold, "queries": list(self.queries), "class": self.class_name,
                "start_layers": dict(self.start_layers), "regions": self.regions,
                **{name: value for name in _IF_GIVEN
                   if (value := self.function_name if name == "function" else getattr(self, name)) is not None}}

    @classmethod
    def from_dict(cls, question: str | None, document: Mapping[str, Any]) -> "Asked":
        """What `to_dict` wrote. Raises LookupError or TypeError where it is something else."""
        return cls(question, tuple(document["texts"]), tuple(document["targets"]), document["threshold"],
                   tuple(document["queries"]), document["class"], dict(document["start_layers"]), document["regions"],
                   *map(document.get, _IF_GIVEN))


@dataclass(frozen=True)
class ModelInfo:
    """Which model it was.

    Attributes:
        family: name of its family's file; `architecture`: of its `transformers` class.
        revision: a hub commit, or "sha256:..." over a local folder's weights, config, tokenizer and other settings; of
            another's image processor too, where one was given.
        device, dtype: where and in which numbers it runs, "cpu" and "float32".
    """

    name: str
    family: str
    architecture: str
    revision: str
    device: str
    dtype: str


def starts_by_stream(start_layer: int | None, start_layer_text: int | None) -> dict[str, int]:
    """The start layers that were given, by stream."""
    given = {"image": start_layer, "text": start_layer_text}
    return {stream: start for stream, start in given.items() if start is not None}
