"""Object queries: why a detector found each object that it found in a picture."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torchvision.ops import box_convert

from mmx.arrays import Float, Int
from mmx.asking.base import RUNNERS_UP, Answer, Asking, Batch, Each
from mmx.asking.naming import index_of
from mmx.asking.scoring import Picked, scored_by
from mmx.capture import Chosen, Outputs
from mmx.errors import UsageError, unknown_choice
from mmx.results import DEFAULT_THRESHOLD, Asked, Box, Item, Prediction, Unit

_SHOWN = 100
_PREDICTED = -1


@dataclass(frozen=True)
class Keep:
    """Which detections of each picture to explain: those surer than `threshold`, of one class if one is given, and of
    none that they are compared with."""

    threshold: float = DEFAULT_THRESHOLD
    label: int | None = None
    rival: int | None = None


class QueriesAsked(Asking):
    noun: ClassVar = "detection"
    threshold: ClassVar[float] = DEFAULT_THRESHOLD
    """Where none is asked for."""

    @property
    def unit(self) -> Unit:
        """What a detection's score is."""
        return self.score.unit

    @property
    def any_target(self) -> object:
        return [(0, None)]

    @property
    def example(self) -> Asked:
        return Asked(queries=(0,))

    def settled(self, asked: Asked) -> Asked:
        """The threshold that holds, the class by its own name, each query once."""
        name, rival = (None if one is None else self.names(asked)[self._class_index(one, asked)]
                       for one in (asked.class_name, asked.against))
        if rival is not None and rival == name:
            raise UsageError(f"'{rival}' would be compared with itself.",
                             "Name another `class_name=`, or another `against=`.")
        if asked.queries:
            if asked.threshold is not None:
                raise UsageError("A query is explained however sure it is: no threshold fits it.",
                                 "Give threshold or query.")
            return replace(asked, queries=tuple(dict.fromkeys(map(self._checked_query, asked.queries))),
                           class_name=name, against=rival)
        threshold = self.threshold if asked.threshold is None else asked.threshold
        return replace(asked, threshold=threshold, class_name=name, against=rival)

    def check_position(self, asked: Asked) -> None:
        if not asked.queries:
            raise UsageError("A function of the outputs is explained at an object query of a detector.",
                             "Say which: `query=`.")

    def counts(self, asked: Asked) -> bool:
        return bool(asked.queries)

    def names(self, asked: Asked) -> Sequence[str]:
        """What may be found, of a picture that is asked so."""
        return self.subject.labels()

    def columns(self, batch: Batch, picture: int) -> Sequence[int] | None:
        """Of the logits, those that are about a picture, in the order of its names; None where all are."""
        return None

    def own_target(self, batch: Batch) -> object:
        return Each([self._target(asked, self.rival(batch, place), self.columns(batch, place))
                     for place, asked in enumerate(batch.asked)])

    def rival(self, batch: Batch, picture: int) -> int | None:
        asked = batch.asked[picture]
        return None if asked.against is None else self._column(asked.against, asked, self.columns(batch, picture))

    def picked(self, outputs: Outputs, target: object) -> Picked:
        """`target`: (query, class or None for the predicted one), a list of them, or `Keep`; None is `Keep()`.

        Items of `Keep` are in order of pictures, then of queries; there may be none.
        """
        logits = class_logits(outputs["logits"], self.unit)
        best = logits.argmax(-1)
        if target is None or isinstance(target, Keep):
            target = Each([target or Keep()] * len(logits))
        if not isinstance(target, Each):
            target = _each(target, logits.shape)
        found: list[tuple[Tensor, Tensor]] = []
        for sample, one in enumerate(target.of_each):
            if isinstance(one, Keep):
                kept = kept_queries(outputs["logits"][sample], one, self.unit)
                found.append((kept, best[sample, kept]))
            else:
                pairs = torch.tensor([(query, _PREDICTED if label is None else label) for query, label in one],
                                     dtype=torch.long, device=logits.device).reshape(-1, 2)
                own, named = pairs.unbind(1)
                found.append((own, torch.where(named == _PREDICTED, best[sample, own], named)))
        queries, classes = (torch.cat(several) for several in zip(*found, strict=True))
        samples = torch.cat([torch.full_like(own, sample) for sample, (own, _) in enumerate(found)])
        return Picked(samples, classes, lambda found, of: class_logits(
            scored_by(found["logits"], self.by, self.unit), self.unit)[samples, queries, of], {"positions": queries})

    def said(self, outputs: Outputs, chosen: Chosen, batch: Batch, picture: int) -> Answer:
        assert chosen.positions is not None and chosen.targets is not None
        asked, names = batch.asked[picture], self.names(batch.asked[picture])
        [sample] = batch.samples[picture]
        columns = self.columns(batch, picture)
        shares = class_shares(outputs["logits"][sample], self.unit).cpu()
        shares = shares if columns is None else shares[:, columns]
        found = _Found(names, shares, boxes_xyxy_px(outputs["boxes"][sample], batch.shown_xyxy_px[picture]), self.unit)
        places = (chosen.samples == sample).nonzero().flatten().tolist()
        surest, labels = shares.max(-1)
        queries = [int(chosen.positions[place]) for place in places]
        order = range(len(places)) if asked.queries else sorted(range(len(places)), key=lambda i: -surest[queries[i]])
        targets = [int(chosen.targets[place]) for place in places]
        targets = targets if columns is None else [columns.index(target) for target in targets]
        items = [(places[i], found.item(self.noun, queries[i], targets[i])) for i in order]
        others = [query for query in surest.argsort(descending=True).tolist() if query not in queries][:RUNNERS_UP]
        return Answer(tuple(items), (), tuple(found.item(self.noun, one, int(labels[one])) for one in others))

    def _target(self, asked: Asked, rival: int | None,
                columns: Sequence[int] | None) -> Keep | list[tuple[int, int | None]]:
        label = None if asked.class_name is None else self._column(asked.class_name, asked, columns)
        if asked.queries:
            return [(query, label) for query in asked.queries]
        assert asked.threshold is not None
        return Keep(asked.threshold, label, rival)

    def _column(self, name: str | int, asked: Asked, columns: Sequence[int] | None) -> int:
        """Where among the logits a class is."""
        index = self._class_index(name, asked)
        return index if columns is None else columns[index]

    def _checked_query(self, query: int) -> int:
        count = self.score.queries(self.subject.config)
        if not 0 <= query < count:
            raise UsageError(f"There is no query {query}; {self.subject.name} has {count} (0 to {count - 1}).")
        return int(query)

    def _class_index(self, name: str | int, asked: Asked) -> int:
        names = self.names(asked)
        index = index_of(name, names)
        if index is None:
            raise self.unknown(str(name), names)
        return index

    def unknown(self, name: str, names: Sequence[str]) -> UsageError:
        """What is said of a class that is none of them."""
        shown = list(dict.fromkeys(one for one in names if one != "N/A"))
        return unknown_choice(f"'{name}' is not a class of {self.subject.name}.", name, "classes", shown, _SHOWN)


