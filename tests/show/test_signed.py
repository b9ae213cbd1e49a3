"""What may speak against is drawn in two colours that meet at zero, whatever its signs are in one picture."""

import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from by_hand import by, explanation_of, words_of
from PIL import Image

import mmx
from mmx.errors import UsageError
from mmx.images import open_picture
from mmx.methods import Method, get_method
from mmx.model import Job
from mmx.results import Asked, Explanation, Item, Patches, Region, Regions
from mmx.show import to_image
from mmx.show.colors import DIVERGING, SEQUENTIAL, Colors, text_color_on
from mmx.show.figure import figure_of
from mmx.show.html import html_figure
from mmx.show.view import image_of, under_relevance
from mmx.show.wording import top_patch, top_regions, top_words

Build = Callable[..., Explanation]
SIZE = (80, 40)
GRID = Patches(1, 2, (0.0, 0.0, 80.0, 40.0))
HALVES = Regions((Region((0.0, 0.0, 40.0, 40.0), "left one"), Region((40.0, 0.0, 80.0, 40.0), "right one")), "by hand")
TOLD = "centred on zero: scores below it are evidence against what is explained."
SIGNED = Colors(DIVERGING, signed=True)


def shown(scores: list[float], element: Patches | Regions = GRID, signed: bool = True) -> Explanation:
    item = Item("class", 7, "cat", 0.8, "softmax", {"image": np.array(scores)})
    return explanation_of((item,), Asked(), SIZE, elements={"image": (element,)}, signed=signed)


def ends(one: Explanation) -> list[list[int]]:
    """Of the left and the right half, in an overlay."""
    pixels = np.asarray(one.overlay(cells=True))
    return [pixels[20, 20].tolist(), pixels[20, 60].tolist()]


@pytest.mark.parametrize("element", [GRID, HALVES], ids=["patches", "regions"])
@pytest.mark.parametrize("scores", [[0.0, 3.0], [1.0, 3.0], [-1.0, 3.0], [-3.0, -1.0]])
def test_a_signed_map_is_centred_on_zero_whatever_its_signs(scores: list[float], element: Patches | Regions) -> None:
    one = shown(scores, element)
    [scale] = figure_of([one]).rows[0].panels[0].scales
    assert (scale.shades.colors, scale.shades.ends) == (SIGNED, (-3.0, 3.0))
    ground = np.full((2, 3), 120, dtype=np.uint8)
    assert ends(one) == SIGNED.over(ground, np.array(scores) / 3).tolist()


def test_an_all_zero_signed_map_is_pale_and_stays_centred() -> None:
    one = shown([0.0, 0.0])
    [scale] = figure_of([one]).rows[0].panels[0].scales
    assert (scale.shades.colors.signed, scale.without) == (True, "all zero")
    assert ends(one) == ends(shown([0.0, 0.0], signed=False))


@pytest.mark.parametrize("scores", [[0.0, 3.0], [-1.0, 3.0]])
def test_what_is_not_signed_is_drawn_as_ever(scores: list[float]) -> None:
    """Negative scores, which partial LRP has too, are centred all the same."""
    one, negative = shown(scores, signed=False), min(scores) < 0
    [scale] = figure_of([one]).rows[0].panels[0].scales
    assert scale.shades.colors == (SIGNED if negative else Colors(SEQUENTIAL))
    assert not any(TOLD in line for line in figure_of([one]).small_print)
    layers = figure_of([one]).rows[0].panels[0].views[0].layers
    assert (np.asarray(under_relevance(image_of(one.picture).convert("RGB"), layers, SIZE))
            == np.asarray(one.overlay())).all()


def test_a_users_colours_are_centred_on_zero_too() -> None:
    one = shown([0.0, 3.0])
    pixels = np.asarray(one.overlay(cells=True, cmap="coolwarm", alpha=1.0))[20, 60]
    assert pixels.tolist() == Colors("coolwarm", signed=True).at(1.0).tolist() == [180, 4, 38]


def test_signs_and_centre_are_told_beneath_a_figure() -> None:
    one = shown([1.0, 3.0])
    assert [line for line in figure_of([one]).small_print if TOLD in line] == [f"Colours are {TOLD}"]
    both = [replace(shown([1.0, 3.0], signed=False), method="rollout"), *by(one, "attn-lrp", "cp-lrp")]
    assert f"Colours of attn-lrp and cp-lrp are {TOLD}" in figure_of(both).small_print
    assert [scale.shades.colors for scale in figure_of(both).scales] == [Colors(SEQUENTIAL), SIGNED]
    assert to_image(both).width > 0


