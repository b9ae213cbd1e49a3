"""An explanation as an HTML figure, for notebooks, the report and the page: inline pictures, real text, no script."""

from collections.abc import Sequence

from PIL import Image

from mmx.render import detection_words, map_words
from mmx.render.boxes import color_of
from mmx.render.detection_sheet import HOW_SCALED, MOST_PANELS, more, picture_with_boxes, picture_with_map
from mmx.render.map_sheet import file_name, framed, map_shades, picture_with_relevance
from mmx.render.map_sheet import small_print as map_small_print
from mmx.render.markup import (
    beside,
    block,
    cards,
    figure,
    heading,
    picture,
    scale,
    shaded_question,
    small,
    swatch,
    text,
)
from mmx.render.panel import answer_lines, small_print
from mmx.render.picture import fitted, picture_with_regions, region_shades
from mmx.types import Detections, Explanation, Explanations, Picture

WIDE = 1120  # pixels, of a figure with several pictures
_SHOWN, _TALLEST = 560, 700
_CARD = 240
_SHARP = 1.5  # picture pixels for one of the page


def explanation_html(explanation: Explanation) -> str:
    """The coloured picture, the shaded question and the answer."""
    answer, aside = answer_lines(explanation)
    shown = picture_with_regions(explanation, round(_SHARP * _SHOWN))
    seen = picture(shown, f"{explanation.question} {answer}")
    said = heading(shaded_question(explanation)) + block(f"<strong>{text(answer)}</strong>")
    return figure([beside(seen + scale(region_shades(explanation), "relevance of regions"),
                          said + small([aside, *small_print(explanation)]))], WIDE)


def detections_html(detections: Detections) -> str:
    """The picture with every box, then each detection with its relevance."""
    shown = detections.explanations[:MOST_PANELS]
    origin = [detection_words.counted(detections), detections.model.name, detections.method]
    image = card_picture(detections.picture)
    panels = [_titled(number, f"{number + 1} {detection_words.title(one)}") + map_picture(one, image) +
              scale(map_shades(one), "relevance") for number, one in enumerate(shown)]
    hidden = [more(detections)] if len(detections) > MOST_PANELS else []
    return figure([head(detections, origin), overview(detections), cards(panels, _CARD) if panels else "",
                   small([*hidden, *detection_remarks(detections)])], WIDE)


def explanations_html(found: Explanations) -> str:
    """Every class or text with its relevance, and a text's words shaded."""
    origin = [map_words.counted(found), found.model.name, found.method, map_words.layers_read(found[0])]
    image = card_picture(found.picture)
    panels = [named(map_words.heading(one)) + map_picture(one, image) +
              (block(shaded_question(one)) if one.tokens else "") + scale(map_shades(one), "relevance")
              for one in found.explanations[:MOST_PANELS]]
    return figure([head(found, origin), cards([plain_card(found, image), *panels], _CARD),
                   small(map_small_print([found]))], WIDE)


def head(found: Detections | Explanations, origin: Sequence[str]) -> str:
    return heading(f"<strong>{text(file_name(found))}</strong>") + small([" \u00b7 ".join(filter(None, origin))])


def overview(detections: Detections) -> str:
    """The picture with every box; where none is asked for, what was surest."""
    drawn = picture_with_boxes(detections, round(_SHARP * _SHOWN), round(_SHARP * _TALLEST))
    told = "; ".join([detection_words.counted(detections), *map(detection_words.title, detections)])
    others = "" if len(detections) else detection_words.surest_others(detections)
    shown = f'<div style="max-width:{_SHOWN}px">{picture(drawn, told)}</div>'
    return shown + block(text(f"Nothing is explained. Surest: {others}." if others else ""))


def plain_card(found: Explanations, image: Image.Image) -> str:
    """The picture alone, with a frame around what the model saw of it."""
    return named("picture") + picture(framed(found[0], image), "the picture alone")


def named(name: str) -> str:
    """What stands over a card."""
    return block(f"<strong>{text(name)}</strong>", "font-size:.9em;line-height:1.78")


def card_picture(given: Picture) -> Image.Image:
    """The plain picture at the size of a card."""
    return fitted(given.image, round(_SHARP * 360), round(_SHARP * 480))


def map_picture(one: Explanation, image: Image.Image) -> str:
    """The relevance over a picture at the size of a card."""
    if one.detection is not None:
        return picture(picture_with_map(one, image), detection_words.title(one))
    return picture(picture_with_relevance(one, image), f"{one.question} {map_words.heading(one)}".strip())


def detection_remarks(detections: Detections) -> list[str]:
    notes = dict.fromkeys((*detections.notes, *detections.picture.notes))
    return [*([HOW_SCALED] if len(detections) else []), *(f"Note: {note}" for note in notes)]


def _titled(number: int, title: str) -> str:
    return block(f"{swatch(color_of(number))}<strong>{text(title)}</strong>")

