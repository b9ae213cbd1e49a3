"""What may be named as the class to explain, and what is said of the rest."""

import re

import numpy as np
import pytest
import torch

from mmx.errors import UsageError
from mmx.families.base import choose_classes, family_names, get_family

ONE = torch.tensor([[0.1, 0.9, 0.5, 0.2]])
THREE = torch.tensor([[0.1, 0.9, 0.5, 0.2], [3.0, 2.0, 1.0, 0.0], [0.0, 1.0, 2.0, 3.0]])


@pytest.mark.parametrize(("logits", "target", "samples", "classes"), [
    (THREE, None, [0, 1, 2], [1, 0, 3]),
    (THREE, 2, [0, 1, 2], [2, 2, 2]),
    (THREE, [3, 0, 1], [0, 1, 2], [3, 0, 1]),
    (THREE, (3, 0, 1), [0, 1, 2], [3, 0, 1]),
    (THREE, [None, 2, None], [0, 1, 2], [1, 2, 3]),
    (THREE, (None, None, None), [0, 1, 2], [1, 0, 3]),
    (THREE, torch.tensor([3, 0, 1]), [0, 1, 2], [3, 0, 1]),
    (THREE, torch.tensor(2), [0, 1, 2], [2, 2, 2]),
    (THREE, np.int64(2), [0, 1, 2], [2, 2, 2]),
    (THREE, np.array([3, 0, 1]), [0, 1, 2], [3, 0, 1]),
    (ONE, None, [0], [1]),
    (ONE, 3, [0], [3]),
    (ONE, [3], [0], [3]),
    (ONE, [None], [0], [1]),
    (ONE, [3, 0, 3], [0, 0, 0], [3, 0, 3]),
    (ONE, torch.tensor([3, 0]), [0, 0], [3, 0]),
])
def test_targets_become_samples_and_classes(logits: torch.Tensor, target: object, samples: list[int],
                                            classes: list[int]) -> None:
    found_samples, found_classes = choose_classes(logits, target)
    assert found_samples.tolist() == samples
    assert found_classes.tolist() == classes


@pytest.mark.parametrize("target", [2.0, True, [1.0, 2.0, 0.0], [True, False, True], [[0, 1, 2]], [[0], [1, 2], [3]],
                                    {}, object(), ["red", "blue", "red"], [], "red", "", b"ab", 1j,
                                    torch.tensor([[1]]), 2**70])
def test_what_is_no_class_is_named(target: object) -> None:
    with pytest.raises(UsageError, match=re.escape(f"A target is a class index or a list of them, not {target!r}.")):
        choose_classes(THREE, target)


@pytest.mark.parametrize("target", [4, -1, [0, 1, 4], [None, 7, 0]])
def test_a_class_that_the_model_has_not_is_named_with_the_range(target: object) -> None:
    with pytest.raises(UsageError, match=r"is not one of the model's 4 classes \(0 to 3\)"):
        choose_classes(THREE, target)


@pytest.mark.parametrize("target", [[0, 1], [0, 1, 2, 3], [1]])
def test_a_list_of_another_length_than_the_batch_is_refused(target: list[int]) -> None:
    with pytest.raises(UsageError, match=f"{len(target)} targets were given for 3 samples. Give one, or one for each"):
        choose_classes(THREE, target)


def test_a_family_is_found_by_the_model_type_and_others_are_named() -> None:
    assert get_family("lxmert").architecture == "LxmertForQuestionAnswering"
    with pytest.raises(UsageError, match=r"no family for model type 'bert'.*lxmert") as caught:
        get_family("bert")
    assert all(name in str(caught.value) for name in family_names())


@pytest.mark.parametrize("name", ["base", "_vqa", "", "../engine"])
def test_modules_that_are_no_family_are_not_found(name: str) -> None:
    with pytest.raises(UsageError, match="no family"):
        get_family(name)
