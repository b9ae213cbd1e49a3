"""`python tests/attacks`: every attack is tried, the slow ones too, and docs/reliability.md gets the table of it."""

import ast
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs" / "reliability.md"
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


def table(tally: Tally) -> str:
    rows = [f"| {_about(HERE / area)} | {tried} | {tally.survived[area]} |"
            for area, tried in sorted(tally.tried.items())]
    whole = f"| **all** | **{tally.tried.total()}** | **{tally.survived.total()}** |"
    head = ["| what is attacked, and what must hold | tried | survived |", "| --- | --- | --- |"]
    return "\n".join([*head, *rows, whole, ""])


def _about(file: Path) -> str:
    return " ".join((ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or file.stem).split())


def main() -> int:
    tally = Tally()
    code = pytest.main([str(HERE), "--runslow", "-q", *sys.argv[1:]], plugins=[tally])
    if not sys.argv[1:]:
        text = DOCS.read_text(encoding="utf-8")
        DOCS.write_text(re.sub(f"{BEGIN}.*?{END}", lambda _: BEGIN + table(tally) + END, text, flags=re.DOTALL),
                        encoding="utf-8")
    print(table(tally))
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