def test_words_are_blue_where_they_speak_against_on_light_and_dark_pages() -> None:
    words, scores = words_of("aa bb cc"), np.array([0, 0.5, -1.0, 0.0, 0])
    item = Item("answer", 7, "cat", 0.8, "softmax", {"text": scores})
    one = explanation_of((item,), Asked("aa bb cc"), SIZE, elements={"text": (words,)}, signed=True)
    html = html_figure([one])
    for strength in (0.5, -1.0):
        fill = SIGNED.on_white(strength)
        told = ",".join(map(str, fill)), ",".join(map(str, text_color_on(fill)))
        assert f"background:rgb({told[0]});color:rgb({told[1]})" in html  # a ground of its own, and ink that fits it
    red, green, blue = SIGNED.on_white(-1.0)
    assert blue > green > red
    assert f"Colours are {TOLD}" in html


def test_a_word_of_an_answer_takes_the_signed_colours_when_it_is_chosen(written: Build) -> None:
    one = replace(written(), signed=True)
    figure, html = figure_of([one], every_word=True), html_figure([one])
    fills = {text.shades.colors for row in figure.rows for panel in row.panels for text in panel.texts}
    assert fills == {SIGNED}
    strengths = [value for value in figure.rows[0].panels[0].texts[0].shades.strengths.tolist() if abs(value) > 0.05]
    assert strengths and all(f"#{bytes(SIGNED.on_white(value)).hex()}" in html for value in strengths)
    assert [scale.shades.colors for scale in figure.scales] == [SIGNED]


def test_a_legend_of_a_page_goes_from_blue_over_white_to_red() -> None:
    html = html_figure([shown([1.0, 3.0])])
    url = html.partition('<img alt="from weakest to strongest"')[2].partition("base64,")[2].partition('"')[0]
    bar = np.asarray(Image.open(BytesIO(b64decode(url))).convert("RGB")).astype(int)[0]
    weakest, middle, strongest = bar[0], bar[len(bar) // 2], bar[-1]
    assert weakest[2] > weakest[0] + 40 and strongest[0] > strongest[2] + 40
    assert middle.min() > 250


def test_where_no_sign_is_told_what_speaks_against_is_not_named() -> None:
    """As the pointing game has it, the most positive is first."""
    patches, regions = shown([-3.0, 1.0]), shown([-3.0, 1.0], HALVES)
    assert (top_patch(patches, patches[0]), top_patch(replace(patches, signed=False), patches[0])) == (
        "middle right", "middle left")
    assert top_regions(regions, regions[0], with_scores=False) == "1 right one"
    assert top_regions(regions, regions[0]) == "1 left one \u22123, 2 right one 1"
    words = explanation_of((Item("answer", 7, "cat", 0.8, "softmax", {"text": np.array([0, 1.0, -2.0, 0])}),),
                           Asked("aa bb"), SIZE, elements={"text": (words_of("aa bb"),)}, signed=True)
    assert top_words(words, words[0], with_scores=False) == "aa"
    assert top_words(words, words[0]) == "bb \u22122, aa 1"


def test_a_signed_method_makes_signed_results_and_documents_and_those_of_before_are_unsigned() -> None:
    relevance = get_method("relevance")
    less: Method = replace(relevance, name="less", signed=True, rows=lambda capture: {
        key: row - row.mean() for key, row in relevance.rows(capture).items()})
    job = Job(open_picture("sample_inputs/scene-5029.png"), Asked())
    [[signed, plain]] = mmx.load("shapes-vit", "cpu").explain_batch([job], [less, relevance])
    assert (signed.method, signed.signed, plain.method, plain.signed) == ("less", True, "relevance", False)
    assert signed[0].scores["image"].min() < 0
    assert f"Colours of less are {TOLD}" in figure_of([signed, plain]).small_print
    document = json.loads(signed.to_json())
    assert document["signed"] is True and Explanation.from_dict(document).signed
    with pytest.raises(UsageError, match="signed is 1"):
        Explanation.from_dict({**document, "signed": 1})
    del document["signed"]
    assert not Explanation.from_dict(document).signed
