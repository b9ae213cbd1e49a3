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


_METRICS = {"pointing": "pointing", "mass": "mass", "rank": "rank", "iou": "IoU", "ap": "AP"}
_BASELINES = {"chance": "(chance)", "centre": "(centre)"}


def print_study(summary: dict[str, Any], out: Path, as_json: bool) -> None:
    if as_json:
        print_json(summary)
    elif summary["protocol"] == "maps":
        _print_maps(summary, out)
    else:
        _print_masks(summary, out)


def _print_maps(summary: dict[str, Any], out: Path) -> None:
    samples, known = summary["samples"], summary["categories"]
    failed = f", {samples['failed']} failed" if samples["failed"] else ""
    without = f" ({samples['without_category']} more have none)" if samples["without_category"] else ""
    print_result(Text.assemble(("protocol ", "dim"), ("maps", "bold"),
                               "  a map for each category in a picture, against its objects"))
    print_result(Text(f"{samples['evaluated']} pictures{failed}, {len(known)} categories that the model can be asked "
                      f"about{without}"))
    print_result(Text(f"recognised: {summary['recognised_if']}"))
    groups = summary["groups"]
    for group, found in groups.items():
        if group == "all" and found["items"] == groups["recognised"]["items"]:
            print_result(Text("\nall: all of them are recognised"))
        elif found["items"]:
            print_result(_maps_table(group, found))
        else:
            print_result(Text(f"\n{group}: none"))
    print_result(Text("\npointing: the middle of the best patch lies on an object. mass: share of the relevance there. "
                      "rank: of as many of the most relevant pixels as the objects have, the share on them. IoU: with "
                      "what has at least mean relevance. AP: average precision of pixels.", "dim"))
    for note in summary["notes"]:
        print_result(Text(note, "dim"))
    print_result(Text.assemble(("wrote ", "dim"), f"{shown_path(out)}/summary.json, summary.csv and gallery.png"))


def _maps_table(group: str, found: dict[str, Any]) -> Table:
    """Pointing with its interval and its difference to the first method's; of the rest means, since lines are short."""
    first, pictures = found["difference_to"], f"{found['pictures']} picture{'s' if found['pictures'] > 1 else ''}"
    table = Table(title=f"\n{group}: {found['items']} map{'s' if found['items'] > 1 else ''} of {pictures}, % "
                        "(95 % intervals over pictures)",
                  title_justify="left", title_style="dim", box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("method", no_wrap=True, overflow="fold")
    table.add_column("pointing", justify="right", no_wrap=True)
    table.add_column(f"less {first}'s", justify="right", no_wrap=True)
    for title in list(_METRICS.values())[1:]:
        table.add_column(title, justify="right")
    rows = [*found["methods"].items(), *((title, found[name]) for name, title in _BASELINES.items())]
    for name, metrics in rows:
        less = found["differences"].get(name)
        table.add_row(name, _interval(metrics["pointing"]), _interval(less["pointing"], "+") if less else "",
                      *(f"{100 * metrics[metric]['mean']:.1f}" for metric in list(_METRICS)[1:]),
                      style="dim" if name in _BASELINES.values() else None)
    return table


def _interval(estimate: dict[str, float], sign: str = "") -> str:
    mean, low, high = (100 * estimate[name] for name in ("mean", "low", "high"))
    return f"{mean:{sign}z.1f} ({low:{sign}z.0f} to {high:{sign}z.0f})"


def _print_masks(summary: dict[str, Any], out: Path) -> None:
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
