"""README's table of the classes that mmx explains, made of their families' own tables; run, it is written anew."""

import re
from pathlib import Path

from mmx.checkpoints.catalog import ClassEntry, classes
from mmx.cli.fields import option_of
from mmx.registry import module_names

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- families, by make table -->", "<!-- end of families -->"
_HEAD = ("`transformers` class", "what it does", "is asked with", "relevance of", "checkpoints, such as")


def markdown() -> str:
    """A row for each class that needs no other package."""
    own = module_names("families")
    rows = [_HEAD, ("---",) * len(_HEAD), *(_row(one) for one in classes() if one.family in own)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _row(one: ClassEntry) -> tuple[str, ...]:
    """The checkpoint that ships, and one for photographs."""
    shipped = [name for name in one.checkpoints if "/" not in name]
    others = [name for name in one.checkpoints if "/" in name]
    asked = [*(f"`{option_of(field)}`" for field in one.must), *(f"[`{option_of(field)}`]" for field in one.may)]
    return (f"`{one.name}`", one.does, " ".join(asked), ", ".join(dict.fromkeys(one.covers.values())),
            ", ".join(f"`{name}`" for name in (*shipped[:1], *others[:1])))


def renewed(text: str) -> str:
    """A README with the table as it must be."""
    return re.sub(f"(?<={BEGIN}\n).*?(?=\n{END})", lambda _: markdown(), text, flags=re.DOTALL)


if __name__ == "__main__":
    README.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")
