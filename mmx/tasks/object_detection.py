"""Object detection: why the model found each object that it found in a picture."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from torch import Tensor

from mmx.errors import UsageError
from mmx.families.detr import Keep
from mmx.methods import Method
from mmx.tasks.base import Asked, Job, Result, Task, index_of, targets_of, unknown_choice, versions
from mmx.tasks.detections import Found, explain_detections
from mmx.types import Candidate, Detection, Detections, Explanation, Prediction, Wanted

RUNNERS_UP = 5
_SHOWN_CLASSES = 100


class ObjectDetection(Task):
    def load(self) -> None:
        _ = self.model.processor

    def check(self, asked: Asked) -> None:
        given = {"a question does": asked.question is not None,
                 "the target of a question does": bool(targets_of(asked.target)), "a text does": bool(asked.texts)}
        for what in (what for what, is_given in given.items() if is_given):
            raise UsageError(f"{self.model.info.name} finds objects: {what} not fit it.",
                             "Leave it out; threshold, query and class say what is explained.")
        self.settled(asked.wanted)

    def settled(self, wanted: Wanted | None) -> Wanted:
        """What is asked for in full: the threshold that holds, the class by its own name, each query once."""
        asked = wanted or Wanted()
        name = None if asked.class_name is None else self.classes[self._class_index(asked.class_name)]
        if asked.queries:
            if asked.threshold is not None:
                raise UsageError("A query is explained however sure it is: no threshold fits it.",
                                 "Give threshold or query.")
            return Wanted(None, tuple(dict.fromkeys(map(self._checked_query, asked.queries))), name)
        threshold = Keep().threshold if asked.threshold is None else asked.threshold
        if not 0 <= threshold < 1:
            raise UsageError(f"A threshold of {threshold:g} makes no sense.", "It is a probability: from 0 to below 1.")
        return Wanted(threshold, (), name)

    def explain_batch(self, jobs: Sequence[Job], methods: Sequence[Method],
                      max_memory: int | None = None) -> list[list[Result]]:
        """One forward for all pictures of which the same threshold is asked; one for each of which queries are."""
        results: list[list[Result]] = []
        for wanted, together in self._runs(jobs):
            target = self._target(wanted)
            found = explain_detections(self.model, [job.picture for job in together], methods, target,
                                       max_memory=max_memory)
            results += [[self._detections(job, wanted, one, method.name) for method in methods]
                        for job, one in zip(together, found, strict=True)]
        return results

    @property
    def classes(self) -> list[str]:
        config = self.model.network.config
        return [str(config.id2label.get(index, f"class {index}")) for index in range(config.num_labels)]

    def _runs(self, jobs: Sequence[Job]) -> Iterator[tuple[Wanted, list[Job]]]:
        for wanted, group in groupby(jobs, key=lambda job: self.settled(job.wanted)):
            together = list(group)
            yield from [(wanted, [job]) for job in together] if wanted.queries else [(wanted, together)]

    def _target(self, wanted: Wanted) -> Keep | list[tuple[int, int | None]]:
        label = None if wanted.class_name is None else self._class_index(wanted.class_name)
        if wanted.queries:
            return [(query, label) for query in wanted.queries]
        assert wanted.threshold is not None
        return Keep(wanted.threshold, label)

    def _detections(self, job: Job, wanted: Wanted, found: Found, method: str) -> Detections:
        kept = found.kept.tolist()
        order = range(len(kept)) if wanted.queries else sorted(range(len(kept)), key=lambda i: -found.scores[kept[i]])
        named = None if wanted.class_name is None else self._class_index(wanted.class_name)
        explanations = [self._explanation(job, found, kept[item], named, method, found.relevance[method][item])
                        for item in order]
        surest = [query for query in found.scores.argsort(descending=True).tolist() if query not in kept]
        others = [Candidate(_detection(found, query), self._prediction(found, query, int(found.labels[query])))
                  for query in surest[:RUNNERS_UP]]
        return Detections(job.picture, method, self.model.info, wanted, tuple(explanations), tuple(others), versions(),
                          self.warnings)

    def _explanation(self, job: Job, found: Found, query: int, label: int | None, method: str,
                     relevance: Tensor) -> Explanation:
        rows, columns = relevance.shape
        best = found.probabilities[query].topk(min(RUNNERS_UP, len(self.classes))).indices.tolist()
        return Explanation(
            picture=job.picture, question="", method=method,
            target=self._prediction(found, query, int(found.labels[query]) if label is None else label),
            predictions=tuple(self._prediction(found, query, index) for index in best),
            scores={"image": relevance.flatten().numpy()}, tokens=(), regions=(), region_provider="",
            model=self.model.info, versions=versions(), notes=self.warnings, grid=(rows, columns),
            detection=_detection(found, query))

    def _prediction(self, found: Found, query: int, label: int) -> Prediction:
        return Prediction(label, self.classes[label], float(found.probabilities[query, label]))

    def _checked_query(self, query: int) -> int:
        count = self.model.network.config.num_queries
        if not 0 <= query < count:
            raise UsageError(f"There is no query {query}; {self.model.info.name} has {count} (0 to {count - 1}).")
        return int(query)

    def _class_index(self, name: str) -> int:
        index = index_of(name, self.classes)
        if index is None:
            names = list(dict.fromkeys(one for one in self.classes if one != "N/A"))
            raise unknown_choice(f"'{name}' is not a class that this model knows.", name, "classes", names,
                                 _SHOWN_CLASSES)
        return index


def _detection(found: Found, query: int) -> Detection:
    left, top, right, bottom = found.boxes_xyxy_px[query].tolist()
    return Detection(query, (left, top, right, bottom))
