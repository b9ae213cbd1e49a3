"""`mmx.perturb`: how accuracy, or an answer's log-probability, falls as words, regions or patches are removed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmx.errors import MmxError
from mmx.perturbation.memory import samples_at_once, tokens_at_once
from mmx.perturbation.protocol import MODALITIES, SIGNS, chosen_names, protocol_named
from mmx.results import SCHEMA_VERSION
from mmx.studies.folders import path_of, study_folder
from mmx.studies.models import Model, fitting_methods, identity_of, signed_notes
from mmx.studies.perturb.answering import answering_model
from mmx.studies.perturb.combinations import Combinations
from mmx.studies.perturb.curves import Curves, fault_of
from mmx.studies.perturb.figure import curves_file
from mmx.studies.perturb.measures import ACCURACY, NOT_FOLLOWED, followed_in
from mmx.studies.perturb.pictures import cache_folder, pictures_of
from mmx.studies.perturb.published import EarlyWarning, accuracy_warning
from mmx.studies.perturb.reach import reaching_methods
from mmx.studies.perturb.records import PerturbationTest, failed
from mmx.studies.perturb.result import KIND, PerturbationStudy
from mmx.studies.perturb.samples import PlainRows, VqaData, read_data
from mmx.studies.reporting import Reporter, reporter_of
from mmx.studies.result import finished
from mmx.studies.runs import Run, go_through, open_run
from mmx.studies.world import fix_threads, joined_world

__all__ = ["PerturbationStudy", "perturb"]

_CONTROL = "random"
_SIGNED = ("things are removed in the order of the scores as they are, evidence against last where the most relevant "
           "go first (positive), and first where the least relevant do (negative)")


def perturb(model: Model, data: str | Path | PlainRows | None = None, *, annotations: str | Path | None = None,
            images: str | Path | None = None, methods: Sequence[str] = ("relevance",),
            modalities: Sequence[str] = MODALITIES, signs: Sequence[str] = SIGNS, protocol: str = "iccv21",
            control: bool | None = None, steps: Sequence[float] | None = None, num_samples: int | None = None,
            seed: int = 1234, samples: int | None = None, cache: str | Path | bool = True,
            batch_size: int | None = None, out: str | Path | None = None, resume: bool = False, overwrite: bool = False,
            progress: Reporter | None = None) -> PerturbationStudy:
    """Follows a model's accuracy as words or regions are removed in the order of their relevance.

    Of a model that writes its answers, it is the log-probability of its own answer that is followed, and the accuracy
    of the one that it then writes, where the data say what is right.

    Under `torchrun`, the processes share the samples and all get the result.

    Args:
        model: one that answers questions, about regions or about a picture's patches, or is asked them in a prompt: of
            that the question's words go, and the patches behind image tokens, each in its own view.
        data: LXMERT's valid.json, VQA's questions, or a table of image, question and answer; or such rows themselves,
            [{"image": ..., "question": ..., "answer": ...}]. None draws scenes.
        annotations: the answers to VQA's official questions. A model that writes its answers needs none.
        images: the folder of the pictures; not needed where the model was loaded with features of them.
        methods: by name, or by group: "paper", "fast" or "all", of which those that have sense on this model.
        modalities: what is removed: "image" (regions, or patches, which take the mean colour), "text" (words).
        signs: "positive" removes the most relevant first, "negative" the least relevant.
        protocol: "iccv21" is what the paper's code does, "clean" mends it; see `mmx.perturbation.protocol`.
        control: adds the method "random"; None does in "clean".
        steps: other shares to remove than the protocol's, growing, from 0 to 1.
        num_samples: this many, drawn by `seed`; None for all, or 200 scenes.
        seed: of the order of samples, and of everything random.
        samples: how often a method runs the model again that can choose; see `Model.explain`.
        cache: where region features are kept between runs; True for ~/.cache/mmx, False for nowhere.
        batch_size: samples that are explained at once; None for as many as fit.
        out: where run.json, a line for each sample, the summary and the curves go; None for a temporary folder.
        resume: goes on with the run in `out`.
        overwrite: replaces the run in `out`.
        progress: hears how far it is.

    Raises:
        UsageError: something that is asked for makes no sense, there is a run in `out` and neither `resume`
            nor `overwrite`, another one is writing there, or it had other parameters, pictures or records.
        MmxError: no sample could be evaluated.
        OutputError: `out` cannot be written.

    Source:
        Chefer, Gur & Wolf 2021 (arXiv 2103.15679), section 5.1.

    Example:
        >>> model = mmx.load("shapes-lxmert")
        >>> study = mmx.perturb(model, modalities=["image"], signs=["positive"], num_samples=4, cache=False)
        >>> study
        <PerturbationStudy of shapes-lxmert, 4 samples of drawn scenes, 1 methods, iccv21: accuracy 100.0 %>
        >>> study.rows()[0]["auc"] < 1
        True
    """
    with joined_world() as world, study_folder(out, world, resume=resume,
                                                         overwrite=overwrite) as folder:
        reporter = reporter_of(progress, world.leads)
        answering = answering_model(model)
        added = (_CONTROL,) if (protocol == "clean" if control is None else control) else ()
        removed = chosen_names("modality", modalities, MODALITIES)
        able, left_out = fitting_methods(model, methods, reporter, added, samples)
        fitting, unreached = reaching_methods(model, able, removed, reporter)
        plan = protocol_named(protocol, answering.removal.reference, steps)
        found = read_data(data, path_of(annotations), path_of(images), num_samples, seed, plan,
                          with_truth=not model.family.writes)
        kept_in = (cache_folder() if cache is True else Path(cache)) if cache else None
        seen = pictures_of(answering, found, kept_in)
        threads = fix_threads(world) if answering.on_cpu else None
        follows = answering.follows(found.has_truth)
        combinations = Combinations(plan, removed, chosen_names("sign", signs, SIGNS), tokens_at_once(model.network))
        test = PerturbationTest(answering, fitting, combinations, follows, seen, seed)
        size = batch_size or samples_at_once(model.network)
        parameters = {**_parameters(test, found), "left_out": {**left_out, **unreached},
                      "images": str(images) if images else None, "batch_size": size, "threads": threads}
        fault = fault_of(parameters, found.samples)
        run = open_run(folder, parameters, world, resume=resume, overwrite=overwrite, fault=fault,
                       picture=lambda record: seen.hash_of(found.samples[record["id"]]))
        numbered = list(enumerate(found.samples))
        groups = [numbered[start:start + size] for start in range(0, len(numbered), size)]
        go_through(run, groups, test.records, failed, reporter, EarlyWarning(model.info.name, reporter))
        return finished(PerturbationStudy, folder, world,
                        lambda: _summed_up(Run(folder, world, fault), parameters, found,
                                           signed_notes(fitting, _SIGNED)))


def _parameters(test: PerturbationTest, data: VqaData) -> dict[str, Any]:
    """All that decides on a digit."""
    plan = test.combinations
    passes = {method.name: method.samples for method in test.methods if method.samples}
    return {
        "kind": KIND, "protocol": plan.protocol.name,
        "steps": {modality: list(shares) for modality, shares in plan.protocol.steps.items()},
        "data": dict(data.parameters), **identity_of(test.model.model), "regions": test.pictures.parameters,
        "follows": [measure.name for measure in test.follows],
        "answers_sha256": test.model.answers_sha256,
        "methods": [method.name for method in test.methods],
        **({"passes": passes} if passes else {}), "modalities": list(plan.modalities),
        "removes": test.model.removal.things,
        "signs": list(plan.signs), "tokens_at_once": plan.tokens_at_once,
    }


def _summed_up(run: Run, parameters: Mapping[str, Any], data: VqaData, notes: Sequence[str]) -> PerturbationStudy:
    failures = [{"sample": one["sample"], "error": one["error"]} for one in run.records(failed=True)]
    evaluated = len(run.done)
    if not evaluated:
        raise MmxError("No sample could be evaluated.", "The lines above say why.")
    divisor = max(1, data.divisor - (len(data.samples) - evaluated))
    follows = followed_in(parameters)
    found = {"schema_version": SCHEMA_VERSION, "protocol": parameters["protocol"],
             "samples": {"evaluated": evaluated, "failed": len(failures), "divided_by": divisor}, **NOT_FOLLOWED}
    for measure in follows:
        found |= Curves.read(run, parameters, measure).summary(divisor)
    found["warning"] = (accuracy_warning(parameters["model"]["name"], found["accuracy"], evaluated)
                        if ACCURACY in follows else None)
    found |= {"notes": [*notes], "failures": failures, "parameters": dict(parameters)}
    return PerturbationStudy(found, curves_file(found))
