"""A class that mmx has no family for: one line, and what comes nearest."""

import re
from types import SimpleNamespace

import pytest

from mmx.checkpoints.families import all_families, family_of
from mmx.errors import UsageError

KNOWN = [one for _, family in all_families() for one in family.architectures]
LONGEST = 500


def test_a_class_without_a_name_is_none() -> None:
    config = SimpleNamespace(model_type="vit", architectures=[""])
    assert family_of(config, "it")[2] == "ViTForImageClassification"


def said(model_type: str, *architectures: str) -> str:
    config = SimpleNamespace(model_type=model_type, architectures=list(architectures) or None)
    with pytest.raises(UsageError) as caught:
        family_of(config, "it")
    return str(caught.value)


def test_a_type_without_a_family_is_told_what_families_do() -> None:
    line = said("bert")
    assert line.startswith("it is of model type 'bert', which mmx has no family for. It explains what ")
    assert all(family.does in line for _, family in all_families())
    assert line.endswith(": see 'mmx models'.") and len(line) < LONGEST


@pytest.mark.parametrize(("model_type", "architecture", "ending"), [
    ("cvt", "CvtForImageClassification", "ForImageClassification"),
    ("nothing", "NothingForAnything", ""), ("gpt2", "GPT2LMHeadModel", ""),
    ("pix2struct", "Pix2StructForQuestionAnswering", "ForQuestionAnswering")])
def test_classes_with_the_same_task_are_named(model_type: str, architecture: str, ending: str) -> None:
    line = said(model_type, architecture)
    named = [one for one in re.findall(r"\w+", line) if one in KNOWN]
    if ending:
        assert f"It explains {len(KNOWN)} classes, such as " in line
        assert 0 < len(named) <= 4 and all(one.endswith(ending) for one in named)
    else:
        assert "It explains what " in line
        assert {"ViTForImageClassification", "LxmertForQuestionAnswering", "CLIPModel"} <= set(named)
