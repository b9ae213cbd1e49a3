"""`mmx models check` of a model that answers otherwise while its gradients are looked at."""

import functools
import json
import re
from pathlib import Path

import pytest
import torch
from cli_outcome import Command
from torch import Tensor, nn
from transformers import ViTForImageClassification


@pytest.fixture
def shift(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What is added to a ViT's logits where gradients are enabled, which they are for capture and no plain forward."""
    added: list[float] = [0.0]

    def shifted(module: nn.Module, given: tuple, logits: Tensor) -> Tensor:
        return logits + added[0] * torch.is_grad_enabled()

    made = ViTForImageClassification.__init__

    @functools.wraps(made)
    def hooked(network: ViTForImageClassification, *given: object, **named: object) -> None:
        made(network, *given, **named)
        network.classifier.register_forward_hook(shifted)

    monkeypatch.setattr(ViTForImageClassification, "__init__", hooked)
    return added


def test_logits_that_capture_changes_are_a_fault(mmx: Command, tiny_vit: Path, shift: list[float]) -> None:
    shift[0] = 0.5
    outcome = mmx("models", "check", tiny_vit, "--json")
    assert outcome.code == 1
    assert outcome.error == f"{tiny_vit} does not work with mmx as it is: logits failed."
    (found,) = [one for one in json.loads(outcome.out)["findings"] if one["what"] == "logits"]
    assert found["result"] == "fails"
    said = re.fullmatch(r"Captured logits and plain ones are (\S+) apart\.", found["told"])
    assert said and 0.01 < float(said[1]) < 10


def test_logits_that_nothing_changes_are_the_same_with_capture_and_without(mmx: Command, tiny_vit: Path,
                                                                           shift: list[float]) -> None:
    outcome = mmx("models", "check", tiny_vit, "--json")
    assert outcome.code == 0
    (found,) = [one for one in json.loads(outcome.out)["findings"] if one["what"] == "logits"]
    assert found["result"] == "works" and found["told"].startswith("the same with capture and without")
