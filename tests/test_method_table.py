"""What documents and `mmx methods` say of methods is what methods say, and `make table` writes it."""

import json
from pathlib import Path

import pytest
from family_table import REPOSITORY, marks
from method_table import DOCUMENT, MARKED, WRITTEN, layouts, own_methods, table

from mmx.checkpoints.families import all_families
from mmx.methods import defined_on, get_method


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_a_file_says_what_methods_say_today(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text == WRITTEN[path](text), f"{path.relative_to(REPOSITORY)} is stale: run `make table`, and commit it"


def test_what_is_written_anew_lies_between_comments() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [text.count(mark) for what in MARKED for mark in marks(what)] == [1] * 2 * len(MARKED)
    stale = text.replace("#### `rollout`", "#### `roll-out`").replace("| `rollout` |", "| `roll-out` |")
    assert stale != text and WRITTEN[DOCUMENT](stale) == text


def test_every_class_and_method_has_its_place() -> None:
    assert layouts().keys() == {one for _, family in all_families() for one in family.architectures}
    listed, _, rows = table().partition("\n\n")
    assert all(f"`{name}`" in listed for name in layouts())
    assert [row.split("`")[1] for row in rows.splitlines()[2:]] == [method.name for method in own_methods()]


def test_a_cell_is_yes_or_the_reason_of_the_method() -> None:
    listed, _, rows = table().partition("\n\n")
    [letter] = [line[4] for line in listed.splitlines() if "`ViTForImageClassification`" in line]
    cells = {row.split("`")[1]: dict(zip(rows.splitlines()[0].split(" | ")[1:], row.split(" | ")[1:], strict=True))
             for row in rows.splitlines()[2:]}
    vit = {name: by_letter[letter].removesuffix(" |") for name, by_letter in
           ((name, {key.removesuffix(" |"): cell for key, cell in row.items()}) for name, row in cells.items())}
    assert vit["relevance"] == "yes"
    assert vit["relevance-no-norm"] == "it differs from relevance only where one stream attends to another"
    for method in own_methods():
        assert (vit[method.name] == "yes") == (method.unfit(layouts()["ViTForImageClassification"]) == "")


def test_programs_are_told_the_same(tmp_path: Path) -> None:
    for method in own_methods():
        assert defined_on(method.name) == [name for name in layouts() if not method.unfit(layouts()[name])]
    assert defined_on("of-another-package") is None
    assert json.loads((REPOSITORY / "mmx/methods/defined.json").read_text())["classes"] == [*layouts()]
    assert get_method("relevance").unfit(layouts()["CLIPModel"]) == ""
