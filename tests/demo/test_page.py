"""The page as it is built, before any browser sees it."""

from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest

from mmx.demo.forms import Form
from mmx.demo.shelf import Shelf

gradio = pytest.importorskip("gradio", reason="the page needs Gradio: pip install '.[demo]'")


@pytest.mark.parametrize("family", ["lxmert", "clip", "vit", "detr", "blip", "blip_vqa"])
def test_no_dropdown_begins_with_the_first_of_its_list(request: pytest.FixtureRequest, family: str) -> None:
    from mmx.demo.page import build_page

    name = str(request.getfixturevalue(f"tiny_{family}"))
    blocks = build_page(Shelf(["shapes-vit", name], "cpu"), name).blocks.values()
    values = {one.label: one.value for one in blocks if isinstance(one, gradio.Dropdown)}
    targets = {label: value for label, value in values.items() if label.endswith(" to explain")}
    assert list(targets.values()) == [[]]
    assert values == {"Checkpoint": name, **targets, "Object": -1, "Methods": ["relevance"], "Level": "tokens",
                      "Score": "logit"}


def test_folders_are_called_by_their_last_part(tmp_path: Path) -> None:
    from mmx.demo.page import _called

    folders = [tmp_path / "a" / "model", tmp_path / "b" / "model", tmp_path / "b" / "other"]
    for folder in folders:
        folder.mkdir(parents=True)
    first, second, third = map(str, folders)
    assert _called([first, second, third, "owner/model"]) == [
        (first, first), (second, second), ("other", third), ("owner/model", "owner/model")]


@pytest.mark.parametrize(("family", "more"), [("blip_vqa", set()), ("llava", {"level"})])
def test_fields_come_in_the_order_of_the_form(request: pytest.FixtureRequest, family: str, more: set[str]) -> None:
    from mmx.demo.page import _fields

    name = str(request.getfixturevalue(f"tiny_{family}"))
    with gradio.Blocks():
        found, folded = _fields(Shelf([name], "cpu").get(name))
    names = [one.elem_id.removeprefix("mmx-").replace("object", "found") for one in found]
    assert names == [field.name for field in fields(Form)][2:]
    assert {name for name, one in zip(names, found, strict=True) if one.visible} == {
        "question", "methods", "answer", "against", "score", "max_new_tokens", *more}
    assert folded.visible and not folded.open


def test_a_sample_fills_every_field_that_it_has(tiny_blip_vqa: Path) -> None:
    from mmx.demo.page import build_page

    name = str(tiny_blip_vqa)
    [picked] = [one for one in build_page(Shelf([name], "cpu"), name).fns.values() if one.name == "picked"]
    filled = dict(zip([one.elem_id for one in picked.outputs], picked.fn(name, SimpleNamespace(_data={"number": 1})),
                      strict=True))
    assert filled["mmx-question"] == "which shape is the purple object?" and filled["mmx-answer"] == ""
    assert filled["mmx-against"] == ""
