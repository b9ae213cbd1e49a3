"""Which family a checkpoint is of, by the `transformers` class that its config names."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher, get_close_matches
from functools import cache
from typing import Any

from mmx.checkpoints.refused import refusal
from mmx.errors import CheckpointError, UsageError, one_of, plural, shown_value
from mmx.families.base import (
    UNIT_OF_PROBLEM,
    Classes,
    Family,
    Labelled,
    Pixels,
    Prompt,
    Queries,
    Regions,
    Reread,
    Tokens,
)
from mmx.registry import offered, offered_names

_MOST_NAMED = 4
_HEAD = re.compile(r"For[A-Z]\w+$")
"""What a class does, in its name."""


@cache
def all_families() -> tuple[tuple[str, Family], ...]:
    """Every family of pictures with the name of its file, or of the entry point `mmx.families` that offers it."""
    return tuple((name, family) for name, family in _offered() if family.sees)


@cache
def _offered() -> tuple[tuple[str, Family], ...]:
    return tuple((name, family) for name in offered_names("families")
                 for family in offered("families", name, "FAMILY", Family))


def architectures_of(config: Any) -> list[str]:
    """The names of the classes that a config says it was saved from."""
    named = getattr(config, "architectures", None) or ()
    return [one for one in ([named] if isinstance(named, str) else named) if one != ""]


def family_of(config: Any, name: str) -> tuple[str, Family, str]:
    """Name, family and architecture of the checkpoint `name` with this config.

    Raises:
        UsageError: there is none, with the reason where that is known, or else with those that there are.
    """
    named = architectures_of(config)
    for architecture in named:
        found = family_of_architecture(architecture, config)
        if found is not None:
            return *found, architecture
    for architecture in named:
        if (refused := refusal(architecture)) is not None:
            raise UsageError(f"{name} is {one_of(architecture)}, which cannot be explained: it {refused.reason}.",
                             f"Load another, such as {published_for(refused.instead)}.")
    alike = tuple((key, family) for key, family in all_families()
                  if family.model_type == config.model_type and family.fits(config))
    if alike and not named:
        return *alike[0], alike[0][1].architectures[0]
    raise _unexplained(name, config.model_type, named[0] if named else None, [family for _, family in alike])


def family_of_architecture(architecture: str, config: Any = None) -> tuple[str, Family] | None:
    """Its file and the family of a class, of checkpoints with this config; also one that sees nothing."""
    blind = ((name, family) for name, family in _offered() if not family.sees)
    found = [(key, family) for key, family in (*all_families(), *blind) if architecture in family.architectures
             and family.fits(config)]
    return max(found, key=lambda one: len(one[1].settings), default=None)


def published_for(field: str) -> str:
    """The published checkpoint that is named to who asks by this field of `Asked`."""
    return next(one.name for _, family in all_families() for one in family.checkpoints
                if "/" in one.name and field in one.default_for)


def _unexplained(name: str, model_type: object, architecture: str | None, alike: Sequence[Family]) -> UsageError:
    """The error for a class without a family, with those that come nearest: of its type, or with the same task."""
    what = f"is of model type '{model_type}'" if architecture is None else f"is {one_of(architecture)}"
    own = ", ".join(one for family in alike for one in family.architectures)
    return UsageError(f"{name} {what}, which mmx has no family for.",
                      f"It explains: {own}." if own else _nearest(architecture or ""))


def _nearest(architecture: str) -> str:
    """The classes with the same task in their name, or else one for each thing that families do."""
    families = [family for _, family in all_families()]
    known = [one for family in families for one in family.architectures]
    head = _HEAD.search(architecture)
    found = [one for one in known if head and one.endswith(head[0])]
    found.sort(key=lambda one: -SequenceMatcher(None, architecture, one).ratio())
    found = found[:_MOST_NAMED] or get_close_matches(architecture, known, _MOST_NAMED, cutoff=0.7)
    if found:
        return f"It explains {len(known)} classes, such as {', '.join(found)}: see 'mmx models'."
    usual = sorted(families, key=lambda family: not any(one.default_for for one in family.checkpoints))
    examples = {family.does: family.architectures[0] for family in reversed(usual)}
    *others, last = (f"{does} ({one})" for does, one in examples.items())
    return f"It explains what {', '.join(others)} or {last}: see 'mmx models'."


def check_problem(family: Family, config: Any, name: str) -> None:
    """Raises CheckpointError where a config says of its classes what transformers does not know, or has none."""
    said = getattr(config, "problem_type", None)
    if isinstance(family.score, Classes) and said not in (None, *UNIT_OF_PROBLEM):
        raise CheckpointError(f"The config.json of {name} has the problem_type {shown_value(said)}.",
                              f"Write {', '.join(UNIT_OF_PROBLEM)} or null there: that says what its numbers are.")
    if isinstance(family.score, Labelled) and getattr(config, family.score.count, 1) == 0:
        raise CheckpointError(f"The config.json of {name} has no {plural(family.score.noun)}.",
                              "Write their names into id2label, as it was when the weights were saved.")


def check_answers(family: Family, name: str) -> None:
    """Raises UsageError where the model `name` does not answer questions, or reads them where no word can go."""
    if any(isinstance(one, Reread) for one in family.inputs):
        raise UsageError(f"{name} reads a question twice, by words of two kinds: none can be removed from both alike.",
                         "Name a model that reads it once: see 'mmx models'.")
    asked = family.needs == "question" or any(isinstance(one, Prompt) for one in family.inputs)
    if not asked or not isinstance(family.score, Classes | Tokens):
        raise UsageError(f"{name} {family.does}; this test is about answers to questions.",
                         "Name a model that answers: see 'mmx models'.")


def check_detects(family: Family, name: str) -> None:
    """Raises UsageError where the model `name` finds no objects of classes that it has itself."""
    if not isinstance(family.score, Queries):
        raise UsageError(f"{name} {family.does}; only a detector of classes can be scored by masks.",
                         f"Load one, such as {published_for('queries')}.")


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
