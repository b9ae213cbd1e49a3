"""`python tests/attacks`: every attack is tried, the slow ones too, and docs/reliability.md gets the table of it.

`python tests/attacks test_attack_page.py ...` tries these alone, and renews their rows.
"""

import ast
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs" / "reliability.md"
_ROW = re.compile(r"^\| (.+) \| (\d+) \| (\d+) \|$", re.MULTILINE)
BEGIN, END = "<!-- attacks -->\n", "<!-- end of attacks -->"


class Tally:
    """What was tried and what survived, by file; a skipped attack was not tried."""

    def __init__(self) -> None:
        self.tried: Counter[str] = Counter()
        self.survived: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.outcome != "skipped":
            area = Path(report.location[0]).name
            self.tried[area] += 1
            self.survived[area] += report.outcome == "passed"
        elif report.outcome == "failed":
            self.tried[Path(report.location[0]).name] += 1


def table(tally: Tally, before: str) -> str:
    """With the rows of `before` for what was not tried this time."""
    found = {about: (int(tried), int(survived)) for about, tried, survived in _ROW.findall(before)}
    abouts = [_about(file) for file in sorted(HERE.glob("test_attack_*.py"))]
    found |= {_about(HERE / area): (tried, tally.survived[area]) for area, tried in tally.tried.items()}
    rows = [(about, *found[about]) for about in abouts if about in found]
    whole = (sum(row[column] for row in rows) for column in (1, 2))
    head = ["| what is attacked, and what must hold | tried | survived |", "| --- | --- | --- |"]
    return "\n".join([*head, *(f"| {about} | {tried} | {survived} |" for about, tried, survived in rows),
                      "| **all** | {} |".format(" | ".join(f"**{one}**" for one in whole)), ""])


def _about(file: Path) -> str:
    return " ".join((ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or file.stem).split())


def main() -> int:
    tally = Tally()
    files = [str(HERE / name) for name in sys.argv[1:]] or [str(HERE)]
    code = pytest.main([*files, "--runslow", "-q", "-n", "auto", "--dist", "load"], plugins=[tally])
    text = DOCS.read_text(encoding="utf-8")
    made = table(tally, text)
    DOCS.write_text(re.sub(f"{BEGIN}.*?{END}", lambda _: BEGIN + made + END, text, flags=re.DOTALL), encoding="utf-8")
    print(made)
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
