"""Which methods have sense of their own on a model, and what a reader must know of them."""

from collections.abc import Sequence

from mmx.errors import UsageError
from mmx.families.base import Family
from mmx.methods import GROUPS, Layout, Method, get_method, left_out_notes, named_methods
from mmx.results import ModelInfo


def layout_of(family: Family, config: object) -> Layout:
    """What methods are told of a model of this family with this config."""
    return Layout(family.schedule(config), frozenset(family.roots), tuple(read.stream for read in family.reads),
                  family.writes, all(read.row is not None for read in family.reads),
                  any(read.parts(config) for read in family.reads))


def check_methods(methods: Sequence[Method], layout: Layout, name: str) -> None:
    """Raises UsageError for a method that has no sense of its own on the model of this name."""
    for method in methods:
        if why := method.unfit(layout):
            other = method.differs_across_streams_from
            said = "says nothing of its own about" if other else "is not defined on"
            raise UsageError(f"{method.name} {said} {name}: {why}.",
                             f"Ask for {other}." if other else "'mmx methods' lists the others.")


def sieved(methods: Sequence[Method], names: Sequence[str], layout: Layout, info: ModelInfo
           ) -> tuple[tuple[Method, ...], tuple[str, ...]]:
    """See `Model.fitting_methods`; of methods that `names` stand for."""
    of_groups = {method.name for method in named_methods([name for name in names if name in GROUPS])}
    named = {get_method(name).name for name in names if name not in GROUPS} - of_groups
    check_methods([method for method in methods if method.name in named], layout, info.name)
    alike = f"they differ from others only where one stream attends to another, and {info.name} has no such attention"
    unfit = {method.name: alike if method.differs_across_streams_from else why
             for method in methods if (why := method.unfit(layout))}
    fitting = tuple(method for method in methods if method.name not in unfit)
    return fitting, (*_doubts(fitting, info), *left_out_notes(unfit), *_slow(fitting, of_groups))


def _doubts(methods: Sequence[Method], info: ModelInfo) -> list[str]:
    unsteady = [method.name for method in methods if "lrp" in method.needs]
    if not unsteady or info.dtype not in ("bfloat16", "float16"):
        return []
    return [f"LRP relevance can be several times too large or small in {info.dtype}: take float32 "
            f"for {', '.join(unsteady)}"]


def _slow(methods: Sequence[Method], of_groups: set[str]) -> list[str]:
    """What a group stands for need not be what is expected of it."""
    slow = [told_cost(method) for method in methods if not method.shares_passes and method.name in of_groups]
    return [f"{', '.join(slow)}: with passes through the model of their own, which take long; "
            "-m paper and -m fast are without them"] if slow else []


def told_cost(method: Method) -> str:
    """ "rise (64 floors)", where that was measured."""
    return method.name if method.floors is None else f"{method.name} ({method.floors:.2g} floors)"
