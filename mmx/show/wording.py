"""Results in words, for figures, pages and terminals alike. A score is told by its unit, never by a kind of model."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from mmx.errors import plural, shown_path
from mmx.results import Asked, Block, Box, Explanation, Item, Patches, Prediction, Region, Regions, Unit, Words
from mmx.show.flow import Word
from mmx.show.grids import boxes_of, by_stream_of, grids_of, together
from mmx.show.tokens import scored_words

_MINUS, _NO_BREAK = "\u2212", "\u00a0"
WHOLE_ANSWER = "whole answer"
_SURE_OTHERS = 3
_STRONGEST = 3
_HARDLY_NATS = 0.1  # a probability that is a tenth larger or smaller


def number(value: float) -> str:
    """A number in two significant digits.

    >>> number(0.04149), number(1234.0), number(0.0)
    ('0.041', '1200', '0')
    """
    return f"{float(f'{value:.2g}'):g}".replace("-", _MINUS)


def percent(share: float) -> str:
    """A share in whole percent, never rounded to impossible or certain."""
    if 0 < share <= 0.005:
        return f"<{_NO_BREAK}1{_NO_BREAK}%"
    if 0.995 <= share < 1:
        return f">{_NO_BREAK}99{_NO_BREAK}%"
    return f"{100 * share:.0f}{_NO_BREAK}%"


def plain(text: str) -> str:
    """For terminals and pipes: ordinary spaces and minus signs."""
    return text.replace(_NO_BREAK, " ").replace(_MINUS, "-")


def score_in_words(score: float, unit: Unit) -> str:
    """ "98 %" of a softmax or sigmoid, "similarity 0.27", "logit 3.2", and a plain number of a value."""
    if unit in ("softmax", "sigmoid"):
        return percent(score)
    if unit == "similarity":
        return f"similarity {two_decimals(score)}"
    told = f"{score:.4g}".replace("-", _MINUS)
    return told if unit == "value" else f"{unit} {told}"


def two_decimals(value: float) -> str:
    """ "0.27"; no minus stands before a zero."""
    return f"{round(value, 2) or 0.0:.2f}".replace("-", _MINUS)


def in_words(one: Prediction | Item) -> str:
    """ "red 98 %" """
    return f"{one.label} {score_in_words(one.score, one.unit)}".strip()


def title(item: Item, asked: Asked, named: bool = True) -> str:
    """ "tabby 43 %", "cat 98 % (query 12)", "a red cat: similarity 0.27, softmax 83 %".

    Args:
        named: whether the label is told; it need not be where the words of a text are shown.
    """
    said = ", ".join([score_in_words(item.score, item.unit), *_also(item, asked)])
    colon = ":" if item.unit in ("similarity", "logit") else ""
    label = item.label if named else unnamed(item)
    told = f"{label}{colon} {said}".strip() if label else said
    return told if item.query is None else f"{told} (query{_NO_BREAK}{item.query})"


def unnamed(item: Item) -> str:
    """What stands for the label where all of its text is shown: nothing, or "whole answer" where words of it are too.
    """
    return "" if item.span is None else WHOLE_ANSWER if " " in item.label else item.label


def called(item: Item, explanation: Explanation) -> str:
    """Its label, but "whole answer" of an answer of several words."""
    return unnamed(item) if item.span and item.label == explanation.answer else item.label


def need_of_picture(item: Item) -> str:
    """ "needs the picture: -3.2 nats without it", "hardly needs the picture"; empty where nothing is known of it.

    A word that needs no picture has a map all the same: a reader must see that.
    """
    drop = item.drop_without_picture
    if drop is None:
        return ""
    if abs(drop) < _HARDLY_NATS:
        return "hardly needs the picture"
    changes = nats_without_picture(item)
    return f"needs the picture: {changes} without it" if drop > 0 else f"more probable without the picture: {changes}"


def nats_without_picture(item: Item) -> str:
    """ "-3.2 nats": by how much its log-probability changes where the picture is blank; empty where that is not known.
    """
    drop = item.drop_without_picture
    return "" if drop is None else f"{'+' if drop < 0 else _MINUS}{number(abs(drop))}{_NO_BREAK}nats"


def on_sinks(explanation: Explanation, item: Item) -> dict[str, str]:
    """ {"border": "35 %", "first token": "12 %"}: how much relevance lies on the border of patches, and where there are
    any, on the first token of the text.
    """
    kinds = {block.stream: type(block.element) for block in explanation.blocks(item)}
    shares = explanation.sink_shares(item).items() if Patches in kinds.values() else ()
    return {"border" if kinds[stream] is Patches else "first token": percent(share)
            for stream, share in shares if share is not None}


def counted(explanation: Explanation) -> str:
    """ "2 detections over 50 %", "no detection of cat over 50 %", "queries 3 and 12 as cat", "2 texts", "1 class",
    "7 words and the whole answer" """
    asked, count = explanation.asked, len(explanation)
    if asked.queries:
        queries = "query" if len(asked.queries) == 1 else "queries"
        about = "" if asked.class_name is None else f" as {asked.class_name}"
        return f"{queries} {listed([str(query) for query in asked.queries])}{about}"
    if asked.threshold is not None:
        of_class = "" if asked.class_name is None else f" of {asked.class_name}"
        found = f"{count or 'no'} detection{'' if count < 2 else 's'}"
        return f"{found}{of_class} over {100 * asked.threshold:g}{_NO_BREAK}%"
    kinds = [item.kind for item in explanation if called(item, explanation) != WHOLE_ANSWER]
    told = [_counted(kind, kinds.count(kind)) for kind in dict.fromkeys(kinds)]
    return listed([*told, *([f"the {WHOLE_ANSWER}"] if len(kinds) < count else [])])


def answer_lines(explanation: Explanation) -> tuple[str, str]:
    """What was answered, and the runners-up; says so where one thing is explained and that is another."""
    predictions = explanation.predictions or tuple(item.prediction for item in explanation.items[:1])
    if not predictions:
        return "", ""
    best, explained = predictions[0], explanation.items
    if len(explained) != 1 or (_by_itself(explanation) and explained[0].index == best.index):
        return f"Answer: {_with_score(best)}", _then(predictions[1:])
    target = explained[0].prediction
    others = [one for one in predictions[1:] if one.index != target.index]
    aside = f"Predicted: {_with_score(best)}"
    return f"Explained: {_with_score(target)}", ", ".join(filter(None, [aside, _then(others)]))


def runners_up(explanation: Explanation) -> str:
    """ "then red 2 %, blue 1 %", without what is 0; empty where there is nothing else."""
    others = [in_words(one) for one in explanation.predictions[1:] if one.score > 0 or not _is_share(one.unit)]
    return f"then {', '.join(others)}" if others else ""


def answer_in_short(explanation: Explanation) -> str:
    """The explained answer, and the given one where that is another."""
    explained = explanation.items[0]
    given = explanation.predictions[0] if explanation.predictions else explained.prediction
    same = _by_itself(explanation) and given.index == explained.index
    return in_words(explained) + ("" if same else f" (answers {in_words(given)})")


def most_probable(explanation: Explanation) -> str:
    """What is predicted, best first; empty where every prediction is explained, or a question has been answered."""
    explained = {item.index for item in explanation}
    if explanation.asked.question is not None or (
            _by_itself(explanation) and all(one.index in explained for one in explanation.predictions)):
        return ""
    shares = all(_is_share(one.unit) for one in explanation.predictions)
    return f"{'Most probable' if shares else 'Predicted'}: {', '.join(map(in_words, explanation.predictions))}"


def surest_others(explanation: Explanation) -> str:
    """The surest detections that were not asked for; empty if there are none."""
    return ", ".join(title(other, explanation.asked) for other in explanation.others[:_SURE_OTHERS])


def units_told(explanation: Explanation) -> str:
    """What the scores are where a reader would take them for something else; else empty."""
    if not any(item.unit == "sigmoid" for item in explanation):
        return ""
    return "Each percentage is a probability of its own (sigmoid): together they need not make 100 %."


def layers_read(asked: Asked) -> str:
    """ "last layer of each stream", "image layers from 3 on"; empty where a model of one stream is read as a whole."""
    starts = asked.start_layers
    if set(starts.values()) in ({0}, {-1}):
        which = "all layers" if 0 in starts.values() else "last layer"
        return f"{which} of each stream" if len(starts) > 1 else "" if which == "all layers" else f"{which} only"
    named = {0: "all {} layers", -1: "last {} layer"}
    told = {stream: named.get(start, f"{{}} layers from {start} on") for stream, start in starts.items()}
    return ", ".join(text.format(stream) for stream, text in told.items())


def words_of(block: Block) -> list[Word]:
    """The words of a block of `Words`, each with the sum of its tokens' raw scores."""
    assert isinstance(block.element, Words)
    return scored_words(block.element.text, block.element.tokens, block.scores)


