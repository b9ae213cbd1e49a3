"""Several finished perturbation studies as one: methods side by side, on the same samples."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmx.errors import UsageError, shown_path
from mmx.results import SCHEMA_VERSION
from mmx.schema import misfit
from mmx.studies.folders import PARAMETERS, SUMMARY
from mmx.studies.perturb.curves import Curves, fault_of
from mmx.studies.perturb.figure import curves_file
from mmx.studies.perturb.measures import ACCURACY, NOT_FOLLOWED, followed_in
from mmx.studies.perturb.result import KIND, PerturbationStudy
from mmx.studies.runs import Run
from mmx.studies.world import World

_SAME = ("protocol", "steps", "removes", "data", "model", "regions", "answers_sha256")
_SINCE = {"follows": [ACCURACY.name]}
"""What must be the same too, and what it was before runs said so."""
_MAY_DIFFER = ("model.name", "model.device")
_SHOWN = 60


@dataclass(frozen=True)
class Finished:
    """A run that is done: its folder, its summary, and what every sample scored by each measure."""

    folder: Path
    summary: Mapping[str, Any]
    curves: Sequence[Curves]

    @classmethod
    def read(cls, folder: Path) -> "Finished":
        try:
            summary = json.loads((folder / SUMMARY).read_bytes())
            parameters = summary["parameters"]
            is_one = parameters["kind"] == KIND and summary["schema_version"] == SCHEMA_VERSION
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            raise _no_run(folder) from error
        if not is_one:
            raise _no_run(folder)
        if (damage := misfit(summary, "perturbation")) is not None:
            raise UsageError(f"{shown_path(folder / SUMMARY)} is damaged: {damage}.",
                             "Write it anew: mmx perturb with `resume=True`.")
        run = Run(folder, World(), fault_of(parameters))
        return cls(folder, summary, [Curves.read(run, parameters, measure) for measure in followed_in(parameters)])

    @property
    def compared(self) -> dict[str, Any]:
        """The parameters that must be the same."""
        parameters = self.summary["parameters"]
        return {**{name: parameters[name] for name in _SAME},
                **{name: parameters.get(name, before) for name, before in _SINCE.items()}}


def compare(*folders: str | Path, out: str | Path | None = None, overwrite: bool = False) -> PerturbationStudy:
    """Finished runs of `mmx.perturb` or `mmx perturb` in one table and one figure.

    A method that several runs have is told apart by their folders.

    Args:
        folders: of two runs or more.
        out: where summary.json, summary.csv, curves.png and curves.pdf are written, if anywhere.
        overwrite: replaces the comparison of other runs in `out`.

    Raises:
        UsageError: data, protocol or model of two runs differ; the message names the difference. Or `out` holds a run,
            or a comparison of others.

    Example:
        >>> model = mmx.load("shapes-lxmert")
        >>> asked = dict(modalities=["image"], signs=["positive"], num_samples=4, cache=False)
        >>> for method in ("relevance", "rollout"):
        ...     _ = mmx.perturb(model, methods=[method], out=method, **asked)
        >>> mmx.compare("relevance", "rollout")
        <PerturbationStudy of shapes-lxmert, 4 samples of drawn scenes, 2 methods, iccv21: accuracy 100.0 %>
    """
    distinct = list({Path(folder).resolve(): Path(folder) for folder in folders}.values())
    if len(distinct) < 2:
        raise UsageError("One run has nothing to be compared with.", "Give two folders or more.")
    if out is not None:
        _refuse_replacing(Path(out), distinct, overwrite)
    summary = _compared([Finished.read(folder) for folder in distinct])
    study = PerturbationStudy(summary, curves_file(summary))
    if out is not None:
        study.save(out)
    return study


def _refuse_replacing(out: Path, folders: Sequence[Path], overwrite: bool) -> None:
    """A run is never replaced by a comparison, and one of other runs only where that is asked for."""
    if (out / PARAMETERS).is_file():
        raise UsageError(f"{shown_path(out)} holds a run.", "Choose another folder with `out=`.")
    if overwrite or not (out / SUMMARY).is_file():
        return
    with suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
        if json.loads((out / SUMMARY).read_bytes())["runs"] == [str(folder) for folder in folders]:
            return
    raise UsageError(f"{shown_path(out)} holds another comparison.",
                     "Replace it with `overwrite=True`, or choose another folder with `out=`.")


def _compared(runs: Sequence[Finished]) -> dict[str, Any]:
    first = runs[0]
    for other in runs[1:]:
        _require_same(first, other)
    found = {"schema_version": SCHEMA_VERSION, "protocol": first.compared["protocol"],
             "runs": [str(run.folder) for run in runs], "samples": dict(first.summary["samples"]), **NOT_FOLLOWED}
    for place, one in enumerate(first.curves):
        keys = tuple((_label(run, method, runs), modality, sign) for run in runs for method, modality, sign in
                     run.curves[place].keys)
        values = np.concatenate([run.curves[place].values for run in runs], axis=1)
        found |= replace(one, keys=keys, values=values).summary(first.summary["samples"]["divided_by"])
    notes = dict.fromkeys(note for run in runs for note in run.summary.get("notes", ()))
    return {**found, "warning": first.summary["warning"], "notes": [*notes], "parameters": first.compared}


def _label(run: Finished, method: str, runs: Sequence[Finished]) -> str:
    if sum(method in other.summary["parameters"]["methods"] for other in runs) == 1:
        return method
    same_name = sum(other.folder.name == run.folder.name for other in runs) > 1
    return f"{method} ({run.folder if same_name else run.folder.name})"


def _require_same(first: Finished, other: Finished) -> None:
    both = f"{shown_path(first.folder)} and {shown_path(other.folder)}"
    here, there = (_flat(run.compared) for run in (first, other))
    for name in dict.fromkeys([*here, *there]):
        if name not in _MAY_DIFFER and here.get(name) != there.get(name):
            raise UsageError(f"{both} cannot be compared: {name} is {_shown(here.get(name))} in the one and "
                             f"{_shown(there.get(name))} in the other.",
                             "Run both on the same data and model, by the same protocol.")
    pictures, others = first.curves[0].pictures, other.curves[0].pictures
    if pictures != others:
        raise UsageError(f"{both} cannot be compared: they evaluated other samples or pictures "
                         f"({len(pictures)} and {len(others)}).",
                         "Run both on the same data, and let no picture fail.")


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested names joined by points."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _flat(value, f"{before}{name}.") if isinstance(value, dict) else {f"{before}{name}": value}
    return found


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _no_run(folder: Path) -> UsageError:
    return UsageError(f"{shown_path(folder)} holds no finished run of mmx perturb.",
                      "Give folders that mmx perturb wrote with `out=`; unfinished ones go on with `resume=True`.")
