"""HTML: whole, safe to mail, nothing run or fetched, and the same rendering on a page as in a notebook."""

import re
from base64 import b64decode
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from by_hand import NASTY, Parsed, by, picture_of, visible
from PIL import Image

from mmx.results import Explanation, ModelInfo, Prediction
from mmx.show.colors import SEQUENTIAL, Colors, Look, legend, text_color_on
from mmx.show.html import html_figure, html_page


@pytest.mark.parametrize("methods", [1, 3])
def test_nothing_is_fetched_or_run(mixed: Explanation, methods: int) -> None:
    html = html_page(by(mixed, *(f"method-{number}" for number in range(methods))))
    parsed = Parsed(html)
    tags = {tag for tag, _ in parsed.tags}
    assert not tags & {"script", "link", "iframe", "object", "a", "form"}
    assert not [name for _, attributes in parsed.tags for name in attributes if name.startswith("on")]
    pictures = [attributes for tag, attributes in parsed.tags if tag == "img"]
    assert pictures and all(one["src"].startswith("data:image/webp;base64,UklGR") and one["alt"] for one in pictures)
    assert "url(" not in html and "@import" not in html
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in html


def test_it_is_for_light_dark_and_paper(answer) -> None:
    html = html_page([answer()])
    for needed in ("color-scheme: light dark", "prefers-color-scheme: dark", "@media print", 'name="viewport"',
                   "print-color-adjust:exact", '<meta charset="utf-8">'):
        assert needed in html
    assert "tiny sha256:00" in html and "mmx 0" in html


def test_figures_take_the_colours_of_their_page(mixed: Explanation) -> None:
    """But for what is shaded, which has a text colour of its own."""
    styles = [attributes.get("style") or "" for _, attributes in Parsed(html_figure([mixed])).tags]
    colored = [style for style in styles if re.search(r"(^|;)color:", style)]
    assert all("background:rgb" in style for style in colored)


def test_one_method_is_what_a_notebook_shows(mixed: Explanation) -> None:
    assert mixed._repr_html_() in html_page([mixed])
    assert Parsed(mixed._repr_html_()).tags[0][0] == "figure"


def test_methods_stand_side_by_side(mixed: Explanation) -> None:
    html = html_figure(by(mixed, "first-one", "second-one"))
    assert len(mixed) == 0 or html.index("first-one") < html.index("second-one")
    assert html.count("<figure") == html.count("</figure>") == 1


@pytest.mark.parametrize("methods", [1, 2])
def test_everything_given_is_escaped(answer, texts, detections, methods: int) -> None:
    picture = replace(picture_of(), source=f"a/{NASTY}", notes=(NASTY,))
    fields = {"notes": (NASTY,), "model": ModelInfo(NASTY, NASTY, NASTY, NASTY, "cpu", "float32"),
              "pictures": (picture,), "versions": {NASTY: NASTY}, "left_out": {NASTY: NASTY}}
    for one in (answer(NASTY, labels=(NASTY,), provider=NASTY, predictions=(Prediction(7, NASTY, 0.5, "softmax"),),
                       **fields), texts(NASTY, **fields), detections(label=NASTY, **fields)):
        html = html_page(by(one, *(f"{NASTY}{number}" for number in range(methods))))
        Parsed(html)
        assert "<script" not in html and "<img src=x" not in html and html.count("</title>") == 1
        assert "alert(" in html and "&lt;" in html
        assert all("&#34;" in alt or "alert" not in alt for alt in re.findall(r'alt="([^"]*)"', html))


def test_words_are_shaded_and_tell_their_scores(answer) -> None:
    html = html_figure([answer("is it", text=[0, 0, 1, 0])])
    assert '<span title="0">is</span> <span title="1" style=' in html
    strongest, ink = Colors(SEQUENTIAL).on_white(1.0), text_color_on(Colors(SEQUENTIAL).on_white(1.0))
    assert f"background:rgb{strongest};color:rgb{ink}".replace(" ", "") in html
    full = html_figure([answer("is it", text=[0, 0, 1, 0])], Look(alpha=1))
    assert "background:rgb(182,10,30);color:rgb(255,255,255)" in full
    assert "Answer: cat (80 %)" in visible(html)


