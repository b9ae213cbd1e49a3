"""PyTorch's own attention module, by a call of SDPA in its place: the same output, with every kind of mask."""

import pytest
import torch
from torch import Tensor, nn

from mmx.capture.recording import attention_of_heads
from mmx.errors import CaptureError

BATCH, ROWS, COLS, HEADS, WIDTH = 3, 2, 5, 2, 8


def blocked(*shape: int) -> Tensor:
    """True for about a third, never for the first column."""
    found = torch.rand(*shape, generator=torch.Generator().manual_seed(3)) < 0.35
    found[..., 0] = False
    return found


def added(where: Tensor) -> Tensor:
    return torch.zeros(where.shape, dtype=torch.float64).masked_fill(where, -torch.inf)


@pytest.fixture(params=[True, False], ids=["biases", "no biases"])
def module(request: pytest.FixtureRequest) -> nn.MultiheadAttention:
    torch.manual_seed(1)
    return nn.MultiheadAttention(WIDTH, HEADS, bias=request.param, batch_first=True, dtype=torch.float64).eval()


@pytest.mark.parametrize("mask", [
    None, blocked(ROWS, COLS), added(blocked(ROWS, COLS)), blocked(BATCH * HEADS, ROWS, COLS),
    added(blocked(BATCH * HEADS, ROWS, COLS))], ids=["none", "bool", "float", "bool of heads", "float of heads"])
def test_it_gives_what_the_module_gives(module: nn.MultiheadAttention, mask: Tensor | None) -> None:
    query, key, value = (torch.randn(BATCH, count, WIDTH, dtype=torch.float64) for count in (ROWS, COLS, COLS))
    with torch.no_grad():
        found, none = attention_of_heads(module, query, key, value, attn_mask=mask)
        torch.testing.assert_close(found, module(query, key, value, attn_mask=mask)[0], rtol=1e-12, atol=1e-12)
    assert none is None


def test_the_batch_may_be_the_second_axis(module: nn.MultiheadAttention) -> None:
    module.batch_first = False
    query, key, value = (torch.randn(count, BATCH, WIDTH, dtype=torch.float64) for count in (ROWS, COLS, COLS))
    for mask in (None, blocked(BATCH * HEADS, ROWS, COLS)):
        with torch.no_grad():
            found, _ = attention_of_heads(module, query, key, value, attn_mask=mask)
            torch.testing.assert_close(found, module(query, key, value, attn_mask=mask)[0], rtol=1e-12, atol=1e-12)


def test_what_it_does_not_read_is_refused(module: nn.MultiheadAttention) -> None:
    states = torch.randn(BATCH, ROWS, WIDTH, dtype=torch.float64)
    with pytest.raises(CaptureError, match="of this kind is not read"):
        attention_of_heads(module, states, states, states, key_padding_mask=blocked(BATCH, ROWS))
    with pytest.raises(CaptureError, match="of this kind is not read"):
        attention_of_heads(nn.MultiheadAttention(WIDTH, HEADS, kdim=4), states, states, states)
