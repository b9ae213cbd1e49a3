"""Questions about pictures run together: encoded in groups of one size, explained, and put back in order."""

import hashlib
import platform
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmx.arrays import Float
from mmx.asking.base import Batch
from mmx.capture import Outputs
from mmx.devices import quarter_of_gpu
from mmx.elements import Encoder, Prepared
from mmx.elements.base import Located
from mmx.elements.written import WrittenEncoder
from mmx.engine import Attribution, Described, attribute
from mmx.images import alike
from mmx.methods import Method, with_samples
from mmx.model.blank import without_picture
from mmx.results import Asked, Explanation, Item, ModelInfo, Picture, Words
from mmx.version import __version__

# A backward for one picture's target goes through the whole batch. On the CPU, where large pictures gain nothing by
# sharing a forward, those with few targets would only pay for those with many.
_CPU_PIXELS = 2**20
_GPU_BYTES_A_PIXEL = 2**10

_BLIND = "{} reads attention alone, whatever the target: it shows where the model looks, not what speaks for an answer"


@dataclass(frozen=True)
class Job:
    """What is asked about one picture, or about several in one prompt: the `others` come after it."""

    picture: Picture
    asked: Asked = field(default_factory=Asked)
    others: tuple[Picture, ...] = ()

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All of them, in order."""
        return (self.picture, *self.others)


@dataclass
class Room:
    """What is known of a model's memory: groups that had no room, what groups need, and what was said of it."""

    too_large: set[tuple] = field(default_factory=set)
    needs: dict[tuple, Any] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Parts:
    """A model with all that explaining takes.

    Attributes:
        pictures, texts: what makes inputs of pictures, and of a question or texts where the model takes any.
        answers: what makes inputs of answers, where the model writes them.
        rereads: what makes inputs of prompts for other parts of the model.
        to_model: inputs on the model's device, floating ones in its dtype.
    """

    model: Described
    info: ModelInfo
    pictures: Encoder
    texts: Encoder | None
    to_model: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
    answers: WrittenEncoder | None = None
    rereads: tuple[Encoder, ...] = ()
    room: Room = field(default_factory=Room)

    def settled(self, asked: Asked) -> Asked:
        """What is asked in full."""
        starts = {**self.model.family.start_layers, **asked.start_layers}
        return replace(self.model.asking.settled(asked), start_layers=starts, regions=self.pictures.provider)

    def text_sizes(self, asked: Asked) -> tuple[tuple[int, ...], ...]:
        """What must be equal of the texts of pictures that run together."""
        if self.texts is None or self.texts.declared.padding != "never":
            return ()
        return tuple(one.size for one in self.texts.prepare([text or "" for text in self.model.asking.texts_of(asked)]))


Prepare = Callable[[Sequence[tuple[Picture, ...]]], list[Prepared]]
"""Makes the pictures of jobs such as the model takes them."""


