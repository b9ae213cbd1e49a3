"""How accurate published checkpoints are, so that a run on wrong region features is seen for what it is."""

from collections.abc import Mapping

import numpy as np

from mmx.metrics import bootstrap_mean
from mmx.studies.reporting import Reporter
from mmx.studies.runs import Record

_FIGURES = {
    "unc-nlp/lxmert-vqa-uncased": (0.699, "its authors, local validation split of VQA v2"),
    "uclanlp/visualbert-vqa": (0.708, "the VisualBERT paper on VQA v2 test-dev"),
}
_FAR = 0.1
FEWEST = 50


def accuracy_warning(checkpoint: str, accuracy: Mapping[str, float], samples: int) -> str | None:
    """What to say where a known checkpoint answers far worse than published; None where all is well or unknown."""
    if checkpoint not in _FIGURES or samples < FEWEST:
        return None
    figure, source = _FIGURES[checkpoint]
    if accuracy["high"] >= figure - _FAR:
        return None
    return (f"{checkpoint} answers {100 * accuracy['mean']:.1f} % rightly here, but {100 * figure:.1f} % as published "
            f"({source}). Whatever faithfulness is measured with it is void. Most often the region features are not "
            "those that it was trained on, or the data are of another kind.")


class EarlyWarning:
    """Says so after the first samples, before days are spent on it."""

    def __init__(self, checkpoint: str, reporter: Reporter) -> None:
        self._checkpoint, self._reporter = checkpoint, reporter
        self._accuracies: list[float] = []

    def __call__(self, record: Record) -> None:
        if "accuracy" not in record or len(self._accuracies) == FEWEST:
            return
        self._accuracies.append(record["accuracy"])
        if len(self._accuracies) == FEWEST:
            found = bootstrap_mean(np.array(self._accuracies))
            warning = accuracy_warning(self._checkpoint, {"mean": found.mean, "high": found.high}, FEWEST)
            if warning is not None:
                self._reporter.line("warning", warning)
