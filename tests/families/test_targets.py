"""What may be named as the class to explain, and what is said of the rest."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmx.asking.base import Each, choose_classes
from mmx.checkpoints.families import all_families, family_of, family_of_architecture
from mmx.errors import UsageError

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


def test_any_number_of_targets_of_each_sample_come_in_its_order() -> None:
    samples, classes = choose_classes(THREE, Each([(3, None), (), (0, 0, None)]))
    assert (samples.tolist(), classes.tolist()) == ([0, 0, 2, 2, 2], [3, 1, 0, 0, 3])


def test_no_target_at_all_is_no_item() -> None:
    samples, classes = choose_classes(THREE, Each([(), (), ()]))
    assert (samples.tolist(), classes.tolist()) == ([], [])


def config(model_type: str, *architectures: str, **settings: object) -> SimpleNamespace:
    return SimpleNamespace(model_type=model_type, architectures=list(architectures) or None, **settings)


def test_a_family_is_found_by_the_class_that_a_config_names() -> None:
    for key, family in all_families():
        for architecture in family.architectures:
            # Whatever the type: classes of one type stand beside each other.
            named = config("whatever", architecture, **family.settings)
            assert family_of(named, "it") == (key, family, architecture)
            if not family.settings:
                assert family_of_architecture(architecture) == (key, family)


def test_each_class_has_one_family() -> None:
    named = [one for _, family in all_families() for one in family.architectures if not family.settings]
    assert len(named) == len(set(named))
    assert {"BlipForImageTextRetrieval", "CLIPModel", "DetrForObjectDetection", "Dinov2ForImageClassification",
            "Dinov2WithRegistersForImageClassification", "LxmertForQuestionAnswering", "SiglipModel",
            "ViltForQuestionAnswering", "VisualBertForQuestionAnswering", "ViTForImageClassification"} <= set(named)


def test_a_config_that_names_no_class_has_the_family_of_its_type() -> None:
    key, family, architecture = family_of(config("lxmert"), "it")
    assert (key, family.architectures, architecture) == (
        "lxmert", ("LxmertForQuestionAnswering",), "LxmertForQuestionAnswering")


def test_a_class_without_a_family_is_named_with_those_of_its_type() -> None:
    with pytest.raises(UsageError) as caught:
        family_of(config("lxmert", "LxmertForPreTraining"), "it")
    assert str(caught.value) == ("it is a LxmertForPreTraining, which mmx has no family for. "
                                 "It explains: LxmertForQuestionAnswering.")


@pytest.mark.parametrize("name", ["base", "", "__init__"])
def test_modules_that_are_no_family_are_not_found(name: str) -> None:
    assert name not in [key for key, _ in all_families()]
