"""The figure of a perturbation study, out of its summary."""

from collections.abc import Mapping
from typing import Any

from mmx.show.curves import Curve, Panel, curves_figure
from mmx.show.png import png_bytes

THINGS = {"image": "regions", "text": "words"}
ORDER = {"positive": "most relevant first", "negative": "least relevant first"}
_BANDS = "Bands are 95 % bootstrap intervals. AUC is the area under a curve over the share removed."


def curves_png(summary: Mapping[str, Any]) -> bytes:
    """One panel for each modality and sign, as a PNG file."""
    panels = [_panel(modality, sign, panel) for modality, signs in summary["panels"].items()
              for sign, panel in signs.items()]
    parameters, samples = summary["parameters"], summary["samples"]
    accuracy = summary["accuracy"]["mean"]
    told = [f"{parameters['model']} \u00b7 {parameters['data']['kind']} \u00b7 {samples['evaluated']} samples \u00b7 "
            f"accuracy on whole samples {100 * accuracy:.1f} % \u00b7 protocol {parameters['protocol']}", _BANDS]
    if summary["warning"]:
        told.insert(0, f"WARNING: {summary['warning']}")
    columns = min(2, len(panels))
    return png_bytes(curves_figure("Accuracy as words or regions are removed, %", panels, columns, told))


def heading(modality: str, sign: str) -> str:
    return f"{THINGS[modality].capitalize()} removed, {ORDER[sign]}"


def _panel(modality: str, sign: str, panel: Mapping[str, Any]) -> Panel:
    curves = tuple(Curve(method, tuple(panel["removed"]), *(tuple(step[name] for step in found["accuracy"])
                                                          for name in ("mean", "low", "high")))
                   for method, found in panel["methods"].items())
    return Panel(heading(modality, sign), f"{modality}, {sign}: {panel['better']} is better",
                 f"{THINGS[modality]} removed, %", curves)
