"""Explanations built by hand: no model, no file."""

import re
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from PIL import Image

from mmx.types import Explanation, ModelInfo, Picture, Prediction, Region, Token

Build = Callable[..., Explanation]


def tokens_of(question: str) -> tuple[Token, ...]:
    found = [Token(m.group(), m.group().lower(), False, m.span()) for m in re.finditer(r"\w+|[^\w\s]", question)]
    return (Token("[CLS]", "[CLS]", True, None), *found, Token("[SEP]", "[SEP]", True, None))


@pytest.fixture
def build() -> Build:
    """An explanation of a grey picture; one region on its left half unless told otherwise."""

    def explanation(
        question: str = "What is it?",
        size: tuple[int, int] = (64, 48),
        boxes: Sequence[tuple[float, ...]] | None = None,
        image_scores: Sequence[float] | None = None,
        text_scores: Sequence[float] | None = None,
        labels: Sequence[str | None] = ("cat",),
        target: int = 0,
        **changes: object,
    ) -> Explanation:
        boxes = [(0, 0, size[0] / 2, size[1])] if boxes is None else boxes
        tokens = tokens_of(question)
        scores = np.linspace(0.0, 1.0, len(tokens)) if text_scores is None else text_scores
        regions = np.linspace(0.2, 1.0, len(boxes)) if image_scores is None else image_scores
        predictions = (Prediction(7, "cat", 0.8), Prediction(3, "dog", 0.15), Prediction(5, "cow", 0.04))
        fields = {
            "picture": Picture(Image.new("RGB", size, (120, 120, 120)), "pictures/my cat.jpg", "00ff"),
            "question": question,
            "method": "relevance",
            "target": predictions[target],
            "predictions": predictions,
            "scores": {"text": np.array(scores), "image": np.array(regions)},
            "tokens": tokens,
            "regions": tuple(Region(tuple(box), labels[i % len(labels)], 0.5) for i, box in enumerate(boxes)),
            "region_provider": "by hand",
            "model": ModelInfo("tiny", "lxmert", "sha256:00", "cpu", "float32"),
            "versions": {"mmx": "0"},
        }
        return Explanation(**{**fields, **changes})  # type: ignore[arg-type]

    return explanation
