"""Explanations for every mix of what models look at."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from by_hand import ANSWERS, explanation_of, words_of
from matplotlib import font_manager
from matplotlib.font_manager import fontManager

from mmx.results import Asked, Explanation, Item, Patches, Prediction, Region, Regions, Token, Words
from mmx.show import lettering

Build = Callable[..., Explanation]
MIXES = ("regions", "patches", "texts", "classes", "detections", "nothing")


@pytest.fixture
def answer() -> Build:
    """A question about regions of a grey picture: one on its left half unless told otherwise."""

    def build(question: str = "What is it?", size: tuple[int, int] = (64, 48), boxes: Any = None,
              image: Any = None, text: Any = None, labels: tuple[str | None, ...] = ("cat",), target: int = 0,
              provider: str = "by hand", streams: tuple[str, ...] = ("text", "image"), **fields: Any) -> Explanation:
        words, boxes = words_of(question), [(0, 0, size[0] / 2, size[1])] if boxes is None else boxes
        scores = {"text": np.linspace(0, 1, len(words)) if text is None else np.array(text, dtype=float),
                  "image": np.linspace(0.2, 1, len(boxes)) if image is None else np.array(image, dtype=float)}
        best = fields.get("predictions", ANSWERS) or ANSWERS
        item = Item("answer", best[target].index, best[target].label, best[target].score, best[target].unit,
                    {stream: scores[stream] for stream in streams})
        regions = Regions(tuple(Region(tuple(map(float, box)), labels[place % len(labels)], 0.5)
                                for place, box in enumerate(boxes)), provider)
        return explanation_of((item,), Asked(question), size, **{
            "elements": {"text": (words,), "image": (regions,)}, "predictions": ANSWERS, **fields})

    return build


@pytest.fixture
def joint() -> Build:
    """A question over patches: words, a special token and a 2 x 3 grid make one stream."""

    def build(question: str = "What is it?", size: tuple[int, int] = (64, 48), **fields: Any) -> Explanation:
        words, token = words_of(question), Words("", (Token("", "[CLS]", True, None),))
        scores = np.concatenate([np.linspace(0, 1, len(words)), [9], np.arange(6.0) / 50])
        item = Item("answer", 7, "cat", 0.8, "softmax", {"joint": scores})
        grid = Patches(2, 3, (0.0, 0.0, float(size[0]), float(size[1])))
        return explanation_of((item,), Asked(question), size, **{
            "elements": {"joint": (words, token, grid)}, "predictions": ANSWERS, **fields})

    return build


@pytest.fixture
def written() -> Build:
    """The words of an answer, an item each; picture, question and answer are three streams, or two with one of text."""

    def build(answer: str = "a red cat, asleep", question: str = "What is it?", whole: bool = False,
              size: tuple[int, int] = (64, 48), grid: tuple[int, int] = (2, 3), together: bool = False,
              map_stream: str = "image", **fields: Any) -> Explanation:
        asked, words = words_of(question), words_of(answer)
        tokens = [place for place, token in enumerate(words.tokens) if not token.special]
        spans = [(words.tokens[place].span or (0, 0), place) for place in tokens]
        spans += [((0, len(answer)), len(words))] if whole else []
        items = []
        for number, (span, place) in enumerate(spans):
            before = np.where(np.arange(len(words)) < place, np.linspace(0, 1, len(words)), 0)
            rows = {"text": np.linspace(0, 1, len(asked)), "answer": before}
            scores = {"text": np.concatenate([*rows.values()])} if together else rows
            map_ = {map_stream: np.roll(np.linspace(0, 1, grid[0] * grid[1]), number)} if map_stream else {}
            text = answer[slice(*span)]
            items.append(Item("word", 0 if text == answer else place, text, 0.25, "softmax", {**scores, **map_},
                              span=span, log_probability=float(np.log(0.25))))
        streams = {"text": (asked, words)} if together else {"text": (asked,), "answer": (words,)}
        return explanation_of(tuple(items), Asked(question), size, **{
            "elements": {**streams, "image": (Patches(*grid, (0.0, 0.0, *map(float, size))),)},
            "predictions": (Prediction(0, answer, 0.001, "softmax"),), **fields})

    return build


@pytest.fixture
def texts() -> Build:
    """Texts, each with words of its own, over the patches of a picture of which the model sees the middle."""

    def build(*asked: str, box: Any = (16.0, 0.0, 48.0, 48.0), image: Any = (0.0, 1.0, 0.2, 0.4),
              score: float = 0.268, unit: Any = "similarity", also: Any = None, size: tuple[int, int] = (64, 48),
              **fields: Any) -> Explanation:
        asked, also = asked or ("a red circle", "a dog"), {"softmax": 0.83, "logit": 26.8} if also is None else also
        items = tuple(
            Item("text", place, text, score, unit,
                 {"image": np.array(image), "text": np.linspace(0, 1, len(words_of(text)))}, also,
                 elements={"text": (words_of(text),)}) for place, text in enumerate(asked))
        return explanation_of(items, Asked(texts=asked, start_layers={"image": -1, "text": -1}), size, **{
            "elements": {"image": (Patches(2, 2, box),)},
            "predictions": tuple(item.prediction for item in items), **fields})

    return build


@pytest.fixture
def classes() -> Build:
    """Classes over the patches of a picture, each with a map of its own unless they are the same."""

    def build(count: int = 1, size: tuple[int, int] = (64, 48), unit: Any = "softmax", score: float = 0.8,
              image: Any = (0.0, 1.0, 0.2, 0.4), label: str | None = None, same: bool = False,
              **fields: Any) -> Explanation:
        items = tuple(Item("class", 7 + place, label or f"cat {place}", score, unit,
                           {"image": np.roll(image, 0 if same else place)}) for place in range(count))
        return explanation_of(items, Asked(start_layers={"image": 0}), size, **{
            "elements": {"image": (Patches(2, 2, (0.0, 0.0, *map(float, size))),)},
            "predictions": (*(item.prediction for item in items), Prediction(3, "dog", 0.15, unit)), **fields})

    return build


@pytest.fixture
def detections() -> Build:
    """Detections side by side; each map is hottest in its first cell."""

    def build(count: int = 2, size: tuple[int, int] = (64, 48), label: str = "cat", asked: Asked | None = None,
              maps: Any = None, **fields: Any) -> Explanation:
        scores = np.array([[1.0, 0.5, 0.0], [0.25, 0.0, 0.0]])
        maps = [scores] * count if maps is None else maps
        items = tuple(
            Item("detection", 7, label, 0.9 - place / 100, "softmax", {"image": maps[place].flatten()},
                 query=10 + place,
                 box_xyxy_px=(size[0] * place / count, 0.0, size[0] * (place + 1) / count, size[1] / 2),
                 predictions=(ANSWERS[0],)) for place in range(count))
        other = Item("detection", 2, "dog", 0.31, "softmax", query=3, box_xyxy_px=(0.0, 0.0, 9.0, 9.0))
        shape = maps[0].shape if len(maps) else (2, 3)
        return explanation_of(items, asked or Asked(threshold=0.5), size, **{
            "elements": {"image": (Patches(*shape, (0.0, 0.0, *map(float, size))),)}, "others": (other,), **fields})

    return build


@pytest.fixture(params=MIXES)
def mixed(request: pytest.FixtureRequest) -> Explanation:
    """One explanation of each mix."""
    builders = {"regions": "answer", "patches": "joint", "nothing": "detections"}
    build = request.getfixturevalue(builders.get(request.param, request.param))
    return build(0) if request.param == "nothing" else build()


def forget() -> None:
    for one in vars(lettering).values():
        if hasattr(one, "cache_clear"):
            one.cache_clear()
    fontManager._findfont_cached.cache_clear()


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Says which font files this machine has beside those of matplotlib; none, until it is called."""

    def machine(*paths: Path) -> None:
        own = [one for one in fontManager.ttflist if Path(one.fname).is_relative_to(matplotlib.get_data_path())]
        monkeypatch.setattr(fontManager, "ttflist", own)
        monkeypatch.setattr(font_manager, "findSystemFonts", lambda *_, **__: list(map(str, paths)))
        forget()

    machine()
    yield machine
    monkeypatch.undo()
    forget()
