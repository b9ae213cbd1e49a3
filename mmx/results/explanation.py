"""An explanation: one model, one method, one thing asked, and any number of explained targets."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from mmx.arrays import Float
from mmx.errors import UsageError, fields_told, shown_path
from mmx.results import documents
from mmx.results.elements import Block, Elements, Words
from mmx.results.items import Asked, Item, ModelInfo, Picture, Prediction, told_score
from mmx.results.sinks import sink_shares
from mmx.results.subject import Subject
from mmx.schema import SCHEMA_VERSION, misfit

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image


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
        versions: of Python and of the packages that it depends on, by name.
        notes: what a reader must know.
        signed: scores below zero are evidence against what is explained, as its method has it.
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
    signed: bool = False

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
        items = ", ".join(map(told_score, self.items[:3]))
        more = f", and {len(self) - 3} more" if len(self) > 3 else ""
        return (f"<Explanation of {shown_path(self.picture.source)} by {self.method}, {self.model.name}: "
                f"{items or 'nothing'}{more}>")

    @property
    def answer(self) -> str:
        """What the model wrote, or was given to have written; empty of a model that chooses its answers."""
        return self.predictions[0].label if self.predictions and any(item.span for item in self.items) else ""

    @property
    def texts(self) -> tuple[str, ...]:
        """What of it is written in a figure: the question, texts, names, words."""
        items = (*self.items, *self.others)
        predictions = (*self.predictions, *(one for item in items for one in item.predictions))
        words = (element.text for elements in self.elements.values() for element in elements
                 if isinstance(element, Words))
        return (self.asked.question or "", *self.asked.texts, *(one.label for one in (*items, *predictions)), *words)

    def elements_of(self, item: Item) -> Elements:
        """What the tokens of every stream of an item are."""
        return {**self.elements, **item.elements}

    def blocks(self, item: Item) -> tuple[Block, ...]:
        """An item's scores cut into what they are scores of.

        Raises:
            ValueError: a stream has not one score for each of its tokens, or one that is not finite.
        """
        found, known = [], self.elements_of(item)
        for stream in (*filter(item.scores.__contains__, known), *(one for one in item.scores if one not in known)):
            elements = known.get(stream, ())
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

    def sink_shares(self, item: int | Item = 0) -> dict[str, float | None]:
        """How much of an item's relevance lies on sinks, by stream: of a text its first token, of patches the border.

        Shares of the positive relevance, from 0 to 1; None where there is none. A grid's border is a part of it
        anyway: 44 of 12 x 12 patches, 0.31.

        Example:
            >>> explanation = mmx.load("shapes-vit").explain("sample_inputs/scene-5029.png")
            >>> {stream: round(share, 2) for stream, share in explanation.sink_shares().items()}
            {'image': 0.1}
        """
        return sink_shares(self.blocks(self._chosen(item)))

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
            "signed": self.signed,
            "images": [documents.picture_to_dict(one) for one in self.pictures],
            "question": self.asked.question,
            "asked": self.asked.to_dict(),
            "predictions": [documents.prediction_to_dict(one) for one in self.predictions],
            "elements": documents.elements_to_dict(self.elements),
            "items": [self._item(item) for item in self.items],
            "others": [self._item(item) for item in self.others],
            "left_out": dict(self.left_out),
            "versions": dict(self.versions),
            "notes": [fields_told(note, _as_option) for note in self.notes],
        }

    def _item(self, item: Item) -> dict[str, Any]:
        return {**documents.item_to_dict(item), "sink_shares": self.sink_shares(item)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], images: "Sequence[Image]" = ()) -> "Explanation":
        """The explanation that `to_dict` wrote, with its pictures; without, they are opened when it is drawn.

        Raises:
            UsageError: it is no explanation of this schema version.

        Example:
            >>> import json
            >>> explanation = mmx.load("shapes-vit").explain("sample_inputs/scene-5029.png")
            >>> picture, report = explanation.save("out")
            >>> mmx.Explanation.from_dict(json.loads(report.read_bytes()))
            <Explanation of sample_inputs/scene-5029.png by relevance, shapes-vit: purple star 0.996 softmax>
        """
        version = document.get("schema_version") if isinstance(document, Mapping) else None
        if version != SCHEMA_VERSION or "items" not in document:
            raise UsageError(f"This is no explanation of schema version {SCHEMA_VERSION}"
                             f"{f', but of version {version}' if version else ''}.",
                             "Give a JSON file that this version's 'mmx explain' wrote.")
        damage = misfit(document, "explained")
        try:
            if damage is None:
                return cls._read(document, images)
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            damage = f"{type(error).__name__} {error}"
        raise UsageError(f"This explanation is damaged: {damage}.", "Write it anew with 'mmx explain'.")

    @classmethod
    def _read(cls, document: Mapping[str, Any], images: "Sequence[Image]") -> "Explanation":
        pictures = tuple(
            Picture(image, one["source"], one["sha256"], tuple(one["notes"]), (one["width"], one["height"]))
            for one, image in zip_longest(document["images"], images))
        asked = Asked.from_dict(document["question"], document["asked"])
        found = cls(
            ModelInfo(**document["model"]), document["method"], pictures, asked,
            documents.read_elements(document["elements"]), tuple(map(documents.read_item, document["items"])),
            tuple(Prediction(**one) for one in document["predictions"]),
            tuple(map(documents.read_item, document["others"])),
            dict(document["left_out"]), dict(document["versions"]), tuple(document["notes"]),
            document.get("signed", False))
        for item in (*found.items, *found.others):
            found.blocks(item)
        known = (found.elements, *(item.elements for item in (*found.items, *found.others)))
        for element in (one for elements in known for several in elements.values() for one in several):
            if not isinstance(element, Words) and element.picture not in range(len(pictures)):
                raise ValueError(f"{element.kind} are of image {element.picture}, and there are {len(pictures)}")
        return found

    def to_json(self) -> bytes:
        """`to_dict` as the bytes of an UTF-8 file."""
        return documents.json_bytes(self.to_dict())

    def rows(self) -> list[dict[str, Any]]:
        """A plain row for each token, patch and region of every item: for CSV, or `pandas.DataFrame(rows)`.

        Sides are in the picture's pixels, None for words; relevance is raw.

        Example:
            >>> explanation = mmx.load("shapes-vit").explain("sample_inputs/scene-5029.png")
            >>> best = max(explanation.rows(), key=lambda row: row["relevance"])
            >>> best["item"], best["stream"], [best[side] for side in ("left", "top", "right", "bottom")]
            ('purple star', 'image', [320.0, 280.0, 360.0, 320.0])
        """
        whole = {"image": self.picture.source, "question": self.asked.question, "model": self.model.name,
                 "method": self.method}
        return [{**whole, "item": item.label, "index": item.index, "query": item.query, "score": item.score,
                 "unit": item.unit, "stream": block.stream, "position": position, **named,
                 "relevance": float(block.scores[position])}
                for item in self.items for block in self.blocks(item)
                for position, named in enumerate(documents.named_tokens(block.element))]

    def heatmap(self, item: int | Item = 0, picture: int = 0, *,
                cells: bool = False) -> Float[np.ndarray, "height width"]:
        """Raw relevance at the picture's size, float32: of patches spread smoothly, of regions painted.

        A patch keeps its score at its middle. Where several grids of patches lie over one another, as all of a picture
        and tiles of it do, each token's score is spread evenly over its patch and all are added: a pixel has what falls
        on an area as large as the smallest patch. Of regions that lie over a pixel it has the score of the largest
        size; beside them all it is 0.

        Args:
            item: one of the items, or its place among them.
            picture: the picture's place.
            cells: give each patch one value, instead of going smoothly from one to the next.

        Raises:
            UsageError: nothing of that picture has relevance.

        Example:
            >>> explanation = mmx.load("shapes-vit").explain("sample_inputs/scene-5029.png")
            >>> relevance = explanation.heatmap()
            >>> relevance.shape, relevance.dtype
            ((480, 480), dtype('float32'))
        """
        return self.drawn_by["heatmap"](self, self._chosen(item), picture, cells)

    def overlay(self, item: int | Item = 0, picture: int = 0, *, cmap: str | None = None,
                alpha: float | None = None, cells: bool = False) -> "Image":
        """The picture alone, at its own size, under the colours of `heatmap`.

        Args:
            cmap: the name of one of matplotlib's colour maps; None is mmx's own.
            alpha: how much the strongest colour covers, from 0 to 1; None is mmx's own.
            cells: as in `heatmap`.

        Raises:
            UsageError: as `heatmap`, or the picture is no longer there.
        """
        return self.drawn_by["overlay"](self, self._chosen(item), picture, cmap, alpha, cells)

    def figure(self, *, cmap: str | None = None, alpha: float | None = None, cells: bool = False) -> "Figure":
        """The whole figure as one of matplotlib's, to change or to `savefig`; arguments are those of `overlay`."""
        return self.drawn_by["figure"]([self], cmap, alpha, cells)

    def _chosen(self, item: int | Item) -> Item:
        try:
            return item if isinstance(item, Item) else self.items[item]
        except IndexError as error:
            raise UsageError(f"There is no item {item}: the explanation has {len(self)}.") from error

    def to_image(self) -> "Image":
        """The whole figure: the picture, a panel for each item, its words, and where it all comes from."""
        return self.drawn_by["image"]([self])

    @property
    def subject(self) -> Subject:
        """What it is of."""
        return Subject.of(self.model, [one.sha256 for one in self.pictures], self.asked)

    def save(self, folder: str | Path, stem: str | None = None, *, formats: Sequence[str] = ("png",),
             figure: Literal["sheet", "overlay"] = "sheet", cmap: str | None = None, alpha: float | None = None,
             cells: bool = False, overwrite: bool = False) -> tuple[Path, ...]:
        """Writes `<stem>.<method>.png` and `.json` into `folder` (made if absent) and returns their paths.

        Args:
            stem: None for `mmx.results.file_stem`: the picture's name and what was asked.
            formats: some of "png", "svg" and "pdf"; ("json",) for no figure.
            figure: "sheet" is the whole figure; "overlay" the picture alone with its map, a file for each item.
            cmap, alpha, cells: as in `overlay`.
            overwrite: replaces what is there even where it is of something else.

        Raises:
            UsageError: `stem` is no plain file name, there is no such format, or what is there is of something else.
            OutputError: the files cannot be written.

        Example:
            >>> explanation = mmx.load("shapes-vit").explain("sample_inputs/scene-5029.png")
            >>> [path.name for path in explanation.save("out")]
            ['scene-5029.relevance.png', 'scene-5029.relevance.json']
        """
        several = (formats,) if isinstance(formats, str) else tuple(formats)
        return self.drawn_by["save"](self, Path(folder), stem, several, figure, overwrite, cmap, alpha, cells)

    def _repr_html_(self) -> str:
        return self.drawn_by["html"]([self])

    def _repr_jpeg_(self) -> bytes:
        return self.drawn_by["jpeg"]([self])


def _as_option(name: str, value: str) -> str:
    """What is called alike in Python and on the command line, as a reader of either knows it."""
    return f"the option {name}"
