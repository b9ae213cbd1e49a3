"""A perturbation run from what was asked to its files."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mmx.cli.opening import chosen_methods, fitting_methods, open_model
from mmx.cli.output import print_error, print_note
from mmx.cli.perturb_curves import draw_curves
from mmx.cli.progress import progress_bar
from mmx.errors import MmxError, UsageError
from mmx.explainer import Model, versions
from mmx.families._vqa import VqaFamily
from mmx.metrics import bootstrap_mean
from mmx.render.files import write_atomically
from mmx.studies.perturb.curves import Curves
from mmx.studies.perturb.memory import samples_at_once, tokens_at_once
from mmx.studies.perturb.protocol import Protocol, protocol_named
from mmx.studies.perturb.published import FEWEST, accuracy_warning
from mmx.studies.perturb.records import Numbered, PerturbationTest
from mmx.studies.perturb.regions import cache_folder, regions_of
from mmx.studies.perturb.samples import DRAWN_SAMPLES, VqaData, data_from_file, drawn_data
from mmx.studies.runs import Run, World, fix_threads, open_run
from mmx.types import SCHEMA_VERSION

KIND = "perturb"
_CONTROL = "random"


@dataclass(frozen=True)
class Options:
    """The options of `mmx perturb` that say what is run."""

    data: Path | None
    annotations: Path | None
    images: Path | None
    features: Path | None
    answers: Path | None
    methods: tuple[str, ...]
    signs: tuple[str, ...]
    modalities: tuple[str, ...]
    protocol: str
    control: bool | None
    steps: str | None
    num_samples: int | None
    seed: int
    cache: Path | None
    no_cache: bool
    batch_size: int | None

    def read_data(self, protocol: Protocol) -> VqaData:
        if self.data is None:
            if self.annotations or self.images or self.features:
                raise UsageError("--annotations, --images and --features go with --data.", "Give --data FILE as well.")
            return drawn_data(self.num_samples or DRAWN_SAMPLES, self.seed, protocol)
        return data_from_file(self.data, self.annotations, self.images, self.num_samples, self.seed, protocol)

    def read_steps(self) -> list[float] | None:
        try:
            return None if self.steps is None else [float(step) for step in self.steps.split(",")]
        except ValueError as error:
            raise UsageError(f"--steps '{self.steps}' is no list of shares.", "Write it as 0,0.25,0.5,1.") from error

    def all_methods(self) -> tuple[str, ...]:
        wanted = self.protocol == "clean" if self.control is None else self.control
        return (*self.methods, _CONTROL) if wanted else self.methods


def run_perturbation(asked: Options, name: str | None, revision: str | None, regions: str | None, device: str,
                     dtype: str, out: Path, resume: bool, world: World, quiet: bool) -> dict[str, Any] | None:
    """Goes through the samples, then sums up; only the leading process gets the summary."""
    methods, steps = chosen_methods(asked.all_methods()), asked.read_steps()
    if world.size > 1 and device in ("auto", "cuda") and torch.cuda.is_available():
        device = f"cuda:{world.local_rank % torch.cuda.device_count()}"
    model = open_model(name, revision, regions, device, dtype, quiet or not world.leads, features=asked.features,
                       answers=asked.answers)
    if not isinstance(model.family, VqaFamily):
        raise UsageError(f"{model.info.name} does {model.family.task}; this test is about answers to questions.",
                         "Name a model that answers: see 'mmx models'.")
    methods = fitting_methods(methods, asked.methods, model, quiet or not world.leads)
    protocol = protocol_named(asked.protocol, model.family, steps)
    data = asked.read_data(protocol)
    source = regions_of(model, data.picture, None if asked.no_cache else asked.cache or cache_folder())
    threads = fix_threads(world) if model.info.device == "cpu" else None
    test = PerturbationTest(model, methods, protocol, asked.modalities, asked.signs, _answers_of(model), source,
                            asked.seed, tokens_at_once(model.network))
    size = asked.batch_size or samples_at_once(model.network)
    parameters = {**_parameters(test, data), "images": asked.images and str(asked.images), "batch_size": size,
                  "threads": threads}
    run = open_run(out, parameters, world, resume=resume)
    numbered = list(enumerate(data.samples))
    groups = [numbered[start:start + size] for start in range(0, len(numbered), size)]
    _go_through(test, run, groups[world.rank::world.size], quiet)
    world.wait()
    return _summed_up(out, Run(out, world), parameters, data) if world.leads else None


def _answers_of(model: Model) -> list[str]:
    """Nothing can be right where answers are numbers."""
    if len(model.answers) > 1 and model.answers[:2] == ["answer 0", "answer 1"]:
        raise UsageError(f"What the answers of {model.info.name} are called is not known.",
                         "Add --answers with a JSON list of them, such as LXMERT's trainval_label2ans.json.")
    return model.answers


def _go_through(test: PerturbationTest, run: Run, groups: Sequence[Sequence[Numbered]], quiet: bool) -> None:
    """A group of which a sample is not done yet goes through the model as a whole, for the same digits."""
    left = [group for group in groups if any(number not in run.done for number, _ in group)]
    accuracies: list[float] = []
    with progress_bar(sum(map(len, left)), quiet or not run.world.leads) as advance:
        for group in left:
            for record in test.records(group):
                if "error" in record:
                    print_error(MmxError(f"{record['sample']}: {record['error']}"))
                elif run.world.leads and len(accuracies) < FEWEST:
                    accuracies.append(record["accuracy"])
                    _warn_early(test.model, accuracies)
                if record["id"] not in run.done:
                    run.append(record)
            advance(len(group))


def _warn_early(model: Model, accuracies: Sequence[float]) -> None:
    """Before days are spent on it."""
    if len(accuracies) == FEWEST:
        found = bootstrap_mean(torch.tensor(accuracies).numpy())
        warning = accuracy_warning(model.info.name, {"mean": found.mean, "high": found.high}, FEWEST)
        if warning is not None:
            print_note(f"WARNING: {warning}")


def _parameters(test: PerturbationTest, data: VqaData) -> dict[str, Any]:
    info = test.model.info
    return {
        "kind": KIND, "protocol": test.protocol.name, "steps": dict(test.protocol.steps), "data": dict(data.parameters),
        "model": info.name, "revision": info.revision, "regions": test.regions.parameters, "dtype": info.dtype,
        "answers": hashlib.sha256("\0".join(test.answers).encode()).hexdigest(),
        "methods": [method.name for method in test.methods], "modalities": list(test.modalities),
        "signs": list(test.signs), "tokens_at_once": test.tokens_at_once, "device": info.device.partition(":")[0],
        "versions": versions(),
    }


def _summed_up(out: Path, run: Run, parameters: Mapping[str, Any], data: VqaData) -> dict[str, Any]:
    failures = [{"sample": one["sample"], "error": one["error"]} for one in run.records(failed=True)]
    evaluated = len(run.done)
    if not evaluated:
        raise MmxError("No sample could be evaluated.", "The lines above say why.")
    divisor = max(1, data.divisor - (len(data.samples) - evaluated))
    curves = Curves.read(run, parameters)
    found = {"schema_version": SCHEMA_VERSION, "protocol": parameters["protocol"],
             "samples": {"evaluated": evaluated, "failed": len(failures), "divided_by": divisor},
             **curves.summary(divisor)}
    found["warning"] = accuracy_warning(parameters["model"], found["accuracy"], evaluated)
    found |= {"failures": failures, "parameters": dict(parameters)}
    draw_curves(out / "curves.png", found)
    write_atomically(out / "summary.json", (json.dumps(found, indent=2, allow_nan=False) + "\n").encode())
    return found
