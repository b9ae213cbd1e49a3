"""How a perturbation run looks on a terminal: how accurate the model is, then the methods by area."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from mmx.cli.output import print_json, print_note, print_result
from mmx.errors import shown_path
from mmx.studies.perturb.figure import heading
from mmx.studies.perturb.measures import ACCURACY, LOG_PROBABILITY, Measure, followed_in, in_unit, panels_in

_MEANING = {"iccv21": "as the paper's code has it", "clean": "even steps, seeded ties, no accidents"}


def print_perturbation(summary: Mapping[str, Any], out: Path, as_json: bool) -> None:
    if summary["warning"]:
        print_note(f"WARNING: {summary['warning']}")
    if as_json:
        print_json(summary)
        return
    samples, parameters = summary["samples"], summary["parameters"]
    failed = f", {samples['failed']} failed" if samples["failed"] else ""
    if samples["divided_by"] != samples["evaluated"]:
        failed += f", divided by {samples['divided_by']} as in the reference"
    print_result(Text.assemble((parameters["model"]["name"], "bold"),
                               f" {_whole(summary)} where nothing is removed: {samples['evaluated']} samples{failed}, "
                               f"{parameters['data']['kind']}"))
    print_result(Text.assemble(("protocol ", "dim"), (parameters["protocol"], "bold"),
                               f"  {_MEANING[parameters['protocol']]}"))
    several = len(followed_in(parameters)) > 1
    for measure, modality, sign, panel in panels_in(summary):
        followed = f"{measure.title}, " if several else ""
        print_result(Text.assemble((f"\n{heading(summary, modality, sign)}", "bold"),
                                   f" ({followed}{modality}, {sign}): {panel['better']} AUC is better"))
        print_result(_table(panel, measure))
    means = " or ".join(f"mean {measure.title} in {measure.unit}" for measure in followed_in(parameters))
    print_result(Text(f"\nAUC: area under the curve over the share removed, as {means}. In brackets 95 % bootstrap "
                      "intervals, paired for differences.", "dim"))
    for note in summary.get("notes", ()):
        print_result(Text(note, "dim"))
    print_result(Text.assemble(("wrote ", "dim"), f"{shown_path(out)}/summary.json and .csv, curves.png and .pdf"))


def _whole(summary: Mapping[str, Any]) -> str:
    told = {measure: f"{share(measure, summary[measure.name])} {measure.unit}"
            for measure in followed_in(summary["parameters"])}
    if LOG_PROBABILITY not in told:
        return f"answers {told[ACCURACY]} rightly"
    rightly = f", {told[ACCURACY]} of them right," if ACCURACY in told else ""
    return f"writes answers of log-probability {told[LOG_PROBABILITY]}{rightly}"


def _table(panel: Mapping[str, Any], measure: Measure) -> Table:
    """The best first; differences are to the method that was named first."""
    first, methods = next(iter(panel["methods"])), panel["methods"]
    order = sorted(methods, key=lambda name: methods[name]["auc"]["mean"], reverse=panel["better"] == "higher")
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("method", no_wrap=True, overflow="fold")
    table.add_column(f"AUC {measure.unit}", no_wrap=True)
    if len(methods) > 1:
        table.add_column(f"against {first}", no_wrap=True)
    for name in order:
        cells = [name, share(measure, methods[name]["auc"])]
        if len(methods) > 1:
            cells.append("" if name == first else share(measure, panel["differences"][name][first], signed=True))
        table.add_row(*cells)
    return table


def share(measure: Measure, estimate: Mapping[str, float], signed: bool = False) -> str:
    """In the measure's unit, with its interval."""
    mean, low, high = (in_unit(measure, estimate[key], signed) for key in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"
