"""Methods are found by their file's name, by the reference's names, and by nothing else."""

from pathlib import Path
from typing import get_args

import pytest

import mmx
from mmx.errors import UsageError
from mmx.methods import all_methods, get_method, method_names
from mmx.methods.base import Need

FILES = {path.stem for path in (Path(mmx.__file__).parent / "methods").glob("*.py")}


def test_the_names_are_the_files_with_the_default_first() -> None:
    names = method_names()
    assert {name.replace("-", "_") for name in names} == {file for file in FILES - {"base"} if file[0] != "_"}
    assert names[0] == "relevance"
    assert names[1:] == sorted(names[1:])


def test_a_methods_name_is_that_of_its_file() -> None:
    assert [method.name for method in all_methods()] == method_names()


@pytest.mark.parametrize(("alias", "name"), [
    ("transformer_attribution", "transformer-attribution"), ("ROLLOUT", "rollout"),
    ("raw_attn", "raw-attention"), ("attn_gradcam", "attention-gradcam"),
    ("ours_no_lrp_no_norm", "relevance-no-norm"), ("raw_attention", "raw-attention"),
    ("attention_gradcam", "attention-gradcam"), ("ablation_no_self_in_10", "ablation-no-self-in-10"),
    ("ablation_no_aggregation", "ablation-no-aggregation"), ("Rollout", "rollout"),
    ("ours_with_lrp_no_normalization", "relevance-lrp-no-norm"), ("transformer_att", "transformer-attribution"),
    ("RAW_ATTN", "raw-attention"),
])
def test_aliases_cases_underscores_and_hyphens_resolve(alias: str, name: str) -> None:
    assert get_method(alias).name == name


@pytest.mark.parametrize(("alias", "name"), [("ours_no_lrp", "relevance"), ("Ours-No-LRP", "relevance"),
                                             ("ours_with_lrp", "relevance-lrp")])
def test_a_reference_name_with_numbers_of_its_own_keeps_its_name(alias: str, name: str) -> None:
    found, sound = get_method(alias), get_method(name)
    assert found.name == alias.lower().replace("-", "_")
    assert found.rows is sound.reference_rows is not None
    assert found.rows is not sound.rows
    assert (found.needs, found.summary) == (sound.needs, sound.summary)


def test_no_two_methods_share_a_name() -> None:
    names = [alias.replace("_", "-") for method in all_methods() for alias in (method.name, *method.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("wrong", "near"), [("relevence", "relevance"), ("ours_no_lpr", "ours-no-lrp"),
                                             ("Raw-Atention", "raw-attention")])
def test_an_unknown_name_is_answered_with_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"No method named '{wrong}'. Did you mean '{near}'") as caught:
        get_method(wrong)
    assert all(name in str(caught.value) for name in method_names())


def test_a_name_like_no_other_gets_the_list_alone() -> None:
    with pytest.raises(UsageError) as caught:
        get_method("zzz")
    assert "Did you mean" not in str(caught.value)
    assert "relevance, ablation-no-aggregation" in str(caught.value)


@pytest.mark.parametrize("name", method_names())
def test_every_method_says_what_it_is_and_where_it_comes_from(name: str) -> None:
    method = get_method(name)
    assert method.summary.endswith(".")
    assert method.source
    assert set(method.needs) <= set(get_args(Need))
