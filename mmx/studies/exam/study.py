"""`mmx.evaluate`: a model and its explanations on fresh drawn scenes, whose truth is known."""

from collections.abc import Sequence
from typing import Any, ClassVar

from mmx.results import SCHEMA_VERSION
from mmx.studies.exam.asking import exam_of
from mmx.studies.exam.scores import ExamScores
from mmx.studies.models import Model, fitting_methods, identity_of, signed_notes
from mmx.studies.reporting import Reporter, reporter_of
from mmx.studies.result import Study

_SIGNED = "pointing and rank take scores as they are, the most positive first; mass counts the positive ones alone"


class ExamStudy(Study):
    """How often a model is right, and how well each method's relevance lies on what right answers depend on."""

    columns: ClassVar = ("model", "method", "group", "metric", "mean", "low", "high", "samples", "difference",
                         "difference_low", "difference_high")

    def __repr__(self) -> str:
        found = self.document
        return (f"<ExamStudy of {found['model']['name']}, {found['samples']['evaluated']} samples, "
                f"{len(found['methods'])} methods: accuracy {100 * found['accuracy']['mean']:.1f} %>")

    def rows(self) -> list[dict[str, Any]]:
        """A row for each method, group of cases and metric, with its paired difference to the first method's.

        All are shares of 1; intervals are 95 % bootstrap.
        """
        found = self.document
        return [{"model": found["model"]["name"], "method": method, "group": group, "metric": metric, **estimate,
                 **self._difference(method, group, metric)}
                for method, groups in found["methods"].items() for group, metrics in groups.items()
                for metric, estimate in metrics.items()]

    def _difference(self, method: str, group: str, metric: str) -> dict[str, float | None]:
        found = self.document["differences"].get(method)
        estimate = found[group][metric] if found else {}
        return {"difference": estimate.get("mean"), "difference_low": estimate.get("low"),
                "difference_high": estimate.get("high")}


def evaluate(model: Model, *, methods: Sequence[str] = ("paper",), scenes: int = 2000, first_scene: int = 0,
             batch_size: int = 32, samples: int | None = None, progress: Reporter | None = None) -> ExamStudy:
    """Asks a model about fresh drawn scenes and scores its answers, and every method's explanations of right ones.

    Args:
        methods: by name, or by group: "paper", "fast" or "all", of which those that have sense on this model.
        scenes, first_scene: how many, and the number of the first one; below 1,000,000 no shipped model was trained.
        batch_size: scenes that run through the model at once.
        samples: how often a method runs the model again that can choose; see `Model.explain`.
        progress: hears how far it is.

    Raises:
        UsageError: there is no exam for what the model does.

    Example:
        >>> study = mmx.evaluate(mmx.load("shapes-vit"), methods=["relevance"], scenes=4)
        >>> study
        <ExamStudy of shapes-vit, 3 samples, 1 methods: accuracy 100.0 %>
        >>> sorted({row["metric"] for row in study.rows()})
        ['mass', 'pointing', 'rank']
    """
    reporter = reporter_of(progress, leads=True)
    exam, scores = exam_of(model), ExamScores()
    fitting, left_out = fitting_methods(model, methods, reporter, samples=samples)
    with reporter.progress(scenes) as advance:
        for start in range(first_scene, first_scene + scenes, batch_size):
            numbers = range(start, min(start + batch_size, first_scene + scenes))
            for verdict in exam(model, fitting, numbers):
                scores.add(verdict)
            advance(len(numbers))
    return ExamStudy({"schema_version": SCHEMA_VERSION, **identity_of(model), "first_scene": first_scene,
                      **scores.summary(), "left_out": left_out, "notes": signed_notes(fitting, _SIGNED)})
