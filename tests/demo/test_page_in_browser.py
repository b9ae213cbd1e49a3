"""The page as people use it: in a real browser, one whole explanation per family, at desktop and phone widths.

Screenshots go to mmx-out/screenshots, to be looked at.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from demo_page import Page
from PIL import Image

import mmx
from mmx.demo import answers
from mmx.shapes.world import draw_scene, render

SCREENSHOTS = Path(__file__).parents[2] / "mmx-out" / "screenshots"
FAMILIES = ("lxmert", "visual_bert", "detr", "clip", "vit", "vilt", "siglip")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_whole_explanation(open_page: Callable[..., Page], checkpoints: dict[str, str], served: Any,
                             family: str) -> None:
    page = open_page(width=1280)
    page.choose_checkpoint(checkpoints[family])
    page.click_sample(0)
    before = page.pictures()
    page.screenshot(SCREENSHOTS / f"{family}-desktop.png")
    page.set_methods("random")
    page.explain()
    assert page.pictures() != before
    page.set_methods("relevance", "random")
    page.explain()
    assert {"relevance", "random"} <= set(page.shown_text().split())
    assert len(page.pictures()) > len(before)
    page.screenshot(SCREENSHOTS / f"{family}-methods.png")
    phone = open_page(width=390, dark=True)
    phone.choose_checkpoint(checkpoints[family])
    phone.click_sample(1)
    phone.screenshot(SCREENSHOTS / f"{family}-phone.png")
    assert (page.overflow(), phone.overflow()) == (0, 0)
    assert list(served.uploads.rglob("*")) == []
    assert served.elsewhere == []


def test_a_method_that_cannot_run_is_told_beside_the_others(open_page: Callable[..., Page],
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    explained, why = answers.explained, {"relevance-lrp": "There is no relevance rule for torch.special.erfinv."}
    monkeypatch.setattr(answers, "explained", lambda *given: [replace(one, left_out=why) for one in explained(*given)])
    page = open_page(width=390)
    page.click_sample(0)
    assert page.note() == "Left out: relevance-lrp. There is no relevance rule for torch.special.erfinv."
    page.screenshot(SCREENSHOTS / "left-out-phone.png")
    assert page.overflow() == 0


def test_downloads_hold_what_was_asked(open_page: Callable[..., Page], photo: Path, tmp_path: Path) -> None:
    page = open_page()
    page.upload(photo)
    page.fill("Question", "what color is the <script>alert(1)</script>circle?")
    page.explain()
    assert "alert" in page.shown_text()
    for kind in ("PNG", "JSON", "HTML"):
        saved = page.download(kind, tmp_path)
        assert saved.suffix == f".{kind.lower()}"
        if kind == "PNG":
            assert Image.open(saved).width >= 700
        elif kind == "JSON":
            document = json.loads(saved.read_text())
            assert document["schema_version"] == 2 and "<script>" in document["question"]
        else:
            assert "<script" not in saved.read_text()


def test_two_people_wait_their_turn_and_get_their_own(open_page: Callable[..., Page],
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, explained = threading.Event(), answers.explained

    def slow(*given: Any) -> Any:
        assert go_on.wait(60)
        return explained(*given)

    monkeypatch.setattr(answers, "explained", slow)
    first, second = open_page(), open_page()
    first.click_sample(0, wait=False)
    first.wait_for_text("processing")
    second.click_sample(1, wait=False)
    second.wait_for_text("queue: 1/1")
    second.screenshot(SCREENSHOTS / "queue.png")
    go_on.set()
    assert "circle?" in first.wait_for_figure() and "object?" not in first.shown_text()
    assert "object?" in second.wait_for_figure() and "circle?" not in second.shown_text()


def test_the_html_report_reads_at_any_width(browser: Any, checkpoints: dict[str, str], tmp_path: Path) -> None:
    model = mmx.load(checkpoints["lxmert"])
    scene = draw_scene(5029)
    results = model.explain_methods(render(scene, 480).image, "what color is the circle?", ["relevance", "random"])
    mmx.side_by_side(results).save(tmp_path, "report")
    for width, scheme in ((1280, "light"), (390, "dark")):
        window = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        window.goto(f"file://{tmp_path}/report.html")
        assert window.evaluate("document.documentElement.scrollWidth") <= width
        assert window.evaluate("[...document.images].every(one => one.naturalWidth > 0)")
        ground = window.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(18, 22, 29)")
        window.screenshot(path=str(SCREENSHOTS / f"report-{scheme}.png"), full_page=True)
        window.emulate_media(media="print", color_scheme=scheme)
        assert window.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        window.close()
