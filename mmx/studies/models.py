"""What every study asks of a model, whatever it does: who it is, and which methods it takes."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from mmx.errors import CaptureError, UsageError
from mmx.methods import Method, left_out_notes, with_samples
from mmx.model import Model
from mmx.model.batching import seed_of, versions
from mmx.show.wording import listed
from mmx.studies.reporting import Reporter

__all__ = ["Model", "able_methods", "fitting_methods", "identity_of", "seed_of", "signed_notes", "versions"]


def identity_of(model: Model) -> dict[str, Any]:
    """Which model it was and where it ran, the same on every process."""
    return {"model": {**asdict(model.info), "device": model.info.device.partition(":")[0]}, "versions": versions()}


def fitting_methods(model: Model, names: Sequence[str], reporter: Reporter, control: Sequence[str] = (),
                    samples: int | None = None) -> tuple[tuple[Method, ...], dict[str, str]]:
    """The methods that were named, and those of `control`, as `able_methods` has them, with notes.

    Args:
        samples: how often those run the model again that can choose; None is each method's default.

    Raises:
        UsageError: a method that is named has no sense of its own on this model, or is unknown.
        CaptureError: none of them can run.
    """
    methods, notes = model.fitting_methods(names, *control)
    if samples is not None and samples < 1:
        raise UsageError(f"{samples} samples make no score.", "Take one or more.")
    for note in notes:
        reporter.line("note", note)
    return able_methods(model, with_samples(methods, samples), reporter)


def signed_notes(methods: Sequence[Method], treated: str) -> list[str]:
    """What a reader must know of figures where methods that may speak against are among them; nothing where none is.

    Args:
        treated: what becomes of their scores below zero.
    """
    signed = [method.name for method in methods if method.signed]
    return [f"Scores below zero are evidence against, of {listed(signed)}: {treated}."] if signed else []


def able_methods(model: Model, methods: Sequence[Method], reporter: Reporter
                 ) -> tuple[tuple[Method, ...], dict[str, str]]:
    """The methods that can run on the model, and why each of the others cannot. Raises CaptureError if none can."""
    missing = model.left_out(methods)
    if missing and len(missing) == len(methods):
        raise CaptureError(next(iter(missing.values())), "Methods that need LRP do not apply to this model.")
    for note in left_out_notes(missing):
        reporter.line("note", note)
    return tuple(method for method in methods if method.name not in missing), missing
