"""Image classification: why the model sees each class in a picture."""

from collections.abc import Sequence
from itertools import groupby

from torch import Tensor

from mmx.engine import attribute
from mmx.errors import UsageError
from mmx.families.vit import Classes
from mmx.methods import Method
from mmx.tasks.base import Asked, Job, Result, Target, Task, index_of, seed_of, targets_of, unknown_choice, versions
from mmx.tasks.views import Views, views_of
from mmx.types import Explanation, Explanations, Prediction

RUNNERS_UP = 5
_SHOWN_CLASSES = 30


class ImageClassification(Task):
    def load(self) -> None:
        _ = self.model.processor

    def check(self, asked: Asked) -> None:
        given = {"a question does": asked.question is not None, "a text does": bool(asked.texts),
                 "threshold, query and class do": asked.wanted is not None}
        for what in (what for what, is_given in given.items() if is_given):
            raise UsageError(f"{self.model.info.name} classifies pictures: {what} not fit it.",
                             "Leave it out; target says which class is explained.")
        self._indices(asked.target)

    def explain_batch(self, jobs: Sequence[Job], methods: Sequence[Method],
                      max_memory: int | None = None) -> list[list[Result]]:
        """One forward for all pictures that are read from the same layer on, and their classes in turns."""
        results: list[list[Result]] = []
        for starts, group in groupby(jobs, key=lambda job: dict(job.start_layers)):
            together = list(group)
            views = views_of(self.model, self.model.network.config, [job.picture.image for job in together])
            wanted = [self._indices(job.target) or (None,) for job in together]
            scores, outputs = attribute(
                self.model.network, self.model.family, self.model.to_model(views.inputs), methods, Classes(wanted),
                seeds=[seed_of(job.picture.sha256) for job in together], max_memory=max_memory, start_layers=starts)
            probabilities = outputs["logits"].float().softmax(dim=1).cpu()
            maps = {name: found["image"].cpu().split([len(one) for one in wanted]) for name, found in scores.items()}
            results += [[self._explained(job, wanted[index], probabilities[index], maps[method.name][index],
                                         method.name, views, index) for method in methods]
                        for index, job in enumerate(together)]
        return results

    @property
    def classes(self) -> list[str]:
        config = self.model.network.config
        return [str(config.id2label.get(index, f"class {index}")) for index in range(config.num_labels)]

    def indices(self, target: Target, predicted: int) -> list[int]:
        """The classes that are explained, where this one is predicted."""
        return [*self._indices(target)] or [predicted]

    def _explained(self, job: Job, wanted: Sequence[int | None], probabilities: Tensor, maps: Tensor, method: str,
                   views: Views, index: int) -> Explanations:
        best = [self._prediction(one, probabilities)
                for one in probabilities.topk(min(RUNNERS_UP, len(probabilities))).indices.tolist()]
        model = self.model.info
        explanations = tuple(Explanation(
            picture=job.picture, question="", method=method,
            target=best[0] if label is None else self._prediction(label, probabilities), predictions=tuple(best),
            scores={"image": scores.numpy()}, tokens=(), regions=(), region_provider="", model=model,
            versions=versions(), notes=self.warnings, grid=views.grid, view_xyxy_px=views.boxes_xyxy_px[index],
            start_layers={**self.model.family.start_layers, **job.start_layers})
            for label, scores in zip(wanted, maps, strict=True))
        return Explanations(job.picture, method, model, explanations, versions(), self.warnings)

    def _prediction(self, index: int, probabilities: Tensor) -> Prediction:
        return Prediction(index, self.classes[index], float(probabilities[index]))

    def _indices(self, target: Target) -> tuple[int, ...]:
        """Classes by name, by one of the names in a label such as "tabby, tabby cat", or by index; each once."""
        return tuple(dict.fromkeys(self._index(one) for one in targets_of(target)))

    def _index(self, target: str | int) -> int:
        classes, text = self.classes, str(target).strip()
        if (len(matching := _matching(text, classes)) > 1) and not isinstance(target, int):
            named = ", ".join(f"{index} ({classes[index]})" for index in matching)
            raise UsageError(f"'{text}' names several classes: {named}.", "Give the number of one.")
        index = matching[0] if matching and not isinstance(target, int) else index_of(target, classes)
        if index is None:
            raise unknown_choice(f"'{text}' is not a class that this model knows.", text, "classes", classes,
                                 _SHOWN_CLASSES)
        return index


def _matching(text: str, classes: Sequence[str]) -> list[int]:
    """The classes whose whole label this is, or else those that have it among their names."""
    lowered = [label.lower() for label in classes]
    whole = [index for index, label in enumerate(lowered) if label == text.lower()]
    return whole or [index for index, label in enumerate(lowered)
                     if text.lower() in (name.strip() for name in label.split(","))]
