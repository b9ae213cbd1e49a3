"""Which methods have sense of their own on a model."""

from collections.abc import Sequence

from mmx.errors import UsageError
from mmx.methods import Method, named_methods
from mmx.results import ModelInfo


def check_methods(methods: Sequence[Method], crosses: bool, name: str) -> None:
    """Raises UsageError for a method that has none on the model of this name.

    Args:
        crosses: whether some stream of it attends to another.
    """
    for method in methods:
        if not takes(method, crosses):
            raise UsageError(f"{method.name} says nothing of its own about {name}: it differs from "
                             f"{method.differs_across_streams_from} only where one stream attends to another.",
                             f"Ask for {method.differs_across_streams_from}.")


def takes(method: Method, crosses: bool) -> bool:
    """Some methods differ from others only where streams attend to each other."""
    return crosses or not method.differs_across_streams_from


def fitting_methods(names: Sequence[str], crosses: bool, info: ModelInfo) -> tuple[tuple[Method, ...], tuple[str, ...]]:
    """See `Model.fitting_methods`."""
    methods, notes = named_methods(names), []
    if "all" not in names:
        check_methods(methods, crosses, info.name)
    fitting = tuple(method for method in methods if takes(method, crosses))
    unsteady = [method.name for method in fitting if "lrp" in method.needs]
    if unsteady and info.dtype in ("bfloat16", "float16"):
        notes.append(f"LRP relevance can be several times too large or small in {info.dtype}: take float32 "
                     f"for {', '.join(unsteady)}")
    left_out = [method.name for method in methods if method not in fitting]
    if left_out:
        notes.append(f"left out {', '.join(left_out)}: they differ from others only where one stream attends to "
                     f"another, and {info.name} has no such attention")
    return fitting, tuple(notes)
