"""Methods by what they are defined on."""

from mmx.methods import Method, all_methods, defined_on


def methods_on(architecture: str) -> list[Method]:
    """Of a class of transformers."""
    return [method for method in all_methods() if architecture in (defined_on(method.name) or ())]


def methods_of_maps() -> list[Method]:
    """Those that read nothing but attention maps, as of captures made by hand."""
    return [method for method in all_methods() if set(method.needs) <= {"attention", "gradient", "lrp"}]