@dataclass(frozen=True)
class _Found:
    """All that was found in a picture, on the CPU."""

    names: Sequence[str]
    shares: Float[Tensor, "queries classes"]
    boxes: Float[Tensor, "queries 4"]
    unit: Unit

    def item(self, kind: str, query: int, label: int) -> Item:
        left, top, right, bottom = self.boxes[query].tolist()
        best = self.shares[query].topk(min(RUNNERS_UP, self.shares.shape[1])).indices.tolist()
        own, *predictions = (Prediction(one, str(self.names[one]), float(self.shares[query, one]), self.unit)
                             for one in (label, *best))
        return Item(kind, own.index, own.label, own.score, own.unit, query=query,
                    box_xyxy_px=(left, top, right, bottom), predictions=tuple(predictions))


def kept_queries(logits: Float[Tensor, "queries _classes"], keep: Keep, unit: Unit) -> Int[Tensor, " items"]:
    """Queries of one picture to keep.

    The score is the largest class probability; it must be over the threshold, as in the reference.
    """
    score, label = class_shares(logits.detach(), unit).max(-1)
    kept = score > keep.threshold
    if keep.label is not None:
        kept &= label == keep.label
    if keep.rival is not None:
        kept &= label != keep.rival
    return kept.nonzero().flatten()


def class_shares(logits: Float[Tensor, "*queries _classes"], unit: Unit) -> Float[Tensor, "*queries classes"]:
    """The probability of each class: its share beside "no object" in a softmax, or one of its own in a sigmoid."""
    logits = logits.float()
    return logits.sigmoid() if unit == "sigmoid" else class_logits(logits.softmax(-1), unit)


def class_logits(logits: Float[Tensor, "*queries _classes"], unit: Unit) -> Float[Tensor, "*queries classes"]:
    """Without the last one, for no object, that a softmax has."""
    return logits if unit == "sigmoid" else logits[..., :-1]


def boxes_xyxy_px(boxes_cxcywh: Float[Tensor, "queries 4"], shown_xyxy_px: Box) -> Float[Tensor, "queries 4"]:
    """Boxes in shares of what the model is shown, as corners in the picture's pixels, on the CPU."""
    left, top, right, bottom = shown_xyxy_px
    size, start = (right - left, bottom - top), (left, top)
    return box_convert(boxes_cxcywh, "cxcywh", "xyxy").float().cpu() * torch.tensor([*size, *size]) + torch.tensor(
        [*start, *start])


def _each(target: object, shape: Sequence[int]) -> Each:
    pairs = [target] if isinstance(target, tuple) else list(target)  # type: ignore[call-overload]
    batch, queries, classes = shape
    if batch > 1 and len(pairs) != batch:
        raise UsageError(f"{len(pairs)} targets were given for {batch} pictures.", "Give one for each.")
    for pair in pairs:
        _check(pair, queries, classes)
    return Each([[pair] for pair in pairs] if batch > 1 else [pairs])


def _check(pair: object, queries: int, classes: int) -> None:
    if not (isinstance(pair, tuple) and len(pair) == 2):
        raise UsageError(f"A target of a detector is (query, class or None), not {pair!r}.")
    query, chosen = pair
    if not 0 <= int(query) < queries:
        raise UsageError(f"There is no query {query}; the model has {queries} (0 to {queries - 1}).")
    if chosen is not None and not 0 <= int(chosen) < classes:
        raise UsageError(f"There is no class {chosen}; the model has {classes} (0 to {classes - 1}).")


ASKING = QueriesAsked
