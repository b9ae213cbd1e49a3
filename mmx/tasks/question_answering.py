"""Question answering: why one answer to one question about one picture."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor

from mmx.engine import attribute
from mmx.errors import UsageError
from mmx.families._vqa import VqaFamily
from mmx.methods import Method
from mmx.regions.base import RegionSet
from mmx.tasks.base import Asked, Job, Result, Target, Task, index_of, seed_of, targets_of, unknown_choice, versions
from mmx.tasks.tokens import tokens_of
from mmx.types import Explanation, Picture, Prediction, Region

if TYPE_CHECKING:
    from mmx.explainer import Model

RUNNERS_UP = 5
_SHOWN_ANSWERS = 30


class QuestionAnswering(Task):
    def __init__(self, model: "Model") -> None:
        super().__init__(model)
        self._family = cast(VqaFamily, model.family)

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.model.region_warnings

    def load(self) -> None:
        _ = self.model.tokenizer, self.model.region_provider, self.model.answers

    def check(self, asked: Asked) -> None:
        name, question = self.model.info.name, asked.question
        if asked.texts:
            raise UsageError(f"{name} answers questions: a text does not fit it.", "Leave it out, and ask a question.")
        if asked.wanted is not None:
            raise UsageError(f"{name} answers questions: threshold, query and class are for models that find objects.",
                             "Leave them out, and ask a question.")
        if question is None:
            raise UsageError("No question was given.", f'{name} answers questions: add --question "...".')
        if not question.strip():
            raise UsageError("The question is empty.", "Write one.")
        length = len(self.model.tokenizer(question)["input_ids"])
        longest = self._family.longest_question(self.model.network.config)
        if length > longest:
            raise UsageError(f"The question has {length} tokens; {name} takes {longest} at most.",
                             "Ask it in fewer words.")
        if len(targets_of(asked.target)) > 1:
            raise UsageError(f"{name} explains one answer at a time.", "Give one target.")
        self._answer_index(asked.target)

    def explain_batch(self, jobs: Sequence[Job], methods: Sequence[Method],
                      max_memory: int | None = None) -> list[list[Result]]:
        """One forward and at most one backward for all of them."""
        questions, regions = [job.question or "" for job in jobs], self._regions_of([job.picture for job in jobs])
        inputs = self.model.to_model(self._family.encode(self.model.tokenizer, questions, regions))
        targets = [self._answer_index(job.target) for job in jobs]
        seeds = [seed_of(job.picture.sha256, question) for job, question in zip(jobs, questions, strict=True)]
        found, outputs = attribute(self.model.network, self._family, inputs, methods, targets, ignore_padding=True,
                                   seeds=seeds, max_memory=max_memory)
        on_cpu = {name: {stream: rows.cpu().numpy() for stream, rows in scores.items()}
                  for name, scores in found.items()}
        probabilities = outputs["logits"].float().softmax(dim=1).cpu()
        return [[self._explanation(job, regions[index], targets[index], probabilities[index], method.name,
                                   {stream: rows[index] for stream, rows in on_cpu[method.name].items()})
                 for method in methods] for index, job in enumerate(jobs)]

    def _regions_of(self, pictures: Sequence[Picture]) -> list[RegionSet]:
        """A picture that several questions are about is looked at once."""
        distinct = {picture.sha256: picture for picture in pictures}
        found = dict(zip(distinct, self.model.regions_of(list(distinct.values())), strict=True))
        return [found[picture.sha256] for picture in pictures]

    def _explanation(self, job: Job, regions: RegionSet, target: int | None, probabilities: Tensor, method: str,
                     scores: Mapping[str, np.ndarray]) -> Explanation:
        tokens, notes = tokens_of(self.model.tokenizer, job.question or "")
        width, height = job.picture.image.size
        boxes = regions.boxes_xyxy_unit * torch.tensor([width, height, width, height])
        best = probabilities.topk(min(RUNNERS_UP, len(probabilities))).indices.tolist()
        return Explanation(
            picture=job.picture, question=job.question or "", method=method,
            target=self._prediction(best[0] if target is None else target, probabilities),
            predictions=tuple(self._prediction(index, probabilities) for index in best),
            scores={"text": scores["text"][:len(tokens)], "image": scores["image"][:len(boxes)]}, tokens=tokens,
            regions=tuple(Region(tuple(box), label, confidence) for box, label, confidence in
                          zip(boxes.tolist(), regions.labels, regions.confidences, strict=True)),
            region_provider=self.model.region_provider.name, model=self.model.info, versions=versions(),
            notes=(*self.warnings, *notes))

    def _prediction(self, index: int, probabilities: Tensor) -> Prediction:
        return Prediction(index, self.model.answers[index], float(probabilities[index]))

    def _answer_index(self, target: Target) -> int | None:
        """An answer by its text, else by its index."""
        if not targets_of(target):
            return None
        (target,) = targets_of(target)
        index = index_of(target, self.model.answers)
        if index is None:
            text = str(target).strip()
            raise unknown_choice(f"'{text}' is not an answer that this model can give.", text, "answers",
                                 self.model.answers, _SHOWN_ANSWERS)
        return index
