"""Tables of what was measured, for the terminal or as Markdown to paste, and straight lines through them."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import correlation, linear_regression

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mmx.bench.timing import Measured

_WIDTH = 160


@dataclass
class Printer:
    """Prints tables one way; says what is not in them."""

    markdown: bool = False
    said: list[str] = field(default_factory=list)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """The first column is words, the others are numbers."""
        if self.markdown:
            lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
            print("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n", flush=True)
            return
        table = Table(box=None, padding=(0, 3, 0, 0))
        for number, column in enumerate(columns):
            table.add_column(escape(column), justify="right" if number else "left", no_wrap=True)
        for row in rows:
            table.add_row(*map(escape, row))
        console = Console(width=None if sys.stdout.isatty() else _WIDTH)
        console.print(table)
        console.print()

    def line(self, text: str) -> None:
        """One that is not told twice."""
        if text not in self.said:
            self.said.append(text)
            print(text + ("\n" if self.markdown else ""), flush=True)


def seconds(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def megabytes(value: float | None) -> str:
    return "" if value is None else f"{value / 1e6:,.1f}" if value < 1e8 else f"{value / 1e6:,.0f}"


def ratio(value: float | None, to: float | None) -> str:
    """Nothing where there is nothing to divide by."""
    return f"{value / to:.2f}" if value is not None and to else ""


def ratios(one: Measured, to: Measured | None) -> str:
    """Of the least seconds, which a busy machine spoils least, and of the medians."""
    return f"{one.least / to.least:.2f} / {one.median / to.median:.2f}" if to is not None else ""


def straight_line(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float]:
    """Slope and r² of the least squares' line through three points or more."""
    if len(xs) < 3 or len(xs) != len(ys):
        raise ValueError("A line is fitted through three points or more.")
    slope = linear_regression(xs, ys).slope
    return slope, correlation(xs, ys)**2 if min(ys) < max(ys) else 1.0