def groups_of(parts: Parts, jobs: Sequence[Job], prepare: Prepare | None = None,
              ) -> Iterator[tuple[list[int], "Group"]]:
    """The places of the jobs that run together, and those jobs.

    Pictures of one size that are read from the same layers on go through the model together, as many as suit the
    device. Sizes are not mixed: padding changes what a backbone sees at a picture's edge, and with it what is found.

    Args:
        prepare: what makes them such as the model takes, in the place of its own encoder.
    """
    settled = [replace(job, asked=parts.settled(job.asked)) for job in jobs]
    distinct = {_same(job): job.pictures for job in settled}
    by_picture = dict(zip(distinct, (prepare or parts.pictures.prepare_of)(list(distinct.values())), strict=True))
    prepared = [by_picture[_same(job)] for job in settled]
    on_gpu = quarter_of_gpu(parts.info.device)
    pixels = on_gpu // _GPU_BYTES_A_PIXEL if on_gpu else _CPU_PIXELS
    keys = [(one.size, parts.text_sizes(job.asked), _read(job.asked))
            for job, one in zip(settled, prepared, strict=True)]
    for together in alike(keys):
        size = prepared[together[0]].size
        at_once = max(1, pixels // (size[-2] * size[-1])) if size else len(together)
        for start in range(0, len(together), at_once):
            indices = together[start:start + at_once]
            yield indices, Group(parts, [settled[i] for i in indices], [prepared[i] for i in indices])


def _read(asked: Asked) -> tuple:
    """How a model is read: the same way for all that run together."""
    of_function = () if asked.function is None else (id(asked.function), asked.texts)  # which tells texts by number
    return (tuple(sorted(asked.start_layers.items())), asked.level, asked.score, asked.max_new_tokens, asked.samples,
            *of_function)


def _same(job: Job) -> tuple[tuple[str, str], ...]:
    """By the pictures' names as well, which features that were computed before go by."""
    return tuple((one.source, one.sha256) for one in job.pictures)


@dataclass(frozen=True)
class Group:
    """Jobs that run together, settled, and their pictures as the model takes them."""

    parts: Parts
    jobs: Sequence[Job]
    pictures: Sequence[Prepared]

    @cached_property
    def samples(self) -> list[tuple[int, str | None]]:
        """The place of each sample's job, and its text."""
        return [(place, text) for place, job in enumerate(self.jobs)
                for text in self.parts.model.asking.texts_of(job.asked)]

    @cached_property
    def _batch(self) -> Batch:
        """Without what the model has yet to write."""
        places = [place for place, _ in self.samples]
        own = [tuple(sample for sample, place in enumerate(places) if place == job) for job in range(len(self.jobs))]
        shown = [one.part_xyxy_px or (0.0, 0.0, *job.picture.size)
                 for one, job in zip(self.pictures, self.jobs, strict=True)]
        return Batch(tuple(job.asked for job in self.jobs), tuple(own), tuple(shown))

    @cached_property
    def batch(self) -> Batch:
        encoder = self.parts.answers
        if encoder is None:
            return self._batch
        others = [job.asked.against for job in self.jobs]
        against = [None if other is None else encoder.ids(encoder.prepare_about([str(other)], [prompt])[0])
                   for other, prompt in zip(others, self.texts, strict=True)]
        return replace(self._batch, prompts=tuple(encoder.prompt_length(one) for one in self.texts),
                       written=tuple(map(encoder.ids, self.answers)), against=tuple(against),
                       answers=tuple(words for one in self.answers for words in one.elements
                                     if isinstance(words, Words)))

    @cached_property
    def texts(self) -> list[Prepared]:
        """Of each sample, or of each text that all pictures share."""
        if self.parts.texts is None:
            return []
        shared = self.parts.model.asking.shared_texts(self._batch)
        if shared is not None:
            return self.parts.texts.prepare(shared)
        return self.parts.texts.prepare_about([text or "" for _, text in self.samples],
                                              [self.pictures[place] for place, _ in self.samples])

    @cached_property
    def _reread(self) -> list[list[Prepared]]:
        """The prompts, for each other part of the model that reads them."""
        return [encoder.prepare_about([], self.texts) for encoder in self.parts.rereads]

    @cached_property
    def _asked(self) -> dict[str, Tensor]:
        """Pictures and texts."""
        found = self.parts.pictures.collate([self.pictures[place] for place, _ in self.samples])
        if self.parts.texts is not None:
            found |= self.parts.texts.collate(self.texts)
        for encoder, prompts in zip(self.parts.rereads, self._reread, strict=True):
            found |= encoder.collate(prompts)
        return self.parts.to_model(found)

    @cached_property
    def answers(self) -> list[Prepared]:
        """Of each sample of a model that writes them: as they are given, or else its own."""
        encoder, given = self.parts.answers, [job.asked.answer for job in self.jobs]
        if encoder is None:
            return []
        if None in given:
            own = encoder.written(self.parts.model.network, self._asked, self.jobs[0].asked.max_new_tokens)
            return [written if answer is None else encoder.prepare_about([answer], [prompt])[0]
                    for answer, written, prompt in zip(given, own, self.texts, strict=True)]
        return encoder.prepare_about([answer or "" for answer in given], self.texts)

    @cached_property
    def inputs(self) -> dict[str, Tensor]:
        """What the model's forward takes."""
        if self.parts.answers is None:
            return self._asked
        return {**self._asked, **self.parts.to_model(self.parts.answers.collate_behind(self.answers, self.texts))}

    def __getitem__(self, jobs: slice) -> "Group":
        return Group(self.parts, self.jobs[jobs], self.pictures[jobs])

    def attributed(self, methods: Sequence[Method], max_memory: int | None, **more: Any) -> Attribution:
        """Every method's scores of all that is explained, out of one forward.

        Args:
            max_memory, more: see `attribute`.
        """
        asked, model = self.jobs[0].asked, self.model
        methods = with_samples(methods, asked.samples)
        seeds = [seed_of(self.jobs[place].picture.sha256, *([text] if text else [])) for place, text in self.samples]
        return attribute(model, self.inputs, methods, model.asking.target(self.batch), ignore_padding=True,
                         seeds=seeds, max_memory=max_memory, start_layers=asked.start_layers, **more)

    @property
    def model(self) -> Described:
        """As what is asked wants it to be read."""
        asked = self.jobs[0].asked
        return self.parts.model.at(asked.level, asked.score)

    def located(self, place: int, outputs: Outputs) -> Located:
        """What the tokens of a job's pictures are."""
        return self._located(self.parts.pictures, self.pictures[place], place, outputs)

    def _located(self, encoder: Encoder, prepared: Prepared, place: int, outputs: Outputs) -> Located:
        return encoder.located(prepared, self.inputs, outputs, self.batch.samples[place][0], self.jobs[place].asked)

    def explained(self, found: Attribution, methods: Sequence[Method],
                  warnings: tuple[str, ...]) -> list[list[Explanation]]:
        """For each job, an explanation by each method, out of what was attributed."""
        scores = {name: {part: rows.cpu().numpy() for part, rows in by_part.items()}
                  for name, by_part in found.scores.items()}
        blind = {method.name for method in methods if method.needs and not method.knows_target}
        signed = {method.name for method in methods if method.signed}
        told = self.without_picture()
        blank = None if told is None else told.tolist()
        return [self._of_job(place, found, scores, blank, warnings, blind, signed) for place in range(len(self.jobs))]

    def without_picture(self) -> Float[Tensor, " items"] | None:
        """The log-probability of each item that the model wrote where the pictures are blank."""
        return without_picture(self.model, self.inputs, self.model.asking.target(self.batch))

    def _of_job(self, place: int, found: Attribution, scores: Mapping[str, Mapping[str, np.ndarray]],
                blank: Sequence[float] | None, warnings: tuple[str, ...],
                blind: Collection[str], signed: Collection[str]) -> list[Explanation]:
        job, answer = self.jobs[place], self.model.asking.answer(found.outputs, found.chosen, self.batch, place)
        asked = replace(job.asked, function=job.asked.function_name)
        items = [(index, item if blank is None else replace(item, log_probability_without_picture=blank[index]))
                 for index, item in answer.items]
        sample, shared = self.batch.samples[place][0], [self.located(place, found.outputs)]
        own: list[Located] = []
        if self.parts.texts is not None and job.asked.texts:
            own = [self._text(place, item.index, found.outputs) for _, item in answer.items]
        elif self.parts.texts is not None:
            shared.insert(0, self._located(self.parts.texts, self.texts[sample], place, found.outputs))
        shared += [self._located(encoder, prompts[sample], place, found.outputs)
                   for encoder, prompts in zip(self.parts.rereads, self._reread, strict=True)]
        if self.parts.answers is not None:
            shared = _beside(shared, self._located(self.parts.answers, self.answers[sample], place, found.outputs))
        notes = tuple(dict.fromkeys([*warnings, *(note for one in shared for note in one.notes)]))
        return [Explanation(
            self.parts.info, name, job.pictures, asked, {one.part: one.elements for one in shared},
            tuple(_with_scores(item, by_part, index, shared, own[number:number + 1], found.notes.get(name))
                  for number, (index, item) in enumerate(items)),
            answer.predictions, answer.others, found.left_out, versions(),
            (*notes, _BLIND.format(name)) if name in blind and answer.items else notes, name in signed)
            for name, by_part in scores.items()]

    def _text(self, place: int, number: int, outputs: Outputs) -> Located:
        """The text of that number of a job."""
        assert self.parts.texts is not None
        entry = self.parts.model.asking.text_entry(self.batch, place, number)
        return self.parts.texts.located(self.texts[entry], self.inputs, outputs, entry, self.jobs[place].asked)


def _beside(several: Sequence[Located], answer: Located) -> list[Located]:
    """An answer's tokens, behind those of a prompt where they are one part with them."""
    if not any(one.part == answer.part for one in several):
        return [*several, answer]
    return [one if one.part != answer.part else replace(
        one, elements=(*one.elements, *answer.elements), notes=(*one.notes, *answer.notes),
        shown=torch.arange(sum(map(len, (*one.elements, *answer.elements))))) for one in several]


def _with_scores(item: Item, by_part: Mapping[str, np.ndarray], index: int, shared: Sequence[Located],
                 own: Sequence[Located], told: Sequence[str] | None) -> Item:
    """The item with row `index` of the scores, without padding, and what the method told of it."""
    rows = {one.part: by_part[one.part][index] for one in (*shared, *own) if one.part in by_part}
    shown = {one.part: one.shown.numpy() for one in (*shared, *own) if one.shown is not None}
    return replace(item, scores={part: row[shown[part]] if part in shown else row for part, row in rows.items()},
                   elements={one.part: one.elements for one in own},
                   notes=(*(note for one in own for note in one.notes), *((told[index],) if told else ())))


def seed_of(*parts: str) -> int:
    """A number that depends on the parts alone, so that what is random is the same in any batch and on any day."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()[:7], "big")


@cache
def versions() -> dict[str, str]:
    packages = ("torch", "transformers", "torchvision", "pillow", "numpy")
    return {"python": platform.python_version(), "mmx": __version__, **{name: version(name) for name in packages}}
