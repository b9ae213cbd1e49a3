"""What a perturbation study comes to."""

from typing import Any, ClassVar

from mmx.studies.perturb.figure import curves_file
from mmx.studies.perturb.measures import MEASURES, followed_in, in_unit, panels_in
from mmx.studies.result import DrawnStudy

KIND = "perturb"


class PerturbationStudy(DrawnStudy):
    """What is followed as words, regions or patches are removed in the order of their relevance, by method."""

    figure = "curves.png"
    columns: ClassVar = ("model", "protocol", "modality", "sign", "method", "step", "removed", "accuracy",
                         "log_probability", "low", "high", "samples", "auc", "auc_low", "auc_high")

    def __repr__(self) -> str:
        found, parameters = self.document, self.document["parameters"]
        methods = len(panels_in(found)[0][3]["methods"])
        told = ", ".join(f"{measure.title} {in_unit(measure, found[measure.name]['mean'])} {measure.unit}"
                         for measure in followed_in(parameters))
        return (f"<PerturbationStudy of {parameters['model']['name']}, {found['samples']['evaluated']} samples of "
                f"{parameters['data']['kind']}, {methods} methods, {found['protocol']}: {told}>")

    def _files(self) -> dict[str, bytes]:
        """The figure for a paper, too."""
        return {"curves.pdf": curves_file(self.document, "pdf"), **super()._files()}

    def rows(self) -> list[dict[str, Any]]:
        """A row for each measure, modality, sign, method and step: the share removed, and the mean with its interval.

        `accuracy` is a share of 1 and `log_probability` in nats: each row has that which it is of, and None of the
        other. `auc`, the area under it, is that of the whole curve. Intervals are 95 % bootstrap.
        """
        found = self.document
        whole = {"model": found["parameters"]["model"]["name"], "protocol": found["protocol"]}
        return [{**whole, "modality": modality, "sign": sign, "method": method, "step": step, "removed": removed,
                 **dict.fromkeys(MEASURES), measure.name: value["mean"], "low": value["low"], "high": value["high"],
                 "samples": found["samples"]["evaluated"], "auc": curve["auc"]["mean"],
                 "auc_low": curve["auc"]["low"], "auc_high": curve["auc"]["high"]}
                for measure, modality, sign, panel in panels_in(found) for method, curve in panel["methods"].items()
                for step, (removed, value) in enumerate(zip(panel["removed"], curve[measure.name], strict=True))]
