"""What every family's tests ask: noise for a model, a picture, and that the network is as it was."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from transformers import PreTrainedModel

from mmx.engine import attribute
from mmx.model import Model
from mmx.results import Explanation, Item

Inputs = dict[str, Tensor]


def picture(size: tuple[int, int] = (70, 50), seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(noise)


def state_of(network: nn.Module) -> tuple:
    """Hooks, what instances have in the place of their class's, training mode and parameters."""
    hooks = [len(getattr(module, kind)) for module in network.modules()
             for kind in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")]
    own = [name for module in network.modules() for name in vars(module) if callable(getattr(type(module), name, None))]
    attention = [module.config._attn_implementation for module in network.modules() if hasattr(module, "config")]
    return (hooks, own, attention, [module.training for module in network.modules()],
            [(parameter.requires_grad, parameter.grad is None) for parameter in network.parameters()],
            torch.is_grad_enabled())


@contextmanager
def with_maps(network: PreTrainedModel) -> Iterator[None]:
    """The class makes its attention maps itself, where it can go without."""
    configs = [(module.config, module.config._attn_implementation) for module in network.modules()
               if hasattr(module, "config")]
    network.set_attn_implementation("eager")
    try:
        yield
    finally:
        for config, before in configs:  # a backbone may know no other than the one that it has
            config._attn_implementation = before


def own_forward(model: Model, inputs: Inputs) -> Any:
    """What the class's own eager forward gives, with its maps, in the graph."""
    model.network.requires_grad_(True)
    try:
        with with_maps(model.network):
            return model.network(**inputs, output_attentions=True)
    finally:
        model.network.requires_grad_(False)


@contextmanager
def in_training(network: nn.Module) -> Iterator[None]:
    network.train().requires_grad_(True)
    try:
        yield
    finally:
        network.eval().requires_grad_(False)


def assert_left_alone(model: Model, inputs: Inputs, fails_at: nn.Module) -> None:
    """After an explanation by all methods, and after one whose forward fails at a module."""
    def fail(*_: object) -> None:
        raise ArithmeticError("in the forward")

    fitting = model.fitting_methods(["all"])[0]
    left_out = model.left_out(fitting)
    methods = [method.name for method in fitting if method.name not in left_out]
    with in_training(model.network):
        before = state_of(model.network)
        for method in methods:
            model.attribute(inputs, method)
        assert state_of(model.network) == before
        handle = fails_at.register_forward_pre_hook(fail)
        before = state_of(model.network)
        with pytest.raises(ArithmeticError, match="in the forward"):
            model.attribute(inputs)
        assert state_of(model.network) == before
        handle.remove()


def assert_same_items(one: Explanation, other: Explanation, tolerance: float) -> None:
    assert one.elements == other.elements
    assert one.method == other.method
    for item, twin in zip(one, other, strict=True):
        assert_same_item(item, twin, tolerance)


def assert_same_item(item: Item, twin: Item, tolerance: float) -> None:
    assert (item.kind, item.label, item.unit, item.elements) == (twin.kind, twin.label, twin.unit, twin.elements)
    assert item.score == pytest.approx(twin.score, abs=1e-6)
    assert item.scores.keys() == twin.scores.keys()
    for stream, scores in item.scores.items():
        np.testing.assert_allclose(scores, twin.scores[stream], rtol=tolerance, atol=tolerance * np.abs(scores).max())


def assert_every_method_is_there(model: Model, explain: Callable[[list[str]], list[Explanation]]) -> None:
    """With finite scores, and none left out but those that find nothing of what they read."""
    methods, _ = model.fitting_methods(["all"])
    blind = dict(attribute(model.described, model.small_inputs(), methods, model.asking.any_target).left_out)
    assert all("seen here" in why or "off several" in why for why in blind.values()), blind
    names = [method.name for method in methods if method.name not in blind]
    found = explain(names)
    assert [one.method for one in found] == names
    for one in found:
        assert one.left_out == {}
        assert len(one) > 0
        for item in one:
            assert sum(len(block.scores) for block in one.blocks(item)) > 0  # which refuses what is not finite
    by_name = {one.method: one for one in found}
    for name in ("relevance", "relevance-lrp", "transformer-attribution", "partial-lrp"):
        assert any(np.abs(scores).max() > 0 for scores in by_name[name][0].scores.values()), name


def close(found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Relative to the largest expected number."""
    torch.testing.assert_close(found, expected.to(found.dtype), rtol=0, atol=tolerance * float(expected.abs().max()))