def top_words(explanation: Explanation, item: Item, with_scores: bool = True) -> str:
    """ "ball 0.51, red 0.2"; says so where every score is 0, and is empty where no words were explained.

    Of several streams of words, those that have none with relevance are left out where another has.
    """
    by_stream: dict[str, list[Word]] = {}
    for block in _ranked_blocks(explanation, item, with_scores):
        if isinstance(block.element, Words):
            by_stream.setdefault(block.stream, []).extend(words_of(block))
    found = {stream: words for stream, words in by_stream.items() if any(word.score for word in words)} or by_stream
    told = {stream: _best_words(words, with_scores) for stream, words in found.items()}
    return "; ".join(f"{stream}: {best}" if len(by_stream) > 1 else best for stream, best in told.items())


def _best_words(words: Sequence[Word], with_scores: bool) -> str:
    best = ranked(np.array([word.score for word in words]))
    return _told([(words[index].text, words[index].score) for index in best], with_scores)


def top_regions(explanation: Explanation, item: Item, with_scores: bool = True) -> str:
    """ "1 cat 0.51, 2 upper left 0.2", numbered as on the picture; else as `top_words`."""
    told = [region_ranking(block.element, block.scores, explanation.pictures[block.element.picture].size, with_scores)
            for block in _ranked_blocks(explanation, item, with_scores) if isinstance(block.element, Regions)]
    return "; ".join(told)


