"""What every study asks of a model, whatever it does: who it is, and which methods it takes."""

from collections.abc import Sequence
from typing import Any

from mmx.errors import CaptureError
from mmx.methods import Method
from mmx.model import Model
from mmx.model.batching import seed_of, versions
from mmx.studies.reporting import Reporter

__all__ = ["Model", "fitting_methods", "identity_of", "seed_of", "versions"]


def identity_of(model: Model) -> dict[str, Any]:
    """Which model it was and where it ran, as study parameters."""
    info = model.info
    return {"model": info.name, "revision": info.revision, "dtype": info.dtype,
            "device": info.device.partition(":")[0], "versions": versions()}


def fitting_methods(model: Model, names: Sequence[str], reporter: Reporter,
                    control: Sequence[str] = ()) -> tuple[Method, ...]:
    """The methods that were named, and those of `control`, without those that cannot run on the model, with notes.

    Raises:
        UsageError: a method that is named has no sense of its own on this model, or is unknown.
        CaptureError: none of them can run.
    """
    methods, notes = model.fitting_methods(names, *control)
    missing = model.left_out(methods)
    if missing and len(missing) == len(methods):
        raise CaptureError(next(iter(missing.values())), "Methods that need LRP do not apply to this model.")
    reasons = [f"left out {', '.join(one for one in missing if missing[one] == reason)}: {reason}"
               for reason in dict.fromkeys(missing.values())]
    for note in (*notes, *reasons):
        reporter.line("note", note)
    return tuple(method for method in methods if method.name not in missing)
