"""What is handed from stage to stage and to users: frozen, plain data, raw numbers. Results know nothing of drawing.

An `Explanation` is one model, its picture or pictures, one method and one thing asked, with any number of items. An item is one
explained target: an answer, a class, a text or a detection. What token i of a stream is in the world stands in its
elements: words, patches, regions.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from mmx.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

SCHEMA_VERSION = 2
Box = tuple[float, float, float, float]
"""left, top, right, bottom in the picture's pixels"""
_SIDES = ("left", "top", "right", "bottom")
Unit = Literal["softmax", "sigmoid", "similarity", "logit", "value"]
"""What a score is: a share of one among all, a probability of its own, a cosine, a raw logit, a plain number."""


@dataclass(frozen=True)
class Picture:
    """A picture as a model and a reader see it: upright, RGB, 8 bits.

    `notes` says what had to be done to get there ("first of 12 frames", "rotated as its EXIF says"). Of a result that
    was read from JSON, `image` is None until it is drawn, and `size_px` is (width, height).
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
class Token:
    """One token of a text: `text` as the reader typed it, `piece` as the tokenizer has it."""

    text: str
    piece: str
    special: bool
    span: tuple[int, int] | None


@dataclass(frozen=True)
class Region:
    """A part of a picture with a box in its pixels, and what the region provider says of it."""

    box_xyxy_px: Box
    label: str | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Words:
    """The tokens of a text, in order."""

    kind: ClassVar[str] = "words"
    text: str
    tokens: tuple[Token, ...]

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class Patches:
    """A grid of patches, row by row, over the part `box_xyxy_px` of a picture; it may reach beyond its edge."""

    kind: ClassVar[str] = "patches"
    rows: int
    columns: int
    box_xyxy_px: Box
    picture: int = 0

    def __len__(self) -> int:
        return self.rows * self.columns

    @property
    def boxes_xyxy_px(self) -> tuple[Box, ...]:
        """The box of each patch."""
        left, top, right, bottom = self.box_xyxy_px
        width, height = (right - left) / max(1, self.columns), (bottom - top) / max(1, self.rows)
        return tuple((left + column * width, top + row * height, left + (column + 1) * width, top + (row + 1) * height)
                     for row in range(self.rows) for column in range(self.columns))


@dataclass(frozen=True)
class Regions:
    """Regions of a picture, in any order; `provider` says who found them."""

    kind: ClassVar[str] = "regions"
    regions: tuple[Region, ...]
    provider: str = ""
    picture: int = 0

    def __len__(self) -> int:
        return len(self.regions)

    @property
    def boxes_xyxy_px(self) -> tuple[Box, ...]:
        """The box of each region."""
        return tuple(region.box_xyxy_px for region in self.regions)


Element = Words | Patches | Regions
Elements = Mapping[str, tuple[Element, ...]]
"""stream → what its tokens are, one block of them after another"""


@dataclass(frozen=True)
class Block:
    """Some consecutive tokens of a stream: what they are, and their raw scores, (tokens,)."""

    stream: str
    element: Element
    scores: np.ndarray


@dataclass(frozen=True)
class Prediction:
    """One answer, class or text with its score and the unit of that score."""

    index: int
    label: str
    score: float
    unit: Unit


@dataclass(frozen=True)
class Item:
    """One explained target.

    Attributes:
        kind: "answer", "class", "text" or "detection".
        index, label: which one it is: of answers, of classes, of the texts that were asked about.
        score, unit: what the model says of it.
        scores: raw relevance by stream, (tokens,), finite and unscaled; empty where it was not explained.
        also: further measures of it by unit.
        query, box_xyxy_px: of a detection, which object query found it and where.
        predictions: of a detection, its most probable classes.
        elements: of the streams that are its own, such as the words of a text.
        notes: what a reader of this item must know.
    """

    kind: str
    index: int
    label: str
    score: float
    unit: Unit
    scores: Mapping[str, np.ndarray] = field(default_factory=dict)
    also: Mapping[str, float] = field(default_factory=dict)
    query: int | None = None
    box_xyxy_px: Box | None = None
    predictions: tuple[Prediction, ...] = ()
    elements: Elements = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def prediction(self) -> Prediction:
        return Prediction(self.index, self.label, self.score, self.unit)


@dataclass(frozen=True)
class Asked:
    """What is asked about a picture. Which of it fits a model is its family's to say.

    Attributes:
        texts: texts that are matched with the picture.
        targets: what is explained, by name or index; none is what the model predicts, or every text.
        threshold: detections surer than this are explained, or
        queries: these object queries, however sure they are.
        class_name: detections of this class only; with `queries`, what they are asked about.
        start_layers: the first layer that is read, by stream; -1 is the last one alone.
        regions: who provides regions, where the model looks at regions.
    """

    question: str | None = None
    texts: tuple[str, ...] = ()
    targets: tuple[str | int, ...] = ()
    threshold: float | None = None
    queries: tuple[int, ...] = ()
    class_name: str | None = None
    start_layers: Mapping[str, int] = field(default_factory=dict)
    regions: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {"question": self.question, "texts": list(self.texts), "targets": list(self.targets),
                "threshold": self.threshold, "queries": list(self.queries), "class": self.class_name,
                "start_layers": dict(self.start_layers), "regions": self.regions}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Asked":
        return cls(document["question"], tuple(document["texts"]), tuple(document["targets"]), document["threshold"],
                   tuple(document["queries"]), document["class"], dict(document["start_layers"]), document["regions"])


@dataclass(frozen=True)
class ModelInfo:
    """Which model it was.

    Attributes:
        family: name of its family's file; `architecture`: of its `transformers` class.
        revision: a hub commit, or "sha256:..." over a local folder's weights.
    """

    name: str
    family: str
    architecture: str
    revision: str
    device: str
    dtype: str


@dataclass(frozen=True)
class Explanation:
    """Why a model said what it said of a picture, by one method: any number of items, perhaps none.

    Attributes:
        pictures: mostly one; an element's `picture` is its place here.
        asked: what was asked, in full: defaults filled in, names as the model has them.
        elements: what the tokens of each stream are that all items share; see `elements_of`.
        items: what is explained: surest first where a threshold was asked for, else as they were asked for.
        predictions: what the model holds most probable, best first; of a detector none.
        others: the surest detections that were not asked for, with no scores.
        left_out: methods that were asked for too and cannot run on this model, each with the reason.
    """

    model: ModelInfo
    method: str
    pictures: tuple[Picture, ...]
    asked: Asked
    elements: Elements
    items: tuple[Item, ...]
    predictions: tuple[Prediction, ...] = ()
    others: tuple[Item, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    # What draws results fills these in: name → function of the explanation.
    drawn_by: ClassVar[dict[str, Callable[..., Any]]] = {}

    @property
    def picture(self) -> Picture:
        """The first one."""
        return self.pictures[0]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __getitem__(self, index: int) -> Item:
        return self.items[index]

    def __repr__(self) -> str:
        items = ", ".join(f"{item.label} {item.score:.3g} {item.unit}" for item in self.items[:3])
        more = f", and {len(self) - 3} more" if len(self) > 3 else ""
        return f"<Explanation of {self.picture.source} by {self.method}, {self.model.name}: {items or 'nothing'}{more}>"

    def elements_of(self, item: Item) -> Elements:
        """What the tokens of every stream of an item are."""
        return {**self.elements, **item.elements}

    def blocks(self, item: Item) -> tuple[Block, ...]:
        """An item's scores cut into what they are scores of.

        Raises:
            ValueError: a stream has not one score for each of its tokens, or one that is not finite.
        """
        found = []
        for stream, elements in self.elements_of(item).items():
            if stream not in item.scores:
                continue
            scores = np.asarray(item.scores[stream], dtype=np.float64)
            if scores.shape != (sum(map(len, elements)),):
                raise ValueError(f"The '{stream}' scores have shape {scores.shape}, not "
                                 f"({sum(map(len, elements))},).")
            if not np.isfinite(scores).all():
                raise ValueError(f"The '{stream}' scores are not all finite.")
            start = 0
            for element in elements:
                found.append(Block(stream, element, scores[start:start + len(element)]))
                start += len(element)
        return tuple(found)

    def only(self, index: int) -> "Explanation":
        """The same with one of its items alone."""
        return replace(self, items=(self.items[index],))

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, `schema_version` 2, plain types in a stable order; see docs/json.md.

        Raises:
            ValueError: as `blocks` does.
        """
        return {
            "schema_version": SCHEMA_VERSION,
            "model": asdict(self.model),
            "method": self.method,
            "images": [{"source": one.source, "width": one.size[0], "height": one.size[1], "sha256": one.sha256,
                        "notes": list(one.notes)} for one in self.pictures],
            "asked": self.asked.to_dict(),
            "predictions": [_prediction(one) for one in self.predictions],
            "elements": _elements(self.elements),
            "items": [self._item(item) for item in self.items],
            "others": [self._item(item) for item in self.others],
            "left_out": dict(self.left_out),
            "versions": dict(self.versions),
            "notes": list(self.notes),
        }

    def _item(self, item: Item) -> dict[str, Any]:
        self.blocks(item)  # refuses scores that cannot be written
        return {
            "kind": item.kind, **_prediction(item.prediction), "also": {k: float(v) for k, v in item.also.items()},
            "query": item.query, "box_xyxy_px": None if item.box_xyxy_px is None else _box(item.box_xyxy_px),
            "predictions": [_prediction(one) for one in item.predictions], "elements": _elements(item.elements),
            "scores": {stream: np.asarray(scores, dtype=np.float64).tolist() for stream, scores in item.scores.items()},
            "notes": list(item.notes),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], images: "Sequence[Image]" = ()) -> "Explanation":
        """The explanation that `to_dict` wrote, with its pictures; without, they are opened when it is drawn.

        Raises:
            UsageError: it is no explanation of this schema version.
        """
        version = document.get("schema_version") if isinstance(document, Mapping) else None
        if version != SCHEMA_VERSION or "items" not in document:
            raise UsageError(f"This is no explanation of schema version {SCHEMA_VERSION}"
                             f"{f', but of version {version}' if version else ''}.",
                             "Give a JSON file that this version's 'mmx explain' wrote.")
        try:
            return cls._read(document, images)
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"This explanation is damaged: {type(error).__name__} {error}.",
                             "Write it anew with 'mmx explain'.") from error

    @classmethod
    def _read(cls, document: Mapping[str, Any], images: "Sequence[Image]") -> "Explanation":
        pictures = tuple(
            Picture(image, one["source"], one["sha256"], tuple(one["notes"]), (one["width"], one["height"]))
            for one, image in zip_longest(document["images"], images))
        return cls(
            ModelInfo(**document["model"]), document["method"], pictures, Asked.from_dict(document["asked"]),
            _read_elements(document["elements"]), tuple(map(_read_item, document["items"])),
            tuple(Prediction(**one) for one in document["predictions"]), tuple(map(_read_item, document["others"])),
            dict(document["left_out"]), dict(document["versions"]), tuple(document["notes"]))

    def to_json(self) -> bytes:
        """`to_dict` as the bytes of an UTF-8 file."""
        return json_bytes(self.to_dict())

    def rows(self) -> list[dict[str, Any]]:
        """A plain row for each token, patch and region of every item: for CSV, or `pandas.DataFrame(rows)`."""
        return [
            {"image": self.picture.source, "question": self.asked.question, "model": self.model.name,
             "method": self.method, "item": item.label, "index": item.index, "query": item.query, "score": item.score,
             "unit": item.unit, "stream": block.stream, "position": position, **named, "relevance": float(block.scores[position])}
            for item in self.items for block in self.blocks(item)
            for position, named in enumerate(_named(block.element))]

    def to_image(self) -> "Image":
        """The whole figure: the picture, a panel for each item, its words, and where it all comes from."""
        return self.drawn_by["image"]([self])

    def save(self, folder: str | Path, stem: str | None = None) -> tuple[Path, Path]:
        """Writes `<stem>.<method>.png` and `.json` into `folder` (made if absent) and returns their paths."""
        return self.drawn_by["save"](self, Path(folder), stem)

    def _repr_png_(self) -> bytes:
        return self.drawn_by["png"]([self])

    def _repr_html_(self) -> str:
        return self.drawn_by["html"]([self])


