"""Questions about pictures run together: encoded in groups of one size, explained, and put back in order."""

import hashlib
import platform
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib.metadata import version
from typing import Any

import numpy as np
from torch import Tensor

from mmx.asking.base import Batch
from mmx.capture import Outputs
from mmx.devices import quarter_of_gpu
from mmx.elements import Encoder, Prepared
from mmx.elements.base import Located
from mmx.elements.written import WrittenEncoder
from mmx.engine import Attribution, Described, attribute
from mmx.images import alike
from mmx.methods import Method
from mmx.results import Asked, Explanation, Item, ModelInfo, Picture, Words
from mmx.version import __version__

# A backward for one picture's target goes through the whole batch. On the CPU, where large pictures gain nothing by
# sharing a forward, those with few targets would only pay for those with many.
_CPU_PIXELS = 2**20
_GPU_BYTES_A_PIXEL = 2**10

_BLIND = "{} reads attention alone, whatever the target: it shows where the model looks, not what speaks for an answer"


@dataclass(frozen=True)
class Job:
    """What is asked about one picture."""

    picture: Picture
    asked: Asked = field(default_factory=Asked)


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
        to_model: inputs on the model's device, floating ones in its dtype.
    """

    model: Described
    info: ModelInfo
    pictures: Encoder
    texts: Encoder | None
    to_model: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
    answers: WrittenEncoder | None = None
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


def groups_of(parts: Parts, jobs: Sequence[Job], prepare: Callable[[Sequence[Picture]], list[Prepared]] | None = None,
              ) -> Iterator[tuple[list[int], "Group"]]:
    """The places of the jobs that run together, and those jobs.

    Pictures of one size that are read from the same layers on go through the model together, as many as suit the
    device. Sizes are not mixed: padding changes what a backbone sees at a picture's edge, and with it what is found.

    Args:
        prepare: what makes them such as the model takes, in the place of its own encoder.
    """
    settled = [replace(job, asked=parts.settled(job.asked)) for job in jobs]
    distinct = {_same(job.picture): job.picture for job in settled}
    by_picture = dict(zip(distinct, (prepare or parts.pictures.prepare)(list(distinct.values())), strict=True))
    prepared = [by_picture[_same(job.picture)] for job in settled]
    on_gpu = quarter_of_gpu(parts.info.device)
    pixels = on_gpu // _GPU_BYTES_A_PIXEL if on_gpu else _CPU_PIXELS
    keys = [(one.size, parts.text_sizes(job.asked), tuple(sorted(job.asked.start_layers.items())))
            for job, one in zip(settled, prepared, strict=True)]
    for together in alike(keys):
        size = prepared[together[0]].size
        at_once = max(1, pixels // (size[-2] * size[-1])) if size else len(together)
        for start in range(0, len(together), at_once):
            indices = together[start:start + at_once]
            yield indices, Group(parts, [settled[i] for i in indices], [prepared[i] for i in indices])


def _same(picture: Picture) -> tuple[str, str]:
    """By its name as well, which features that were computed before go by."""
    return picture.source, picture.sha256


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
        return replace(self._batch, answers=tuple(words for one in self.answers for words in one.elements
                                                   if isinstance(words, Words)))

    @cached_property
    def texts(self) -> list[Prepared]:
        """Of each sample, or of each text that all pictures share."""
        if self.parts.texts is None:
            return []
        shared = self.parts.model.asking.shared_texts(self._batch)
        return self.parts.texts.prepare([text or "" for _, text in self.samples] if shared is None else shared)

    @cached_property
    def _asked(self) -> dict[str, Tensor]:
        """Pictures and texts."""
        found = self.parts.pictures.collate([self.pictures[place] for place, _ in self.samples])
        if self.parts.texts is not None:
            found |= self.parts.texts.collate(self.texts)
        return self.parts.to_model(found)

    @cached_property
    def answers(self) -> list[Prepared]:
        """Of each sample of a model that writes them: as they are given, or else its own."""
        encoder, given = self.parts.answers, [job.asked.answer for job in self.jobs]
        if encoder is None:
            return []
        if None in given:
            own = encoder.written(self.parts.model.network, self._asked)
            return [written if answer is None else encoder.prepare([answer])[0]
                    for answer, written in zip(given, own, strict=True)]
        return encoder.prepare([answer or "" for answer in given])

    @cached_property
    def inputs(self) -> dict[str, Tensor]:
        """What the model's forward takes."""
        if self.parts.answers is None:
            return self._asked
        return {**self._asked, **self.parts.to_model(self.parts.answers.collate(self.answers))}

    def __getitem__(self, jobs: slice) -> "Group":
        return Group(self.parts, self.jobs[jobs], self.pictures[jobs])

    def attributed(self, methods: Sequence[Method], max_memory: int | None, **more: Any) -> Attribution:
        """Every method's scores of all that is explained, out of one forward.

        Args:
            max_memory, more: see `attribute`.
        """
        model = self.parts.model
        seeds = [seed_of(self.jobs[place].picture.sha256, *([text] if text else [])) for place, text in self.samples]
        return attribute(model, self.inputs, methods, model.asking.target(self.batch), ignore_padding=True,
                         seeds=seeds, max_memory=max_memory, start_layers=self.jobs[0].asked.start_layers, **more)

    def located(self, place: int, outputs: Outputs) -> Located:
        """What the tokens of a job's picture are."""
        sample = self.batch.samples[place][0]
        return self.parts.pictures.located(self.pictures[place], self.inputs, outputs, sample)

    def explained(self, found: Attribution, methods: Sequence[Method],
                  warnings: tuple[str, ...]) -> list[list[Explanation]]:
        """For each job, an explanation by each method, out of what was attributed."""
        scores = {name: {part: rows.cpu().numpy() for part, rows in by_part.items()}
                  for name, by_part in found.scores.items()}
        blind = {method.name for method in methods if method.needs and not method.knows_target}
        return [self._of_job(place, found, scores, warnings, blind) for place in range(len(self.jobs))]

    def _of_job(self, place: int, found: Attribution, scores: Mapping[str, Mapping[str, np.ndarray]],
                warnings: tuple[str, ...], blind: Collection[str]) -> list[Explanation]:
        job, answer = self.jobs[place], self.parts.model.asking.answer(found.outputs, found.chosen, self.batch, place)
        sample, shared = self.batch.samples[place][0], [self.located(place, found.outputs)]
        own: list[Located] = []
        if self.parts.texts is not None and job.asked.question is not None:
            shared.insert(0, self.parts.texts.located(self.texts[sample], self.inputs, found.outputs, sample))
        elif self.parts.texts is not None:
            own = [self._text(place, item.index, found.outputs) for _, item in answer.items]
        if self.parts.answers is not None:
            shared.append(self.parts.answers.located(self.answers[sample], self.inputs, found.outputs, sample))
        notes = tuple(dict.fromkeys([*warnings, *(note for one in shared for note in one.notes)]))
        return [Explanation(
            self.parts.info, name, (job.picture,), job.asked, {one.part: one.elements for one in shared},
            tuple(_with_scores(item, by_part, index, shared, own[number:number + 1])
                  for number, (index, item) in enumerate(answer.items)),
            answer.predictions, answer.others, found.left_out, versions(),
            (*notes, _BLIND.format(name)) if name in blind and answer.items else notes)
            for name, by_part in scores.items()]

    def _text(self, place: int, number: int, outputs: Outputs) -> Located:
        """The text of that number of a job."""
        assert self.parts.texts is not None
        entry = self.parts.model.asking.text_entry(self.batch, place, number)
        return self.parts.texts.located(self.texts[entry], self.inputs, outputs, entry)


def _with_scores(item: Item, by_part: Mapping[str, np.ndarray], index: int, shared: Sequence[Located],
                 own: Sequence[Located]) -> Item:
    """The item with row `index` of the scores, without padding."""
    rows = {one.part: by_part[one.part][index] for one in (*shared, *own) if one.part in by_part}
    shown = {one.part: one.shown.numpy() for one in (*shared, *own) if one.shown is not None}
    return replace(item, scores={part: row[shown[part]] if part in shown else row for part, row in rows.items()},
                   elements={one.part: one.elements for one in own},
                   notes=tuple(note for one in own for note in one.notes))


def seed_of(*parts: str) -> int:
    """A number that depends on the parts alone, so that what is random is the same in any batch and on any day."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()[:7], "big")


@cache
def versions() -> dict[str, str]:
    packages = ("torch", "transformers", "torchvision", "pillow", "numpy")
    return {"python": platform.python_version(), "mmx": __version__, **{name: version(name) for name in packages}}
