"""The figure of a perturbation study, out of its summary."""

from collections.abc import Mapping
from typing import Any

from mmx.show.curves import Curve, Panel, curves_plot
from mmx.show.plotting import to_bytes

ORDER = {"positive": "most relevant first", "negative": "least relevant first"}
_BANDS = "Bands are 95 % bootstrap intervals. AUC is the area under a curve over the share removed."


def curves_file(summary: Mapping[str, Any], file_format: str = "png") -> bytes:
    """One panel for each modality and sign, as a PNG, SVG or PDF file."""
    panels = [_panel(summary, modality, sign, panel) for modality, signs in summary["panels"].items()
              for sign, panel in signs.items()]
    parameters, samples = summary["parameters"], summary["samples"]
    accuracy = summary["accuracy"]["mean"]
    told = [f"{parameters['model']['name']} \u00b7 {parameters['data']['kind']} \u00b7 {samples['evaluated']} samples "
            f"\u00b7 accuracy on whole samples {100 * accuracy:.1f} % \u00b7 protocol {parameters['protocol']}", _BANDS]
    if summary["warning"]:
        told.insert(0, f"WARNING: {summary['warning']}")
    columns = min(2, len(panels))
    things = " or ".join(sorted({parameters["removes"][modality] for modality in summary["panels"]}, reverse=True))
    return to_bytes(curves_plot(f"Accuracy as {things} are removed, %", panels, columns, told), file_format)


def heading(summary: Mapping[str, Any], modality: str, sign: str) -> str:
    """ "Regions removed, most relevant first" """
    return f"{summary['parameters']['removes'][modality].capitalize()} removed, {ORDER[sign]}"


def _panel(summary: Mapping[str, Any], modality: str, sign: str, panel: Mapping[str, Any]) -> Panel:
    curves = tuple(Curve(method, tuple(panel["removed"]), *(tuple(step[name] for step in found["accuracy"])
                                                          for name in ("mean", "low", "high")))
                   for method, found in panel["methods"].items())
    return Panel(heading(summary, modality, sign), f"{modality}, {sign}: {panel['better']} is better",
                 f"{summary['parameters']['removes'][modality]} removed, %", curves)
