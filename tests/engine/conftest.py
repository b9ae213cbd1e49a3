"""A tiny LXMERT in float64 and batches for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from lxmert_samples import Batches, hook_count

import mmx
from mmx.model import Model

torch.set_num_threads(1)  # on a busy machine, threads that share tiny tensors mostly wait for each other


@pytest.fixture(scope="module")
def model(tiny_lxmert: Path) -> Model:
    return mmx.load(tiny_lxmert, dtype="float64")


@pytest.fixture(scope="module")
def batches(model: Model) -> Batches:
    return Batches(model)


@pytest.fixture
def no_hook_survives(model: Model) -> Iterator[None]:
    """A hook that one test leaves behind would spoil the next."""
    before = hook_count(model.network)
    yield
    assert hook_count(model.network) == before