def json_bytes(document: Any) -> bytes:
    """A JSON document as an UTF-8 file. Raises ValueError where a number is not finite."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode("utf-8", errors="backslashreplace")  # a lone surrogate: \udc80 is its JSON escape


def _prediction(one: Prediction) -> dict[str, Any]:
    return {"index": int(one.index), "label": one.label, "score": float(one.score), "unit": one.unit}


def _box(box: Box) -> list[float]:
    return [float(side) for side in box]


def _elements(elements: Elements) -> dict[str, list[dict[str, Any]]]:
    return {stream: [_element(one) for one in blocks] for stream, blocks in elements.items()}


def _element(one: Element) -> dict[str, Any]:
    if isinstance(one, Words):
        return {"kind": one.kind, "text": one.text, "tokens": [
            {"text": token.text, "piece": token.piece, "special": token.special,
             "span": None if token.span is None else [int(end) for end in token.span]} for token in one.tokens]}
    if isinstance(one, Patches):
        return {"kind": one.kind, "rows": one.rows, "columns": one.columns, "box_xyxy_px": _box(one.box_xyxy_px),
                "picture": one.picture}
    return {"kind": one.kind, "provider": one.provider, "picture": one.picture, "regions": [
        {"box_xyxy_px": _box(region.box_xyxy_px), "label": region.label,
         "confidence": None if region.confidence is None else float(region.confidence)} for region in one.regions]}


def _read_elements(document: Mapping[str, Any]) -> dict[str, tuple[Element, ...]]:
    return {stream: tuple(map(_read_element, blocks)) for stream, blocks in document.items()}


def _read_element(one: Mapping[str, Any]) -> Element:
    if one["kind"] == Words.kind:
        return Words(one["text"], tuple(Token(token["text"], token["piece"], token["special"],
                                              None if token["span"] is None else (token["span"][0], token["span"][1]))
                                        for token in one["tokens"]))
    if one["kind"] == Patches.kind:
        return Patches(one["rows"], one["columns"], _read_box(one["box_xyxy_px"]), one["picture"])
    if one["kind"] == Regions.kind:
        return Regions(tuple(Region(_read_box(region["box_xyxy_px"]), region["label"], region["confidence"])
                             for region in one["regions"]), one["provider"], one["picture"])
    raise ValueError(f"no element is called {one['kind']!r}")


def _read_box(box: list[float]) -> Box:
    left, top, right, bottom = map(float, box)
    return left, top, right, bottom


def _read_item(one: Mapping[str, Any]) -> Item:
    return Item(one["kind"], one["index"], one["label"], one["score"], one["unit"],
                {stream: np.array(scores) for stream, scores in one["scores"].items()}, dict(one["also"]), one["query"],
                None if one["box_xyxy_px"] is None else _read_box(one["box_xyxy_px"]),
                tuple(Prediction(**each) for each in one["predictions"]), _read_elements(one["elements"]),
                tuple(one["notes"]))


def _named(element: Element) -> list[dict[str, Any]]:
    """What each token is, in the same columns for words, patches and regions."""
    if isinstance(element, Words):
        return [{"text": token.text, **dict.fromkeys(_SIDES)} for token in element.tokens]
    labels = [region.label for region in element.regions] if isinstance(element, Regions) else [None] * len(element)
    return [{"text": label, **dict(zip(_SIDES, box, strict=True))}
            for label, box in zip(labels, element.boxes_xyxy_px, strict=True)]
