"""The page as it is built, before any browser sees it."""

from pathlib import Path

import pytest

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
    assert values == {"Checkpoint": name, **targets, "Object": -1, "Methods": ["relevance"]}


def test_folders_are_called_by_their_last_part(tmp_path: Path) -> None:
    from mmx.demo.page import _called

    folders = [tmp_path / "a" / "model", tmp_path / "b" / "model", tmp_path / "b" / "other"]
    for folder in folders:
        folder.mkdir(parents=True)
    first, second, third = map(str, folders)
    assert _called([first, second, third, "owner/model"]) == [
        (first, first), (second, second), ("other", third), ("owner/model", "owner/model")]
