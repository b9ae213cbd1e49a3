"""Kinds, groups and where methods are defined follow from what each says of itself."""

from dataclasses import replace
from typing import get_args

import pytest

import mmx
from mmx.cli.completion import complete_method
from mmx.errors import UsageError
from mmx.methods import GROUPS, KINDS, Layout, Method, all_methods, get_method, named_methods
from mmx.methods.base import Need
from mmx.model.fitting import sieved
from mmx.results import ModelInfo

INFO = ModelInfo("photo-vit", "vit", "ViTForImageClassification", "0", "cpu", "float32")
RELEVANCE = get_method("relevance")


def made(name: str, *needs: Need, **fields: object) -> Method:
    return replace(RELEVANCE, name=name, aliases=(), reference_rows=None, **{"in_paper": False, **fields}, needs=needs)


def without_cls(layout: Layout) -> str:
    return "it reads a [CLS] token, which it has not"


MADE = (made("slow", "further passes", floors=64.2), made("states", "states", "gradient"),
        made("signed", "attn-lrp", signed=True), made("odd", "attention", why_not=without_cls))


@pytest.fixture
def more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Methods of which the paper knows nothing."""
    every = (*all_methods(), *MADE)
    monkeypatch.setattr("mmx.methods.base.all_methods", lambda: every)


@pytest.mark.parametrize(("needs", "kind", "fast"), [
    ((), "nothing", True), (("attention",), "attention alone", True),
    (("attention", "gradient"), "attention and gradient", True), (("gradient",), "attention and gradient", True),
    (("states",), "states of tokens", True), (("attention", "gradient", "states"), "states of tokens", True),
    (("layer scores",), "scores of layers", True), (("attention", "gradient", "lrp"), "LRP", False),
    (("attn-lrp",), "LRP", False), (("states", "cp-lrp"), "LRP", False),
    (("further passes",), "passes of its own", False), (("lrp", "further passes"), "passes of its own", False)])
def test_a_kind_and_whether_it_is_fast_follow_from_needs(needs: tuple[Need, ...], kind: str, fast: bool) -> None:
    method = made("one", *needs)
    assert (method.kind, method.is_fast, method.shares_passes) == (kind, fast, "further passes" not in needs)


def test_every_need_is_of_some_kind() -> None:
    assert KINDS["passes of its own"] == set(get_args(Need))
    assert {made("one", need).kind for need in get_args(Need)} == KINDS.keys() - {"nothing"}


def test_groups_hold_what_their_methods_say(more: None) -> None:
    named = {group: [method.name for method in named_methods([group])] for group in GROUPS}
    assert named["all"] == [*(method.name for method in all_methods()), "slow", "states", "signed", "odd"]
    assert len(named["paper"]) == 12 and "random" in named["paper"]
    assert not {"slow", "states", "signed", "odd"} & {*named["paper"]}
    assert {"states", "odd", "relevance", "rollout", "random"} <= {*named["fast"]}
    assert not {"slow", "signed", "partial-lrp", "relevance-lrp"} & {*named["fast"]}


def test_a_group_goes_with_names_and_each_method_stands_once(more: None) -> None:
    found = [method.name for method in named_methods(["slow", "fast", "relevance"])]
    assert found[:2] == ["slow", "relevance"] and len(found) == len({*found})


def test_no_method_is_called_as_a_group() -> None:
    assert not GROUPS.keys() & {alias for method in all_methods() for alias in (method.name, *method.aliases)}


def test_an_unknown_name_is_told_the_groups_too() -> None:
    with pytest.raises(UsageError, match=r"No method named 'papers'\. Did you mean 'paper'"):
        named_methods(["papers"])
    assert complete_method("rollout,fa") == ["rollout,fast"]
    assert complete_method("pa") == ["partial-lrp", "paper"]


def test_a_group_is_refused_where_one_method_is_wanted() -> None:
    with pytest.raises(UsageError, match="'fast' stands for several methods, and here there is room for one"):
        get_method("fast")


def sieve(*names: str) -> tuple[list[str], tuple[str, ...]]:
    """On a ViT."""
    vit = mmx.load("shapes-vit", "cpu")
    methods, notes = sieved(named_methods(names), names, vit.layout, INFO)
    return [method.name for method in methods], notes


def test_what_is_named_and_not_defined_is_an_error_and_what_a_group_has_a_note(more: None) -> None:
    with pytest.raises(UsageError, match=r"odd is not defined on photo-vit: it reads a \[CLS\] token, which"):
        sieve("odd")
    with pytest.raises(UsageError, match="relevance-no-norm says nothing of its own about photo-vit: it differs from "
                                         "relevance only where one stream attends to another"):
        sieve("rollout", "relevance-no-norm")
    found, notes = sieve("fast", "odd")  # odd is of the group
    assert "odd" not in found and "states" in found
    assert notes == (
        "left out ablation-no-self-in-10, relevance-no-norm: they differ from others only where one stream attends to "
        "another, and photo-vit has no such attention", "left out odd: it reads a [CLS] token, which it has not")


def test_what_all_takes_is_said_where_a_group_brings_passes_of_its_own(more: None) -> None:
    _, notes = sieve("all")
    assert "slow (64 floors): with passes through the model of their own, which take long" in notes[-1]
    assert not any("slow" in note for note in sieve("slow")[1])  # who names it knows it
    assert not any("slow" in note for note in sieve("paper", "fast")[1])


def test_python_takes_groups_as_the_command_line_does() -> None:
    found = mmx.load("shapes-vit", "cpu").explain_methods("sample_inputs/scene-5029.png", methods=["fast"])
    assert [one.method for one in found] == ["relevance", *sorted(
        method.name for method in all_methods() if method.is_fast and method.name != "relevance"
        and not method.differs_across_streams_from)]
