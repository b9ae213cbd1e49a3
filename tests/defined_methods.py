"""Methods by what they are defined on."""

from mmx.families.base import Family
from mmx.methods import Method, all_methods
from mmx.methods import defined_on as classes_of
from mmx.model.fitting import layout_of


def methods_on(architecture: str) -> list[Method]:
    """Of a class of transformers."""
    return [method for method in all_methods() if architecture in (classes_of(method.name) or ())]


def defined_on(family: Family, config: object) -> list[Method]:
    """Of a family, before a model of it is there."""
    layout = layout_of(family, config)
    return [method for method in all_methods() if not method.unfit(layout)]


def methods_of_maps() -> list[Method]:
    """Those that read nothing but attention maps, as of captures made by hand: Grad-ECLIP reads queries and keys."""
    return [method for method in all_methods() if set(method.needs) <= {"attention", "gradient", "lrp"}
            and method.name != "grad-eclip"]
