"""README's table of families is what the families say, and `make table` writes it."""

from family_table import BEGIN, END, README, markdown, renewed

from mmx.checkpoints.families import all_families
from mmx.registry import module_names


def test_readme_has_the_table_of_today() -> None:
    text = README.read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    assert text == renewed(text), "README's table of families is stale: run `make table` and commit README.md"


def test_every_class_of_mmx_has_a_row_that_names_what_is_asked_and_covered() -> None:
    rows = {row.split("`")[1]: row for row in markdown().splitlines()[2:]}
    own = {name: family for key, family in all_families() if key in module_names("families")
           for name in family.architectures}
    assert rows.keys() == own.keys()
    for name, family in own.items():
        assert family.does in rows[name] and all(one.consists_of in rows[name] for one in family.inputs)
    assert "`--question` [`--target`] | words, regions | `shapes-lxmert`, `unc-nlp/lxmert-vqa-uncased` |" in rows[
        "LxmertForQuestionAnswering"]


def test_a_stale_table_is_written_anew_and_nothing_else() -> None:
    text = README.read_text(encoding="utf-8")
    stale = text.replace("| `CLIPModel` |", "| `CLIP` |")
    assert stale != text and renewed(stale) == text
