"""The HTML report: whole, safe to mail, and the same rendering as in a notebook."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from mmx.render.comparison import comparison_html
from mmx.render.page import html_page
from mmx.render.report import save_page
from mmx.types import Detection, Detections, Explanations, Match, Wanted

NASTY = '<script>alert("1")</script><img src=x onerror=y>'


class Parsed(HTMLParser):
    """Tags with their attributes; fails where one is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("img", "meta"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


@pytest.fixture
def texts(build) -> Explanations:
    one = build("a red cat", scores={"text": np.arange(5.0), "image": np.arange(6.0)}, grid=(2, 3), regions=(),
                region_provider="", match=Match(0.25, 25.0), start_layers={"image": -1, "text": -1})
    return Explanations(one.picture, one.method, one.model, (one, replace(one, question=NASTY, tokens=(),
                        scores={"image": np.zeros(6)})), one.versions)


@pytest.fixture
def detections(build) -> Detections:
    one = build("", scores={"image": np.arange(6.0)}, grid=(2, 3), tokens=(), regions=(), region_provider="",
                detection=Detection(4, (5.0, 5.0, 30.0, 40.0)))
    return Detections(one.picture, one.method, one.model, Wanted(0.5), (one,), (), one.versions)


@pytest.fixture(params=["answer", "texts", "detections"])
def result(request: pytest.FixtureRequest, build) -> object:
    return build(NASTY) if request.param == "answer" else request.getfixturevalue(request.param)


def by(result, method: str) -> object:
    if not hasattr(result, "explanations"):
        return replace(result, method=method)
    return replace(result, method=method, explanations=tuple(replace(one, method=method) for one in result))


@pytest.mark.parametrize("methods", [1, 3])
def test_nothing_is_fetched_or_run(result, methods: int) -> None:
    html = html_page([by(result, f"method-{number}") for number in range(methods)])
    parsed = Parsed(html)
    tags = {tag for tag, _ in parsed.tags}
    assert not tags & {"script", "link", "iframe", "object", "a", "form"}
    assert not [name for _, attributes in parsed.tags for name in attributes if name.startswith("on")]
    pictures = [attributes for tag, attributes in parsed.tags if tag == "img"]
    assert pictures and all(one["src"].startswith("data:image/webp;base64,") and one["alt"] for one in pictures)
    assert "url(" not in html and "@import" not in html


def test_it_is_for_light_dark_and_paper(build) -> None:
    html = html_page([build()])
    for needed in ("color-scheme: light dark", "prefers-color-scheme: dark", "@media print", 'name="viewport"',
                   "print-color-adjust:exact", "default-src 'none'"):
        assert needed in html


def test_figures_take_the_colours_of_their_page(result) -> None:
    """But for what is shaded, which has a text colour of its own."""
    styles = [attributes.get("style") or "" for _, attributes in Parsed(result._repr_html_()).tags]
    colored = [style for style in styles if re.search(r"(^|;)color:", style)]
    assert all("background:rgb" in style for style in colored)


def test_one_method_is_what_a_notebook_shows(result) -> None:
    assert result._repr_html_() in html_page([result])


def test_methods_stand_side_by_side(result) -> None:
    html = comparison_html([by(result, name) for name in ("first-one", "second-one")])
    assert html.index("first-one") < html.index("second-one")
    assert Parsed(html).tags[0][0] == "figure"


def test_a_text_stays_text_in_the_title(build) -> None:
    html = html_page([build("</title><script>x</script>")])
    assert "<script" not in html and html.count("</title>") == 1


def test_no_detection_is_told(detections) -> None:
    assert "no detection over 50" in html_page([replace(detections, explanations=())])


def test_it_is_saved_whole(build, tmp_path: Path) -> None:
    path = save_page([build("猫 \ud83d")], tmp_path / "new")
    assert path == tmp_path / "new" / "my_cat.html"
    assert path.read_text(encoding="utf-8").endswith("</html>\n")