def test_scales_show_their_ends(classes, answer) -> None:
    assert re.search(r"relevance 0\s*1", visible(html_figure([classes()])).replace("&ensp;", " "))
    [source] = re.findall(r'<img alt="from weakest to strongest"[^>]*src="([^"]+)"', html_figure([classes()]))
    shown = np.asarray(Image.open(BytesIO(b64decode(source.partition(",")[2]))).convert("RGB"))
    assert (shown == legend(Colors(SEQUENTIAL), shown.shape[1], shown.shape[0])).all()
    assert "relevance: all zero" in html_figure([classes(image=np.zeros(4))])
    assert "relevance: all but zero: none is over 1e\u221237, which is rounding noise" in html_figure(
        [classes(image=(0.0, 1e-37, 0.0, 0.0))])
    assert "all but zero" in html_figure(by(classes(image=(0.0, 1e-37, 0.0, 0.0)), "a", "b"))
    for scores, ends in (((0.0, 1e-20, 0.0, 0.0), ("0", "1e\u221220")), ((0.0, 1.0, -2.0, 0.0), ("\u22122", "2"))):
        page = visible(html_figure([classes(image=scores)])).replace("&ensp;", " ")
        assert re.search(rf"relevance {ends[0]}\s*{ends[1]}\s", page)
    assert "relevance of regions: none" in html_figure([answer(boxes=[])])


def test_alternative_texts_say_what_is_seen(texts, answer, detections) -> None:
    def alts(one: Explanation) -> list[str]:
        return [alt.replace("\u00a0", " ") for alt in re.findall(r'alt="([^"]*)"', html_figure([one]))]

    assert alts(texts("a <red> circle"))[1].startswith("a &lt;red&gt; circle: similarity 0.27")
    assert alts(answer()) == ["What is it? cat 80 %", "from weakest to strongest"]
    assert alts(detections()) == [
        "the picture alone: 1 cat 90 %, 2 cat 89 %", "cat 90 % (query 10)", "from weakest to strongest",
        "cat 89 % (query 11)", "from weakest to strongest"]


def test_no_detection_is_told(detections) -> None:
    assert "no detection over 50 %" in visible(html_page([detections(0)]))


@pytest.mark.parametrize("methods", [("a",), ("a", "b")])
def test_any_text_can_be_encoded(answer, texts, methods: tuple[str, ...]) -> None:
    for one in (answer("猫 \ud83d ?"), texts("\ud83d")):
        html = html_page(by(one, *methods))
        assert html.encode("utf-8") and "\ud83d" not in html
    assert "猫" in html_page([answer("猫 \ud83d ?")])


def test_texts_of_the_right_are_set_from_the_right(answer) -> None:
    shaded = html_figure([answer("מה צבע")])
    assert re.search(r'<div dir="auto"[^>]*><span title="[^"]*"[^>]*>מה</span>', shaded)


def test_what_is_the_same_for_every_target_is_shown_once(classes) -> None:
    def pictures(*explanations: Explanation) -> int:
        return html_figure(explanations).count("data:image/webp") - html_figure(explanations).count("from weakest to")

    same = classes(3, same=True)
    assert pictures(same) == 2 and pictures(classes(3)) == 4
    assert "the same for all 3: cat 0 80 %, cat 1 80 % and cat 2 80 %" in visible(html_figure([same]))
    assert pictures(*by(classes(3), "a"), *by(same, "b")) == 3 + 3 + 1
    assert visible(html_figure([*by(classes(3), "a"), *by(same, "b")])).count("As above, whatever the target: b") == 2


def test_a_look_changes_every_picture_and_word(joint) -> None:
    plain, looks = html_figure([joint()]), (Look("viridis"), Look(alpha=0.2), Look(cells=True))
    pages = [html_figure([joint()], look) for look in looks]
    assert len({plain, *pages}) == 4
    assert "rgb(253,231,37)" in html_figure([joint()], Look("viridis", 1.0))
