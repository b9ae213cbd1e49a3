"""How accurate published checkpoints are, so that a run on wrong region features is seen for what it is."""

from typing import Any

_FIGURES = {
    "unc-nlp/lxmert-vqa-uncased": (0.699, "its authors, local validation split of VQA v2"),
    "uclanlp/visualbert-vqa": (0.708, "the VisualBERT paper on VQA v2 test-dev"),
}
_FAR = 0.1
FEWEST = 50


def accuracy_warning(checkpoint: str, accuracy: dict[str, Any], samples: int) -> str | None:
    """What to say where a known checkpoint answers far worse than published; None where all is well or unknown."""
    if checkpoint not in _FIGURES or samples < FEWEST:
        return None
    figure, source = _FIGURES[checkpoint]
    if accuracy["high"] >= figure - _FAR:
        return None
    return (f"{checkpoint} answers {100 * accuracy['mean']:.1f} % rightly here, but {100 * figure:.1f} % as published "
            f"({source}). Whatever faithfulness is measured with it is void. Most often the region features are not "
            "those that it was trained on, or the data are of another kind.")
