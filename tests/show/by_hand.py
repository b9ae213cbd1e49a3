"""What explanations are built of by hand: no model, no file."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
from matplotlib.offsetbox import OffsetBox
from PIL import Image

import mmx.show  # noqa: F401  (explanations draw themselves once it is there)
from mmx.results import Asked, Explanation, Item, ModelInfo, Picture, Prediction, Token, Words
from mmx.show.plotting import plot_of, to_image

MODEL = ModelInfo("tiny", "toys", "ToyModel", "sha256:00", "cpu", "float32")
ANSWERS = (Prediction(7, "cat", 0.8, "softmax"), Prediction(3, "dog", 0.15, "softmax"),
           Prediction(5, "cow", 0.04, "softmax"))
NASTY = '<script>alert("1")</script><img src=x onerror=y>&\''


def words_of(text: str) -> Words:
    """As a BERT tokenizer has them, with two special tokens."""
    found = [Token(m.group(), m.group().lower(), False, m.span()) for m in re.finditer(r"\w+|[^\w\s]", text)]
    return Words(text, (Token("[CLS]", "[CLS]", True, None), *found, Token("[SEP]", "[SEP]", True, None)))


def picture_of(size: tuple[int, int] = (64, 48)) -> Picture:
    return Picture(Image.new("RGB", size, (120, 120, 120)), "pictures/my cat.jpg", "00ff")


def explanation_of(items: tuple[Item, ...], asked: Asked, size: tuple[int, int], **fields: Any) -> Explanation:
    return Explanation(**{"model": MODEL, "method": "relevance", "pictures": (picture_of(size),), "asked": asked,
                          "elements": {}, "items": items, "versions": {"mmx": "0"}, **fields})


def by(explanation: Explanation, *methods: str) -> list[Explanation]:
    """The same by other methods."""
    return [replace(explanation, method=method) for method in methods]


def drawn(block: OffsetBox, margin: int = 0) -> np.ndarray:
    """A block as it is drawn, (height, width, 3) of int."""
    return np.asarray(to_image(plot_of(block, margin))).astype(int)


class Parsed(HTMLParser):
    """Tags with their attributes; fails where one is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("img", "meta", "input"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def visible(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html)).replace("\u00a0", " ")
