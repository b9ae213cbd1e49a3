"""LRP that keeps the sum in linear layers, as the reference's of DETR does: by split matrices, sample by sample."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import mmx
from mmx.capture import lrp_chefer as lrp
from mmx.capture.lrp import RuleMode

# Every division by a sum adds 1e-9 to it, which the calculation here leaves out; the sums are of order 1.
CLOSE = 1e-6


@pytest.fixture
def layers() -> tuple[nn.Linear, nn.Linear]:
    """Two layers that lose relevance: nothing contributes positively to the last two outputs of either."""
    generator = torch.Generator().manual_seed(5)
    first, second = nn.Linear(5, 6).double(), nn.Linear(6, 4).double()
    for layer in (first, second):
        layer.requires_grad_(False)
        layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator, dtype=torch.float64))
        layer.weight[-2:] = -layer.weight[-2:].abs()
    first.bias.fill_(3)  # the ReLU lets through what no product accounts for
    return first, second


@pytest.fixture
def x() -> Tensor:
    """Three samples of two tokens, without a negative number, unlike in size."""
    values = torch.rand(3, 2, 5, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    return values * torch.tensor([1.0, 4.0, 0.2], dtype=torch.float64)[:, None, None]


def z_plus(relevance: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """The rule without bias of one sample; an output that nothing contributes to passes nothing on."""
    by_input, by_weight = (x.clamp(min=0), x.clamp(max=0)), (weight.clamp(min=0), weight.clamp(max=0))
    whole = sum(a @ w.T for a, w in zip(by_input, by_weight, strict=True))
    share = torch.where(whole == 0, 0, relevance / torch.where(whole == 0, 1, whole))
    return sum((a * (share @ w) for a, w in zip(by_input, by_weight, strict=True)), torch.zeros_like(x))


def kept(passed_on: Tensor, received: Tensor) -> Tensor:
    return passed_on * received.sum() / passed_on.sum()


def by_hand(layers: tuple[nn.Linear, nn.Linear], x: Tensor, keep: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The relevance that all outputs of each sample, one each, pass on to its inputs."""
    first, second = layers
    found = []
    for sample in x:
        hidden = first(sample).relu()
        at_output = torch.ones_like(second(hidden))
        at_hidden = keep(z_plus(at_output, hidden, second.weight), at_output)
        found.append(keep(z_plus(at_hidden, sample, first.weight), at_hidden))
    return torch.stack(found)


def by_mode(layers: tuple[nn.Linear, nn.Linear], x: Tensor, mode: RuleMode) -> Tensor:
    x = x.clone().requires_grad_()
    with mode:
        output = layers[1](layers[0](x).relu())
    with mode.following("lrp"):
        return torch.autograd.grad(output.sum(), x)[0]


def test_relevance_is_rescaled_to_what_each_linear_layer_received_of_a_sample(layers: tuple[nn.Linear, nn.Linear],
                                                                              x: Tensor) -> None:
    found = by_mode(layers, x, RuleMode(conserve_in_linear=True))
    torch.testing.assert_close(found, by_hand(layers, x, kept), rtol=CLOSE, atol=0)
    torch.testing.assert_close(found.sum((1, 2)), torch.full((3,), 8.0, dtype=torch.float64), rtol=CLOSE, atol=0)


def test_relevance_is_lost_in_linear_layers_unless_it_is_to_be_kept(layers: tuple[nn.Linear, nn.Linear],
                                                                    x: Tensor) -> None:
    found = by_mode(layers, x, RuleMode())
    torch.testing.assert_close(found, by_hand(layers, x, lambda passed_on, received: passed_on), rtol=CLOSE, atol=0)
    assert (found.sum((1, 2)) < 0.9 * 8).all()


def scores(folder: Path, size: tuple[int, int], target: object, method: str) -> Tensor:
    pixels = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(7))
    return mmx.load(folder, dtype="float64").attribute({"pixel_values": pixels}, method=method, target=target)["image"]


@pytest.mark.parametrize("method", ["partial-lrp", "relevance-lrp", "transformer-attribution"])
@pytest.mark.parametrize(("checkpoint", "size", "target", "keeps"), [
    ("tiny_detr", (48, 64), [(0, 1)], True),
    ("tiny_vit", (24, 36), 1, False),
])
def test_what_linear_layers_lose_reaches_the_scores_but_for_detr(
        request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, checkpoint: str, size: tuple[int, int],
        target: object, keeps: bool, method: str) -> None:
    """Nine tenths more are taken in every linear layer, which rescaling makes good."""
    folder = request.getfixturevalue(checkpoint)
    before = scores(folder, size, target, method)
    rule = lrp.linear_rule
    monkeypatch.setattr(lrp, "linear_rule", lambda *given: rule(*given) / 10)
    apart = (scores(folder, size, target, method) - before).abs().max() / before.abs().max()
    assert apart < CLOSE if keeps else apart > 0.1