def region_ranking(regions: Regions, scores: np.ndarray, size: tuple[int, int], with_scores: bool = True) -> str:
    """The most relevant regions of a picture of this size in pixels."""
    best = enumerate(ranked(scores), start=1)
    return _told([(f"{rank} {region_name(regions.regions[index], size)}", float(scores[index]))
                  for rank, index in best], with_scores)


def top_patch(explanation: Explanation, item: Item) -> str:
    """Where on the picture the most relevant patch lies: "upper left"; empty where no patches were explained."""
    grids = [block for block in _ranked_blocks(explanation, item) if isinstance(block.element, Patches)]
    if not grids:
        return ""
    found = [(float(score), box, explanation.pictures[picture].size)
             for group in by_stream_of(grids, Patches) for picture in range(len(explanation.pictures))
             for score, box in zip(together(grids_of(group, picture)), boxes_of(group, picture), strict=True)]
    best = ranked(np.array([score for score, _, _ in found]))
    return place(*found[best[0]][1:]) if best else _told([], False)


def _ranked_blocks(explanation: Explanation, item: Item, signs_are_told: bool = False) -> tuple[Block, ...]:
    """Without what speaks against, of a signed method, where a reader would take it for the other."""
    blocks = explanation.blocks(item)
    if not explanation.signed or signs_are_told:
        return blocks
    return tuple(replace(block, scores=block.scores.clip(min=0)) for block in blocks)


def speaks_against(explanations: Sequence[Explanation]) -> str:
    """That scores below zero are evidence against what is explained; empty where no method's are."""
    signed = [one.method for one in explanations if one.signed]
    if not signed:
        return ""
    whose = "" if len(explanations) == 1 else f" of {listed(signed)}"
    return f"Colours{whose} are centred on zero: scores below it are evidence against what is explained."


def region_name(region: Region, size: tuple[int, int]) -> str:
    """What the provider calls it, or else where in the picture it lies."""
    return region.label or place(region.box_xyxy_px, size)


def place(box: Box, size: tuple[int, int]) -> str:
    """Where on a picture of this size a box lies: "upper left", "middle"."""
    left, top, right, bottom = box
    across = _third((left + right) / 2 / size[0], ("left", "", "right"))
    down = _third((top + bottom) / 2 / size[1], ("upper", "middle", "lower"))
    return f"{down} {across or 'middle'}" if across or down != "middle" else "middle"


def file_name(explanation: Explanation) -> str:
    """The name of the first picture without its folder, as it may be printed; empty without pictures."""
    source = explanation.pictures[0].source if explanation.pictures else ""
    return shown_path(source.rstrip("/").rpartition("/")[2] or source)


def ranked(scores: np.ndarray, count: int = _STRONGEST) -> list[int]:
    """Indices of the strongest scores, strongest first, without those that are 0."""
    strongest = np.argsort(-np.abs(scores), kind="stable")[:count]
    return [int(index) for index in strongest if scores[index]]


def listed(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c" """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _counted(kind: str, count: int) -> str:
    return f"{count} {kind if count == 1 else plural(kind)}"


def _also(item: Item, asked: Asked) -> list[str]:
    """A share among texts says nothing where there is one text."""
    return [f"{unit} {percent(share)}" for unit, share in item.also.items()
            if unit == "sigmoid" or (unit == "softmax" and len(asked.texts) > 1)]


def _with_score(one: Prediction) -> str:
    return f"{one.label} ({score_in_words(one.score, one.unit)})"


def _then(others: Iterable[Prediction]) -> str:
    told = ", ".join(map(_with_score, others))
    return f"then {told}" if told else ""


def _by_itself(explanation: Explanation) -> bool:
    """Whether what is explained is an answer, class or text by itself: no contrast, and no function of the outputs."""
    return explanation.asked.against is None and explanation.asked.function is None


def _is_share(unit: Unit) -> bool:
    return unit in ("softmax", "sigmoid")


def _told(found: list[tuple[str, float]], with_scores: bool) -> str:
    told = (f"{name} {number(score)}" if with_scores else name for name, score in found)
    return ", ".join(told) or "none: every score is 0"


def _third(position: float, names: tuple[str, str, str]) -> str:
    return names[min(2, max(0, int(3 * position)))]
