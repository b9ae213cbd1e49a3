"""Which family a checkpoint is of, by the `transformers` class that its config names."""

from functools import cache
from typing import Any

from mmx.errors import UsageError
from mmx.families.base import Family, Labelled, Pixels, Regions
from mmx.registry import offered, offered_names


@cache
def all_families() -> tuple[tuple[str, Family], ...]:
    """Every family with the name of its file, or of the entry point `mmx.families` that offers it."""
    return tuple((name, family) for name in offered_names("families")
                 for family in offered("families", name, "FAMILY", Family))


def architectures_of(config: Any) -> list[str]:
    """The names of the classes that a config says it was saved from."""
    named = getattr(config, "architectures", None) or ()
    return [named] if isinstance(named, str) else list(named)


def family_of(config: Any, name: str) -> tuple[str, Family, str]:
    """Name, family and architecture of the checkpoint `name` with this config.

    Raises:
        UsageError: there is none, with those that there are.
    """
    named = architectures_of(config)
    for architecture in named:
        found = family_of_architecture(architecture)
        if found is not None:
            return *found, architecture
    alike = tuple((key, family) for key, family in all_families() if family.model_type == config.model_type)
    if alike and not named:
        return *alike[0], alike[0][1].architectures[0]
    what = f"is a {named[0]}" if named else f"is of model type '{config.model_type}'"
    raise UsageError(f"{name} {what}, which mmx has no family for.", _known(alike or all_families()))


def family_of_architecture(architecture: str) -> tuple[str, Family] | None:
    return next(((key, family) for key, family in all_families() if architecture in family.architectures), None)


def _known(families: tuple[tuple[str, Family], ...]) -> str:
    return f"It explains: {', '.join(one for _, family in families for one in family.architectures)}."


def check_given(family: Family, name: str, regions: object, features: object, answers: object,
                processor: object = None) -> None:
    """Raises UsageError where the checkpoint `name` has no use for what it is given; None is not given."""
    if (regions, features) != (None, None) and not any(isinstance(one, Regions) for one in family.inputs):
        raise UsageError(f"{name} takes no regions and no features: it looks at the whole picture.",
                         "Leave them out.")
    if answers is not None and not isinstance(family.score, Labelled):
        raise UsageError(f"{name} {family.does}: no names of answers fit it.", "Leave them out.")
    if processor is not None and not any(isinstance(one, Pixels) for one in family.inputs):
        raise UsageError(f"{name} has no image processor: it looks at regions.", "Leave `processor=` out.")
