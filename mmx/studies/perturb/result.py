"""What a perturbation study comes to."""

from typing import Any, ClassVar

from mmx.studies.perturb.figure import curves_file
from mmx.studies.result import DrawnStudy

KIND = "perturb"


class PerturbationStudy(DrawnStudy):
    """Accuracy as words or regions are removed in the order of their relevance, by method."""

    figure = "curves.png"
    columns: ClassVar = ("model", "protocol", "modality", "sign", "method", "step", "removed", "accuracy", "low",
                         "high", "samples", "auc", "auc_low", "auc_high")

    def __repr__(self) -> str:
        found, parameters = self.document, self.document["parameters"]
        methods = len(next(iter(next(iter(found["panels"].values())).values()))["methods"])
        return (f"<PerturbationStudy of {parameters['model']['name']}, {found['samples']['evaluated']} samples of "
                f"{parameters['data']['kind']}, {methods} methods, {found['protocol']}: accuracy "
                f"{100 * found['accuracy']['mean']:.1f} %>")

    def _files(self) -> dict[str, bytes]:
        """The figure for a paper, too."""
        return {"curves.pdf": curves_file(self.document, "pdf"), **super()._files()}

    def rows(self) -> list[dict[str, Any]]:
        """A row for each modality, sign, method and step: the share removed, and the mean accuracy with its interval.

        `auc`, the area under accuracy, is that of the whole curve. All are shares of 1; intervals are 95 % bootstrap.
        """
        found = self.document
        whole = {"model": found["parameters"]["model"]["name"], "protocol": found["protocol"]}
        return [{**whole, "modality": modality, "sign": sign, "method": method, "step": step, "removed": removed,
                 "accuracy": accuracy["mean"], "low": accuracy["low"], "high": accuracy["high"],
                 "samples": found["samples"]["evaluated"], "auc": curve["auc"]["mean"],
                 "auc_low": curve["auc"]["low"], "auc_high": curve["auc"]["high"]}
                for modality, signs in found["panels"].items() for sign, panel in signs.items()
                for method, curve in panel["methods"].items()
                for step, (removed, accuracy) in enumerate(zip(panel["removed"], curve["accuracy"], strict=True))]
