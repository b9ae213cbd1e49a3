"""How the figures of a segmentation run look on a terminal."""

from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from mmx.cli.output import print_json, print_result
from mmx.errors import shown_path

_MEANING = {"iccv21": "as the paper's code has it: every query submitted, IoU from 0.20",
            "clean": "masks off the upsampled map, of kept detections alone"}
_FIGURES = {"AP": "AP", "AP50": "AP50", "AP75": "AP75", "S": "AP_small", "M": "AP_medium", "L": "AP_large",
            "AR": "AR100"}


def print_summary(summary: dict[str, Any], out: Path, as_json: bool) -> None:
    if as_json:
        print_json(summary)
        return
    samples, kept = summary["samples"], summary["detections_kept"]
    failed = f", {samples['failed']} failed" if samples["failed"] else ""
    protocol = summary["protocol"]
    print_result(Text.assemble(("protocol ", "dim"), (protocol, "bold"), f"  {_MEANING[protocol]}"))
    print_result(Text(f"{samples['evaluated']} pictures{failed}, {summary['objects']} objects, {kept} detections kept; "
                      f"classes matched by {summary['classes_matched_by']}"))
    ranges = sorted(summary["boxes"], key=lambda name: name != summary["headline"])
    for name in ranges:
        print_result(_table(summary, name))
    print_result(Text.assemble(("\nwrote ", "dim"), f"{shown_path(out)}/summary.json, summary.csv, gallery.png, "
                               "boxes.json and predictions.*.json"))


def _table(summary: dict[str, Any], name: str) -> Table:
    low, high = name.split("_")[1:]
    table = Table(title=f"\nIoU {low} to {high}, %", title_justify="left", title_style="dim", box=None,
                  padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("method", no_wrap=True, overflow="fold")
    for column in _FIGURES:
        table.add_column(column, justify="right")
    for method, scores in summary["methods"].items():
        table.add_row(method, *_cells(scores[name]))
    table.add_row("(boxes)", *_cells(summary["boxes"][name]), style="dim")
    return table


def _cells(scores: dict[str, float | None]) -> list[str]:
    values = [scores[key] for key in _FIGURES.values()]
    return ["-" if value is None else f"{100 * value:.1f}" for value in values]
