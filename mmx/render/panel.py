"""One explanation as one figure: picture, colour scale, shaded question, answer, and where it all comes from."""

import numpy as np
from PIL import Image

from mmx.render.canvas import blank, stacked
from mmx.render.colors import GREY, INK, PALE, RULE
from mmx.render.flow import paragraph, paragraphs
from mmx.render.legend import percent, ranking, scale_bar
from mmx.render.picture import picture_with_regions, region_shades
from mmx.render.tokens import scored_words, shaded_words
from mmx.render.typeset import Style
from mmx.types import Explanation, Prediction

_MARGIN = 48
_NARROWEST = 720
_QUESTION = Style(34)
_ANSWER = Style(28, bold=True)
_ASIDE = Style(20, color=GREY)
_SCALE = Style(18, color=INK)
_SMALL = Style(16, color=GREY)


def explanation_panel(explanation: Explanation) -> Image.Image:
    """The whole figure; it grows with its texts, and nothing in it is cut."""
    picture = picture_with_regions(explanation)
    width = max(picture.width, _NARROWEST)
    blocks = [(0, on_matte(picture, width)), *_scale(explanation, width)]
    blocks += [(26, question_block(explanation, _QUESTION, width)), *answer_blocks(explanation, width)]
    blocks += [(28, blank(width, 1, RULE)), (12, paragraphs(small_print(explanation), _SMALL, width))]
    return stacked(blocks, _MARGIN)


def on_matte(picture: Image.Image, width: int) -> Image.Image:
    """A picture that is narrower than the figure is centred on a pale ground."""
    if picture.width >= width:
        return picture
    matte = blank(width, picture.height, PALE)
    matte.paste(picture, ((width - picture.width) // 2, 0))
    return matte


def question_block(explanation: Explanation, style: Style, width: int) -> Image.Image:
    """The question's words on their colours; plain words if the explanation has no text stream."""
    scores = explanation.scores.get("text", np.zeros(len(explanation.tokens)))
    return shaded_words(scored_words(explanation.question, explanation.tokens, scores), style, width)


def answer_lines(explanation: Explanation) -> tuple[str, str]:
    """What the model answered, and the runners-up; says so if something else than the answer is explained."""
    target, predictions = explanation.target, explanation.predictions
    best = predictions[0] if predictions else target
    others = [p for p in predictions if p.index not in (best.index, target.index)]
    runners_up = ", ".join(_with_share(p) for p in others)
    if best.index == target.index:
        return f"Answer: {_with_share(target)}", f"then {runners_up}" if runners_up else ""
    aside = f"Predicted: {_with_share(best)}"
    return f"Explained: {_with_share(target)}", f"{aside}, then {runners_up}" if runners_up else aside


def answer_blocks(explanation: Explanation, width: int) -> list[tuple[int, Image.Image]]:
    """The answer, and smaller what else was probable."""
    answer, aside = answer_lines(explanation)
    blocks = [(16, paragraph(answer, _ANSWER, width))]
    return [*blocks, (2, paragraph(aside, _ASIDE, width))] if aside else blocks


def small_print(explanation: Explanation) -> list[str]:
    """Method, model and regions, how the colours are scaled, and every note."""
    origin = [explanation.method, explanation.model.name]
    origin += [f"regions: {explanation.region_provider}"] if explanation.region_provider else []
    notes = dict.fromkeys([*explanation.notes, *explanation.picture.notes])
    rule = "Words and regions are each scaled to their own largest score."
    return [" \u00b7 ".join(origin), rule, *(f"Note: {note}" for note in notes)]


def _scale(explanation: Explanation, width: int) -> list[tuple[int, Image.Image]]:
    blocks = [(16, scale_bar(region_shades(explanation), "relevance of regions", _SCALE, width))]
    named = ranking(explanation.regions, explanation.scores.get("image", np.zeros(0)))
    return [*blocks, (2, paragraph(f"strongest: {named}", _SMALL, width))] if named else blocks


def _with_share(prediction: Prediction) -> str:
    return f"{prediction.label} ({percent(prediction.probability)})"
