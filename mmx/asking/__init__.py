"""What can be asked of a model: one file for each kind of score, named as `kind` in the family's declaration."""

from mmx.asking.base import Asking, Subject
from mmx.families.base import Family
from mmx.registry import load_module

__all__ = ["Asking", "Subject", "asking_of"]


def asking_of(family: Family, subject: Subject) -> Asking:
    """What the models of a family can be asked, for one of them."""
    return load_module("asking", family.score.kind).ASKING(family.score, subject)
