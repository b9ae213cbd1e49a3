"""docs/add-a-family.md does what it says: its draft, its table, its commands and its independent calculation."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cli_outcome import Command

from mmx.checkpoints.families import all_families
from mmx.families.base import Family

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "add-a-family.md").read_text(encoding="utf-8")
TABLE, CHECKPOINT, CALCULATION = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
[OFFER] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
OTHERS = all_families()
DRAFTED, *TRIED = [shlex.split(line)[1:] for line in re.findall(r"^mmx .*", PAGE, re.MULTILINE)]


def run(code: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    exec(compile(code, "docs/add-a-family.md", "exec"), found)
    return found


def taken(monkeypatch: pytest.MonkeyPatch, family: Family) -> Family:
    monkeypatch.setattr("mmx.checkpoints.families.all_families", lambda: (("vit_msn", family), *OTHERS))
    return family


@pytest.fixture(autouse=True)
def family(monkeypatch: pytest.MonkeyPatch) -> Family:
    """The page's own, in the place of whatever mmx has."""
    return taken(monkeypatch, run(TABLE)["FAMILY"])


def test_its_draft_is_its_table(mmx: Command, family: Family) -> None:
    assert mmx(*DRAFTED).code == 0
    config, drafted = family_config(), run(Path(DRAFTED[-1]).read_text())["FAMILY"]
    assert drafted.schedule(config) == family.schedule(config)
    for name in ("architectures", "roots", "tokens", "reads", "score", "inputs"):
        assert getattr(drafted, name) == getattr(family, name), name


def family_config() -> Any:
    from transformers import ViTMSNConfig

    return ViTMSNConfig()


def test_its_checkpoint_holds_before_every_check_that_it_names(mmx: Command) -> None:
    run(CHECKPOINT)
    assert len(TRIED) >= 3
    for words in TRIED:
        outcome = mmx(*words)
        assert (outcome.code, "error" in outcome.err) == (0, False), (words, outcome.err)
    assert {"relevance", "rollout"} <= {path.name.split(".")[-2] for path in Path("mmx-out").glob("*.json")}
    run(CALCULATION)


def test_its_calculation_notices_another_row(mmx: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    run(CHECKPOINT)
    taken(monkeypatch, run(TABLE.replace('Read("image")', 'Read("image", row=1)'))["FAMILY"])
    with pytest.raises(AssertionError, match="not close"):
        run(CALCULATION)


def test_its_package_offers_the_table_under_the_group_that_mmx_looks_at() -> None:
    [(name, what)] = tomllib.loads(OFFER)["project"]["entry-points"]["mmx.families"].items()
    assert name == "vit-msn" and what.endswith(".vit_msn:FAMILY")


def test_what_it_points_to_is_there_and_it_is_no_longer_than_one_reads() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", PAGE)
    assert len(links) >= 4 and all((DOCS / link).exists() for link in links)
    assert len(PAGE.partition("<!-- fields")[0].splitlines()) <= 160
