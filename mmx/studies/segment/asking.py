"""What each kind of model is asked about the categories of an annotation file, and what it says of them."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from mmx.datasets.synonyms import Synonyms
from mmx.errors import UsageError
from mmx.model.batching import Job, groups_of
from mmx.results import Asked, Explanation, Item, Picture
from mmx.studies.models import Model

_VOWELS = "aeiou"
_MOST_NAMED = 3
_SURE = 0.5


@dataclass(frozen=True)
class Said:
    """An item of an explanation: of which category it is, and whether the model recognises that in the picture."""

    category: int
    place: int
    recognised: bool


class CategoriesAsked(ABC):
    """One kind of model, asked about categories.

    Attributes:
        names: of the categories, by id.
        stands_for: what each category that can be asked about is to the model.
    """

    recognises: str
    """When a category counts as recognised, in words."""
    template: str | None = None
    """What is asked, with {name} for a category, and {a} for "a" or "an"."""

    def __init__(self, model: Model, names: Mapping[int, str], synonyms: Synonyms, template: str | None,
                 threshold: float) -> None:
        self.model, self.names, self.synonyms, self.threshold = model, names, synonyms, threshold
        if template is not None and self.template is None:
            raise UsageError(f"{model.asking.sentence}: no template of texts fits it.", "Leave it out.")
        self.written = _checked(template or self.template) if self.template else None
        self.stands_for = self.known()
        if not self.stands_for:
            raise UsageError(f"No category of the annotation file is a class of {model.info.name} by name: "
                             f"{_some(names.values())} are not among {_some(model.labels)}.",
                             "Say which are, with `synonyms=FILE`, or what its classes are called, with "
                             "`answers=FILE`.")

    @abstractmethod
    def known(self) -> dict[int, tuple[str, ...]]:
        """See `stands_for`."""

    @abstractmethod
    def asks(self, pictures: Sequence[Picture], own: Sequence[Sequence[int]]) -> list[list[Asked]]:
        """What is asked of each picture, given which of the categories that can be asked about are in it."""

    @abstractmethod
    def said(self, found: Explanation, own: Collection[int]) -> Iterator[Said]:
        """What an explanation says of the categories that are in its picture."""

    def text_of(self, category: int) -> str:
        """The template about a category."""
        assert self.written is not None
        name = self.synonyms.called(self.names[category])
        return self.written.format(name=name, a="an" if name[:1].lower() in _VOWELS else "a")


class ByClasses(CategoriesAsked):
    """The most probable of the classes that are of the category."""

    recognises = "the most probable of all classes is of the category"

    def known(self) -> dict[int, tuple[str, ...]]:
        labels = self.model.labels
        self._classes = self.synonyms.classes_of(labels, self.names)
        return {number: tuple(str(labels[index]) for index in classes) for number, classes in self._classes.items()}

    def asks(self, pictures: Sequence[Picture], own: Sequence[Sequence[int]]) -> list[list[Asked]]:
        jobs, found = [Job(picture, Asked()) for picture in pictures], {}
        for indices, group in groups_of(self.model.parts, jobs):
            with torch.inference_mode():
                logits = group.model.run(group.inputs)["logits"].float().cpu()
            for index, (sample,) in zip(indices, group.batch.samples, strict=True):
                best = [max(self._classes[category], key=lambda one, row=logits[sample]: float(row[one]))
                        for category in own[index]]
                found[index] = [Asked(targets=tuple(dict.fromkeys(best)))]
        return [found[index] for index in range(len(pictures))]

    def said(self, found: Explanation, own: Collection[int]) -> Iterator[Said]:
        for category in own:
            classes = self._classes[category]
            place = max((place for place, item in enumerate(found) if item.index in classes),
                        key=lambda place: found[place].score)
            yield Said(category, place, found.predictions[0].index in classes)


class ByTexts(CategoriesAsked):
    """A text about the category, beside one about each other category that objects are of."""

    recognises = "of the texts about all categories, the category's goes best with the picture"
    template = "a photo of {a} {name}"

    def known(self) -> dict[int, tuple[str, ...]]:
        self._texts = {number: self.text_of(number) for number in self.names}
        names = tuple(dict.fromkeys(self._texts.values()))
        # Where each text is a run of its own, those about other categories would be most of the work.
        self._all = names if len(self.model.asking.texts_of(Asked(texts=names))) == 1 else ()
        if not self._all:
            self.recognises = "the picture and the text about the category match with a probability over 0.5"
        return {number: (text,) for number, text in self._texts.items()}

    def asks(self, pictures: Sequence[Picture], own: Sequence[Sequence[int]]) -> list[list[Asked]]:
        texts = [tuple(dict.fromkeys(self._texts[number] for number in several)) for several in own]
        return [[Asked(texts=self._all or several, targets=several)] for several in texts]

    def said(self, found: Explanation, own: Collection[int]) -> Iterator[Said]:
        for category in own:
            place = next(place for place, item in enumerate(found) if item.label == self._texts[category])
            best = found.predictions[0].index == found[place].index if self._all else _is_sure(found[place])
            yield Said(category, place, best)


class ByDetections(CategoriesAsked):
    """Every detection of the category that is sure enough, by its class or by a text about it."""

    recognises = "it was detected"

    def known(self) -> dict[int, tuple[str, ...]]:
        self._texts = tuple(dict.fromkeys(self.synonyms.called(name) for name in self.names.values())) if (
            self.model.asking.subject.needs == "texts") else ()
        labels = self._texts or self.model.labels
        if self._texts:
            self._classes = {number: (labels.index(self.synonyms.called(name)),)
                             for number, name in self.names.items()}
        else:
            self._classes = self.synonyms.classes_of(labels, self.names)
        return {number: tuple(str(labels[index]) for index in classes) for number, classes in self._classes.items()}

    def asks(self, pictures: Sequence[Picture], own: Sequence[Sequence[int]]) -> list[list[Asked]]:
        return [[Asked(texts=self._texts, threshold=self.threshold)] for _ in pictures]

    def said(self, found: Explanation, own: Collection[int]) -> Iterator[Said]:
        for place, item in enumerate(found):
            yield from (Said(category, place, True) for category in own if item.index in self._classes[category])


class ByQuestions(CategoriesAsked):
    """Whether the category is in the picture; explained is "yes"."""

    recognises = 'its answer is "yes", with a probability over 0.5'
    template = "is there {a} {name}?"
    _YES: ClassVar = "yes"

    def known(self) -> dict[int, tuple[str, ...]]:
        self._asked = {number: self._about(self.text_of(number)) for number in self.names}
        for asked in self._asked.values():
            self.model.check(asked)
        return {number: (str(asked.question),) for number, asked in self._asked.items()}

    def _about(self, question: str) -> Asked:
        if self.model.asking.writes:
            return Asked(question, answer=self._YES)
        return Asked(question, targets=(self._YES,))

    def asks(self, pictures: Sequence[Picture], own: Sequence[Sequence[int]]) -> list[list[Asked]]:
        return [[self._asked[number] for number in several] for several in own]

    def said(self, found: Explanation, own: Collection[int]) -> Iterator[Said]:
        for category in own:
            if self._asked[category].question == found.asked.question and len(found):
                yield Said(category, 0, _is_sure(found[0]))


_KINDS: Sequence[tuple[frozenset[str], type[CategoriesAsked]]] = (
    (frozenset({"question"}), ByQuestions), (frozenset({"queries"}), ByDetections),
    (frozenset({"texts", "targets"}), ByTexts), (frozenset({"targets"}), ByClasses))
"""By what can be asked: the first whose fields fit."""


def kind_of(model: Model) -> type[CategoriesAsked]:
    """How a model is asked about categories. Raises UsageError where it cannot be."""
    found = [kind for fields, kind in _KINDS if fields <= model.asking.fields]
    if not found:
        raise UsageError(f"{model.asking.sentence}: it cannot be asked about categories.")
    return found[0]


def finds_own_classes(model: Model) -> bool:
    """Whether its detections can be scored as detections, by its own classes."""
    return "queries" in model.asking.fields and model.asking.subject.needs is None


def _is_sure(item: Item) -> bool:
    return item.unit in ("softmax", "sigmoid") and item.score > _SURE


def _checked(template: str) -> str:
    try:
        told = template.format(name="", a="") != template.format(name="x", a="")
    except (KeyError, IndexError, ValueError) as error:
        raise UsageError(f"The template '{template}' has other fields than {{name}} and {{a}}.",
                         'Write one such as "a photo of {a} {name}".') from error
    if not told:
        raise UsageError(f"The template '{template}' has no {{name}}.", 'Write one such as "a photo of {a} {name}".')
    return template


def _some(names: Collection[str]) -> str:
    first, more = list(names)[:_MOST_NAMED], len(names) - _MOST_NAMED
    return ", ".join(map(str, first)) + (f" and {more} more" if more > 0 else "")
