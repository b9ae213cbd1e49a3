"""What documents say of families is what families say, and `make table` writes it."""

from dataclasses import fields
from pathlib import Path

import pytest
from family_table import REPOSITORY, WRITTEN, field_list, marks, renewed, table

from mmx.checkpoints.families import all_families
from mmx.families.base import Family, Part, Pixels, Queries, Read, Regions, Text
from mmx.registry import module_names
from mmx.schedule import Site


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_a_document_says_what_families_say_today(path: Path) -> None:
    text, (what, made) = path.read_text(encoding="utf-8"), WRITTEN[path]
    assert [text.count(mark) for mark in marks(what)] == [1, 1]
    assert text == renewed(text, what, made), f"{path.name} is stale: run `make table`, and commit what it writes"


def test_every_class_of_mmx_has_a_row_that_names_what_is_asked_and_covered() -> None:
    rows = {row.split("`")[1]: row for row in table().splitlines()[2:]}
    own = {name: family for key, family in all_families() if key in module_names("families")
           for name in family.architectures}
    assert rows.keys() == own.keys()
    for name, family in own.items():
        assert family.does in rows[name] and all(one.consists_of in rows[name] for one in family.inputs)
    assert rows["LxmertForQuestionAnswering"].endswith(
        "`--question` [`--target`] [`--against`] [`--score`] | words, regions | "
        "`shapes-lxmert`, `unc-nlp/lxmert-vqa-uncased` |")


@pytest.mark.parametrize("one", [Family, Text, Pixels, Regions, Queries, Read, Part, Site])
def test_every_field_is_listed(one: type) -> None:
    [head] = [line for line in field_list().splitlines() if line.startswith(f"- **`{one.__name__}(")]
    listed = {argument.partition("=")[0] for argument in head.partition("(")[2].partition(")`")[0].split(", ")}
    assert {field.name for field in fields(one)} <= listed


def test_a_stale_table_is_written_anew_and_nothing_else() -> None:
    readme = REPOSITORY / "README.md"
    text = readme.read_text(encoding="utf-8")
    stale = text.replace("| `CLIPModel` |", "| `CLIP` |")
    assert stale != text and renewed(stale, *WRITTEN[readme]) == text
