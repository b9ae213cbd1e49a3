"""Maps of a stream's first tokens: as the whole map in which the tokens behind them look at nothing."""

import pytest
import torch
from torch import Tensor, nn

from mmx.capture import AttentionMap, Folded, run_forward
from mmx.capture.matrices import FirstRows
from mmx.errors import CaptureError
from mmx.schedule import Schedule, Site

FIRST, ROWS, COLS = 3, 5, 4
MAP = torch.rand(2, 2, FIRST, COLS, generator=torch.Generator().manual_seed(0)).softmax(dim=-1)


@pytest.mark.parametrize("keep", [True, False])
def test_its_matrix_has_rows_of_zeros_behind_them(keep: bool) -> None:
    found = FirstRows(Folded(AttentionMap.of(MAP), lambda block: block.attention.mean(dim=1), keep), ROWS)
    whole = torch.zeros(2, ROWS, COLS)
    whole[:, :FIRST] = MAP.mean(dim=1)
    rows, columns = torch.rand(2, 1, ROWS), torch.rand(2, COLS, 3)
    assert found.shape == whole.shape and found.dtype == whole.dtype
    torch.testing.assert_close(found.dense(), whole)
    torch.testing.assert_close(found.sums(), whole.sum(dim=-1))
    torch.testing.assert_close(found.rows_times(rows), rows @ whole)
    torch.testing.assert_close(found.times(columns), whole @ columns)
    for index in ([0, 4], [3, 2]):
        torch.testing.assert_close(found.rows_at(torch.tensor(index)), whole[[0, 1], index])


class Looks(nn.Module):
    def forward(self, rows: Tensor, cols: Tensor) -> Tensor:
        return nn.functional.scaled_dot_product_attention(rows, cols, cols)


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.own, self.across = Looks(), Looks()

    def forward(self, looking: int) -> dict[str, Tensor]:
        rows, cols = torch.rand(1, 1, ROWS, 4), torch.rand(1, 1, COLS, 4)
        mixed = self.own(rows, rows)
        more = torch.rand(1, 1, max(0, looking - ROWS), 4)
        return {"logits": self.across(torch.cat([mixed, more], dim=2)[:, :, :looking], cols)}


def ran(looking: int) -> dict[str, int]:
    schedule: Schedule = ((Site("across", "query", "image", first_rows=True),), (Site("own", "query", "query"),))
    network = Network()
    return run_forward(network, schedule, {}, lambda: network(looking), in_graph=False, rules=None).sizes


def test_the_stream_has_as_many_tokens_as_its_other_maps_say() -> None:
    assert ran(FIRST) == {"query": ROWS, "image": COLS}
    assert ran(ROWS) == {"query": ROWS, "image": COLS}


def test_more_rows_than_the_stream_has_tokens_are_refused() -> None:
    with pytest.raises(CaptureError, match="across has 7 query tokens, of 5"):
        ran(7)
