"""The figure of a perturbation study, out of its summary."""

from collections.abc import Mapping
from typing import Any

from mmx.show.curves import Curve, Panel, curves_plot
from mmx.show.plotting import to_bytes
from mmx.studies.perturb.measures import Measure, followed_in, in_unit, panels_in

ORDER = {"positive": "most relevant first", "negative": "least relevant first"}
_BANDS = "Bands are 95 % bootstrap intervals. AUC is the area under a curve over the share removed."


def curves_file(summary: Mapping[str, Any], file_format: str = "png") -> bytes:
    """One panel for each measure, modality and sign, as a PNG, SVG or PDF file."""
    panels = [_panel(summary, *found) for found in panels_in(summary)]
    parameters, samples = summary["parameters"], summary["samples"]
    follows = followed_in(parameters)
    whole = [f"{one.title} on whole samples {in_unit(one, summary[one.name]['mean'])} {one.unit}" for one in follows]
    told = [" \u00b7 ".join([parameters["model"]["name"], parameters["data"]["kind"], f"{samples['evaluated']} samples",
                           *whole, f"protocol {parameters['protocol']}"]), _BANDS]
    if summary["warning"]:
        told.insert(0, f"WARNING: {summary['warning']}")
    columns = min(2, len(panels))
    things = " or ".join(sorted({parameters["removes"][modality] for _, modality, _, _ in panels_in(summary)},
                                reverse=True))
    followed = " and ".join(measure.title for measure in follows)
    unit = f", {follows[0].unit}" if len(follows) == 1 else ""
    return to_bytes(curves_plot(f"{followed.capitalize()} as {things} are removed{unit}", panels, columns, told),
                    file_format)


def heading(summary: Mapping[str, Any], modality: str, sign: str) -> str:
    """ "Regions removed, most relevant first" """
    return f"{summary['parameters']['removes'][modality].capitalize()} removed, {ORDER[sign]}"


def _panel(summary: Mapping[str, Any], measure: Measure, modality: str, sign: str, panel: Mapping[str, Any]) -> Panel:
    curves = tuple(Curve(method, tuple(panel["removed"]), *(tuple(step[name] for step in found[measure.name])
                                                          for name in ("mean", "low", "high")))
                   for method, found in panel["methods"].items())
    several = len(followed_in(summary["parameters"])) > 1
    followed = f"{measure.title}, {measure.unit} \u00b7 " if several else ""
    return Panel(heading(summary, modality, sign), f"{followed}{modality}, {sign}: {panel['better']} is better",
                 f"{summary['parameters']['removes'][modality]} removed, %", curves, measure.unit == "%")
