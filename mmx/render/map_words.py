"""Classes and texts of a picture in words."""

from mmx.render.legend import percent
from mmx.types import Explanation, Explanations

_MINUS = "\u2212"


def heading(explanation: Explanation) -> str:
    """ "tabby 43 %" of a class; of a text "similarity 0.27, softmax 83 %", or less where it is the only one."""
    target, match = explanation.target, explanation.match
    if match is None:
        return f"{target.label} {percent(target.probability)}"
    share = f", softmax {percent(target.probability)}" if len(explanation.predictions) > 1 else ""
    return f"similarity {similarity(explanation)}{share}"


def similarity(explanation: Explanation) -> str:
    """The cosine of picture and text in two decimals."""
    assert explanation.match is not None
    rounded = round(explanation.match.similarity, 2) or 0.0  # no minus before a zero
    return f"{rounded:.2f}".replace("-", _MINUS)


def counted(found: Explanations) -> str:
    """ "2 texts", "1 class" """
    one, several = ("text", "texts") if found.of_texts else ("class", "classes")
    return f"{len(found)} {one if len(found) == 1 else several}"


def top_classes(found: Explanations) -> str:
    """What a classifier holds most probable; empty where texts are explained."""
    if found.of_texts:
        return ""
    return "Most probable: " + ", ".join(f"{one.label} {percent(one.probability)}" for one in found[0].predictions)


def layers_read(explanation: Explanation) -> str:
    """ "last layer of each stream", "image layers from 3 on"; empty where a model of one stream is read as a whole."""
    starts = explanation.start_layers
    if set(starts.values()) in ({0}, {-1}):
        which = "all layers" if 0 in starts.values() else "last layer"
        return f"{which} of each stream" if len(starts) > 1 else "" if which == "all layers" else f"{which} only"
    named = {0: "all {} layers", -1: "last {} layer"}
    told = {stream: named.get(start, f"{{}} layers from {start} on") for stream, start in starts.items()}
    return ", ".join(text.format(stream) for stream, text in told.items())
