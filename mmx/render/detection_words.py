"""Detections in words."""

from collections.abc import Sequence

from mmx.render.legend import percent
from mmx.types import Detections, Explanation, Prediction, Wanted

_NAMED = 3


def in_words(prediction: Prediction) -> str:
    return f"{prediction.label} {percent(prediction.probability)}"


def title(explanation: Explanation) -> str:
    """ "cat 98 % (query 12)" """
    assert explanation.detection is not None
    return f"{in_words(explanation.target)} (query\u00a0{explanation.detection.query})"


def counted(detections: Detections) -> str:
    """ "2 detections over 50 %", "no detection of cat over 50 %", "queries 3 and 12 as cat" """
    wanted = detections.wanted
    if wanted.queries:
        return asked_for(wanted)
    count = len(detections)
    return f"{count or 'no'} detection{'' if count < 2 else 's'} {asked_for(wanted)}"


def asked_for(wanted: Wanted) -> str:
    if wanted.queries:
        named = _listed([str(query) for query in wanted.queries])
        about = f" as {wanted.class_name}" if wanted.class_name is not None else ""
        return f"{'query' if len(wanted.queries) == 1 else 'queries'} {named}{about}"
    of_class = f"of {wanted.class_name} " if wanted.class_name is not None else ""
    return f"{of_class}over {100 * (wanted.threshold or 0):g}\u00a0%"


def surest_others(detections: Detections) -> str:
    """The surest detections that were not asked for; empty if there are none."""
    return ", ".join(f"{in_words(other.prediction)} (query\u00a0{other.detection.query})"
                     for other in detections.others[:_NAMED])


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
