"""Several methods side by side in HTML, under what they share."""

from collections.abc import Sequence

from PIL import Image

from mmx.render import detection_words, map_words
from mmx.render.boxes import color_of
from mmx.render.detection_methods import MOST_ROWS
from mmx.render.figure import WIDE, card_picture, detection_remarks, head, map_picture, named, overview, plain_card
from mmx.render.legend import number
from mmx.render.map_methods import MOST_BLOCKS
from mmx.render.map_sheet import map_shades
from mmx.render.map_sheet import small_print as map_small_print
from mmx.render.markup import block, cards, figure, heading, picture, scale, shaded_question, small, swatch, text
from mmx.render.panel import answer_lines
from mmx.render.picture import picture_with_regions, region_shades, scaled_picture
from mmx.render.sheet import HOW_SCALED, origin_lines
from mmx.types import Detections, Explanation, Explanations

Drawn = Explanation | Detections | Explanations
_CARD, _PIXELS = 200, 480


def comparison_html(results: Sequence[Drawn]) -> str:
    """A figure of what several methods say of one subject: one answer, or the same detections, classes or texts."""
    first = results[0]
    if isinstance(first, Explanation):
        return _answers([one for one in results if isinstance(one, Explanation)])
    if isinstance(first, Detections):
        return _detections([one for one in results if isinstance(one, Detections)])
    return _maps([one for one in results if isinstance(one, Explanations)])


def _answers(results: Sequence[Explanation]) -> str:
    first = results[0]
    answer, aside = answer_lines(first)
    plain = named("picture") + picture(scaled_picture(first, _PIXELS), "the picture alone")
    shown = [named(one.method) + picture(picture_with_regions(one, _PIXELS, tag_px=18), f"regions by {one.method}") +
             scale(region_shades(one), "regions") + block(shaded_question(one)) for one in results]
    return figure([heading(f"<strong>{text(first.question)}</strong>"), block(text(answer)), small([aside]),
                   cards([plain, *shown], _CARD), small([HOW_SCALED, *origin_lines(results)])], WIDE)


def _detections(results: Sequence[Detections]) -> str:
    first, image = results[0], card_picture(results[0].picture)
    rows = [_row(block(f"{swatch(color_of(row))}<strong>{text(f'{row + 1} {detection_words.title(one)}')}</strong>"),
                 [found[row] for found in results], image) for row, one in enumerate(first.explanations[:MOST_ROWS])]
    hidden = len(first) - MOST_ROWS
    told = [f"and {hidden} more detections: see each method alone"] if hidden > 0 else []
    return figure([head(first, [detection_words.counted(first), first.model.name]), overview(first), *rows,
                   small([*told, *detection_remarks(first)])], WIDE)


def _maps(results: Sequence[Explanations]) -> str:
    first, image = results[0], card_picture(results[0].picture)
    rows = [_row(_subject(one), [found[row] for found in results], image, plain_card(first, image))
            for row, one in enumerate(first.explanations[:MOST_BLOCKS])]
    hidden = len(first) - MOST_BLOCKS
    told = [f"and {hidden} more: see each method alone"] if hidden > 0 else []
    origin = [map_words.counted(first), first.model.name, map_words.layers_read(first[0])]
    return figure([head(first, origin), *rows, small([*told, *map_small_print(results)])], WIDE)


def _row(title: str, explanations: Sequence[Explanation], image: Image.Image, *before: str) -> str:
    contents = [*before]
    for one in explanations:
        largest = map_shades(one).largest
        words = block(shaded_question(one)) if one.tokens else ""
        told = f"largest {number(largest)}" if largest else "all zero"
        contents.append(named(one.method) + map_picture(one, image) + words + small([told]))
    return f'<div style="margin-top:1em">{title}</div>' + cards(contents, _CARD)


def _subject(one: Explanation) -> str:
    told = map_words.heading(one)
    return block(f"<strong>{text(f'{one.question}: {told}' if one.match else told)}</strong>")

