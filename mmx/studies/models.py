"""What every study asks of a model, whatever it does: who it is, and which methods it takes."""

from collections.abc import Sequence
from typing import Any

from mmx.explainer import Model, seed_of, versions
from mmx.methods import Method, all_methods, get_method
from mmx.studies.reporting import Reporter
from mmx.types import Picture

__all__ = ["Model", "Picture", "chosen_methods", "fitting_methods", "identity_of", "seed_of", "task_of", "versions"]


def task_of(model: Model) -> str:
    """What it does, in words."""
    return model.family.task


def identity_of(model: Model) -> dict[str, Any]:
    """Which model it was and where it ran, as study parameters."""
    info = model.info
    return {"model": info.name, "revision": info.revision, "dtype": info.dtype,
            "device": info.device.partition(":")[0], "versions": versions()}


def chosen_methods(names: Sequence[str]) -> tuple[Method, ...]:
    """Each once, in the order given; "all" stands for every one. Raises UsageError for a name that is unknown."""
    found = [all_methods() if name == "all" else (get_method(name),) for name in names]
    return tuple(dict.fromkeys(method for several in found for method in several))


def fitting_methods(model: Model, names: Sequence[str], reporter: Reporter,
                    control: Sequence[str] = ()) -> tuple[Method, ...]:
    """The methods that were named, and those of `control`. Of "all", those that have sense of their own on this model.

    Raises:
        UsageError: a method that is named has none, or is unknown.
    """
    methods = chosen_methods((*names, *control))
    if "all" not in names:
        model.check_methods(methods)
    fitting = tuple(method for method in methods if model.takes(method))
    unsteady = [method.name for method in fitting if "lrp" in method.needs]
    if unsteady and model.info.dtype in ("bfloat16", "float16"):
        reporter.line("note", f"LRP relevance can be several times too large or small in {model.info.dtype}: take "
                              f"float32 for {', '.join(unsteady)}")
    left_out = [method.name for method in methods if method not in fitting]
    if left_out:
        reporter.line("note", f"left out {', '.join(left_out)}: they differ from others only where one stream attends "
                              f"to another, and {model.info.name} has no such attention")
    return fitting
