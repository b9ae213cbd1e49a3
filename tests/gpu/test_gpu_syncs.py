"""Between inputs on the GPU and scores on the GPU the host waits a few times an explanation, never once a map."""

import warnings
from collections.abc import Callable

import pytest
import torch

import mmx
from mmx.bench.floor import plain_forward
from mmx.bench.subjects import Subject
from mmx.checkpoints.catalog import shipped_names
from mmx.engine import attribute
from mmx.methods import get_method

pytestmark = pytest.mark.cuda


def syncs(task: Callable[[], object], device: str) -> list[str]:
    """Where PyTorch warns that the host waits."""
    task()
    if device != "cuda":
        return []
    torch.cuda.synchronize()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            task()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return [f"{one.filename}:{one.lineno}" for one in caught if "synchroniz" in str(one.message)]


MOST = 5
"""What is explained and which sample each item is of; whether logits, rows of maps and scores are sound."""


@pytest.mark.parametrize("name", shipped_names())
def test_the_host_waits_for_what_is_asked_and_for_whether_all_is_sound(name: str, device: str) -> None:
    model = mmx.load(name, device)
    inputs, methods, target = model.small_inputs(), [get_method("relevance")], model.asking.any_target
    own = syncs(lambda: plain_forward(Subject(name, model.described, inputs, 0)), device)
    found = syncs(lambda: attribute(model.described, inputs, methods, target), device)
    waits = sorted(one for one in found if one not in own or "transformers" not in one)
    assert len(waits) <= MOST, waits


def test_a_wait_is_seen(device: str) -> None:
    if device != "cuda":
        pytest.skip("needs a GPU")
    values = torch.ones(3, device=device)
    assert len(syncs(lambda: bool(values.any()), device)) == 1
