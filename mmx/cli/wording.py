"""An explanation in a few words: the answer, and what mattered most, numbered as in the picture."""

import numpy as np

from mmx.render.detection_words import surest_others
from mmx.render.legend import number, percent
from mmx.render.tags import ranked
from mmx.render.tokens import scored_words
from mmx.types import Detections, Explanation, Prediction, Region

_NOTHING = "none: every score is 0"


def in_words(prediction: Prediction) -> str:
    return plain(f"{prediction.label} {percent(prediction.probability)}")


def runners_up(explanation: Explanation) -> str:
    """ "then red 2 %, blue 1 %", without what rounds to nothing; empty where there is no other answer."""
    others = [one for one in explanation.predictions[1:] if one.probability > 0]
    return "then " + ", ".join(map(in_words, others)) if others else ""


def answer_in_short(explanation: Explanation) -> str:
    """The explained answer, and the given one where that is another."""
    given, explained = explanation.predictions[0], explanation.target
    said = "" if given.index == explained.index else f" (answers {in_words(given)})"
    return in_words(explained) + said


def detections_in_short(found: Detections) -> str:
    """ "cat 98 %, dog 71 %", or the surest of those that were not asked for."""
    if not len(found):
        return plain(f"surest: {surest_others(found)}")
    return ", ".join(in_words(one.target) for one in found)


def top_words(explanation: Explanation, with_scores: bool = True) -> str:
    words = scored_words(explanation.question, explanation.tokens, explanation.scores["text"])
    found = [(words[i].text, words[i].score) for i in ranked(np.array([word.score for word in words]))]
    return _listed(found, with_scores)


def top_regions(explanation: Explanation, with_scores: bool = True) -> str:
    scores = explanation.scores["image"]
    found = [(f"{rank} {region_name(explanation.regions[i], explanation.picture.image.size)}", float(scores[i]))
             for rank, i in enumerate(ranked(scores), start=1)]
    return _listed(found, with_scores)


def region_name(region: Region, size: tuple[int, int]) -> str:
    """What the provider calls it, or else where in the picture it lies."""
    if region.label:
        return region.label
    left, top, right, bottom = region.box_xyxy_px
    across = _third((left + right) / 2 / size[0], ("left", "", "right"))
    down = _third((top + bottom) / 2 / size[1], ("upper", "middle", "lower"))
    return f"{down} {across or 'middle'}" if across or down != "middle" else "middle"


def _third(position: float, names: tuple[str, str, str]) -> str:
    return names[min(2, max(0, int(3 * position)))]


def _listed(found: list[tuple[str, float]], with_scores: bool) -> str:
    shown = (f"{name} {number(score)}" if with_scores else name for name, score in found)
    return plain(", ".join(shown)) or _NOTHING


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u2212", "-")
