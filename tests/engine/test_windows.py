"""Streams that attend within windows and are linked: every method reads what it reads of the same maps in full."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from defined_methods import methods_of_maps
from torch import Tensor, nn

from mmx.capture import AttentionMap, Capture, Chosen, ForwardPass, Readout, capture_items, run_forward
from mmx.capture.lrp import RuleMode
from mmx.capture.windows import Windows
from mmx.errors import CaptureError
from mmx.methods import Method
from mmx.reference import Reference
from mmx.schedule import Link, Schedule, Site

WIDTH, HEADS, MERGED = 8, 2, 4
WAYS = ("by sdpa", "by a map")
# Seven tokens, in no order, with two places for padding; the windows of the other layer have none.
ROLLED = torch.tensor([[3, 0, -1], [5, 2, 6], [1, -1, 4]])
WHOLE = torch.tensor([[6, 5, 4, 3, 2, 1, 0]])
SIZE = 7
# Of each of three samples, the merged token that each token becomes a part of.
INTO = torch.tensor([[0, 0, 1, 1, 2, 2, 3], [3, 2, 2, 2, 1, -1, 0], [-1, 0, 1, 2, 3, 3, 3]])


class Mix(nn.Module):
    def __init__(self, way: str) -> None:
        super().__init__()
        self.way, self.dropout, self.out = way, nn.Dropout(0.5), nn.Linear(WIDTH, WIDTH)
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH) for _ in range(3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        query, key, value = (linear(x).view(*x.shape[:2], HEADS, -1).transpose(1, 2)
                             for linear in (self.q, self.k, self.v))
        # What shifted windows are masked by: not the same in all of them.
        mask = (torch.arange(len(x)) % 3).view(-1, 1, 1, 1) * torch.eye(x.shape[1]).double()
        if self.way == WAYS[0]:
            map_, mixed = None, nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        else:
            map_ = self.dropout((torch.matmul(query * query.shape[-1]**-0.5, key.mT) + mask).softmax(dim=-1))
            mixed = torch.matmul(map_, value)
        return self.out(mixed.transpose(1, 2).reshape(x.shape)), map_


class Layer(nn.Module):
    def __init__(self, way: str, tokens: Tensor | None) -> None:
        super().__init__()
        self.tokens, self.norm, self.mix, self.mlp = tokens, nn.LayerNorm(WIDTH), Mix(way), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        if self.tokens is None:
            x = x + self.mix(self.norm(x))[0]
        else:
            windows = nn.functional.pad(self.norm(x), (0, 0, 0, 1))[:, self.tokens.flatten()]
            mixed = self.mix(windows.reshape(-1, self.tokens.shape[1], WIDTH))[0].reshape(len(x), -1, WIDTH)
            places = torch.stack([(self.tokens.flatten() == token).nonzero()[0, 0] for token in range(SIZE)])
            x = x + mixed[:, places]
        return x + torch.nn.functional.gelu(self.mlp(x))


class Network(nn.Module):
    def __init__(self, way: str) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.start, self.head = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 5)
        self.layers = nn.ModuleList(Layer(way, tokens) for tokens in (ROLLED, WHOLE, ROLLED, None))
        self.double().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.start(x)
        for layer in self.layers[:-1]:
            x = layer(x)
        merged = torch.nn.functional.one_hot(INTO.clamp(min=0), MERGED) * (INTO >= 0)[..., None]
        return self.head(self.layers[-1](merged.mT.double() @ x).mean(dim=1))


def ran(way: str, rules: RuleMode | None = None) -> tuple[Schedule, ForwardPass]:
    network = Network(way)
    name = "layers.{}.mix" if way == WAYS[0] else "layers.{}.mix.dropout"
    schedule: Schedule = (
        *((Site(name.format(i), "fine", "fine", windows=lambda _network, given, i=i: given["windows"][i]),)
          for i in range(3)),
        Link("coarse", "fine", lambda _network, given: given["into"]), (Site(name.format(3), "coarse", "coarse"),))
    x = torch.randn(3, SIZE, WIDTH, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return schedule, run_forward(network, schedule, {"fine": "start"}, lambda: {"logits": network(x)}, in_graph=True,
                                 rules=rules, inputs={"windows": (ROLLED, WHOLE, ROLLED), "into": INTO})


@cache
def captured(way: str, samples: tuple[int, ...], keep: bool = True, padded: bool = False) -> Capture:
    """An item for each of `samples`, each about another class; a mean of rows is read."""
    rules = RuleMode()
    schedule, passed = ran(way, rules)
    items = torch.tensor(samples)
    chosen = Chosen(passed.outputs["logits"][items, torch.arange(len(items)) % 5], items)
    readout = Readout("coarse", torch.zeros_like(items), torch.full((MERGED,), 1 / MERGED, dtype=torch.float64))
    sites = list(passed.mixed)
    valid = {"fine": torch.arange(SIZE) < torch.tensor([[SIZE], [SIZE - 2], [SIZE - 1]])} if padded else {}
    return capture_items(passed, schedule, chosen, (readout,), valid=valid, gradient_sites=sites, lrp_sites=sites,
                         seeds=range(3), reference=Reference(), keep=keep)


def in_full(values: Tensor, tokens: Tensor) -> Tensor:
    """Maps of windows, (items x windows, heads, width, width), as one of all tokens; entry by entry."""
    whole = torch.zeros(len(values) // len(tokens), HEADS, SIZE, SIZE, dtype=values.dtype)
    for number, map_ in enumerate(values):
        item, window = divmod(number, len(tokens))
        for row, one in enumerate(tokens[window].tolist()):
            for col, other in enumerate(tokens[window].tolist()):
                if one >= 0 and other >= 0:
                    whole[item, :, one, other] = map_[:, row, col]
    return whole


@cache
def of_whole_maps(way: str, samples: tuple[int, ...]) -> Capture:
    capture = captured(way, samples)
    maps = dict(capture.maps)
    for (site, map_), tokens in zip(capture.maps.items(), (ROLLED, WHOLE, ROLLED), strict=False):
        items = len(capture.seeds) * len(tokens)
        maps[site] = AttentionMap.of(*(in_full(values.expand(items, -1, -1, -1), tokens)
                                       for values in (map_.attention, map_.gradient, map_.relevance)))
    return replace(capture, maps=maps)


@pytest.mark.parametrize("samples", [(0, 1, 2), (1, 1, 1), (2, 0, 0, 1)], ids=["each", "of one sample", "of several"])
@pytest.mark.parametrize("method", methods_of_maps(), ids=lambda one: one.name)
def test_every_method_reads_what_it_reads_of_whole_maps(method: Method, samples: tuple[int, ...]) -> None:
    for way in WAYS:
        for keep in (True, False):
            capture = captured(way, samples, keep)
            found, want = method.rows(capture), method.rows(of_whole_maps(way, samples))
            assert found.keys() == want.keys() == {("coarse", "coarse"), ("coarse", "fine")}
            for pair, rows in found.items():
                torch.testing.assert_close(rows, want[pair], rtol=1e-12, atol=1e-15)
                assert rows.any()


@pytest.mark.parametrize("samples", [(0, 1, 2), (1, 1), (2, 0, 0, 1)], ids=["each", "of one sample", "of several"])
@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
def test_maps_made_as_they_are_read_are_those_of_the_model(samples: tuple[int, ...], padded: bool) -> None:
    found, want = (captured(way, samples, padded=padded) for way in WAYS)
    for map_, other in zip(found.maps.values(), want.maps.values(), strict=True):
        for name in ("attention", "gradient", "relevance"):
            # Relevance is divided by what may be near zero, which enlarges the last bits.
            tolerance = {"rtol": 1e-5, "atol": 1e-8} if name == "relevance" else {"rtol": 0, "atol": 1e-12}
            torch.testing.assert_close(*torch.broadcast_tensors(getattr(map_, name), getattr(other, name)), **tolerance)


def test_items_are_what_they_are_alone() -> None:
    together = captured(WAYS[0], (2, 0, 0, 1))
    for number, sample in enumerate((2, 0, 0, 1)):
        # As many items before it, which have other samples, so that it is about the same class.
        alone = captured(WAYS[0], (*((sample + 1) % 3,) * number, sample))
        for method in (one for one in methods_of_maps() if one.name != "random"):
            for pair, rows in method.rows(together).items():
                torch.testing.assert_close(rows[number], method.rows(alone)[pair][number], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("tokens", [ROLLED, WHOLE], ids=["rolled", "whole"])
def test_the_matrix_of_windows_is_the_dense_one(tokens: Tensor) -> None:
    capture = captured(WAYS[0], (1, 0))
    site = list(capture.maps)[0 if tokens is ROLLED else 1]
    found = capture.folded(site, lambda block: block.attention.mean(dim=1))
    want = in_full(capture.maps[site].attention, tokens).mean(dim=1)
    left, right = torch.randn(2, 3, SIZE).double(), torch.randn(2, SIZE, 3).double()
    assert found.shape == want.shape
    torch.testing.assert_close(found.dense(), want, rtol=0, atol=1e-15)
    torch.testing.assert_close(found.sums(), want.sum(dim=-1), rtol=0, atol=1e-15)
    torch.testing.assert_close(found.rows_times(left), left @ want, rtol=0, atol=1e-14)
    torch.testing.assert_close(found.times(right), want @ right, rtol=0, atol=1e-14)
    index = torch.tensor([4, 2])
    torch.testing.assert_close(found.rows_at(index), want[[0, 1], index], rtol=0, atol=1e-15)


def test_the_mean_gradient_of_a_head_is_over_all_windows_and_not_over_padding() -> None:
    capture = captured(WAYS[0], (1, 0))
    for (site, map_), tokens, entries in zip(capture.maps.items(), (ROLLED, WHOLE), (2**2 + 3**2 + 2**2, SIZE**2),
                                             strict=False):
        want = in_full(map_.gradient, tokens).sum(dim=(2, 3)) / entries
        torch.testing.assert_close(capture.gradient_means(site), want.repeat_interleave(len(tokens), dim=0))


def test_padding_of_windows_is_no_token() -> None:
    """It is attended to, so that rows are less than 1."""
    capture = captured(WAYS[0], (0,))
    fold = capture.folded(next(iter(capture.maps)), lambda block: block.attention.mean(dim=1))
    sums = fold.sums()[0]
    beside_padding = [token in (3, 0, 1, 4) for token in range(SIZE)]
    assert ((sums < 0.999) == torch.tensor(beside_padding)).all()


def test_sizes_are_those_of_streams() -> None:
    schedule, passed = ran(WAYS[0])
    assert passed.sizes == {"fine": SIZE, "coarse": MERGED}
    assert list(passed.links) == [schedule[3]]


@pytest.mark.parametrize(("tokens", "said"), [
    (torch.tensor([[0, 1, 2], [3, 4, 5], [6, -1, 6]]), "The windows of 8 tokens do not have each of them once"),
    (torch.tensor([[0, 1, 2], [3, 4, 5]]), "attends in 9 windows of 3 tokens, where 2 a picture of 3 are expected"),
    (torch.tensor([[0, 1], [2, 3], [4, 5]]), "attends in 9 windows of 3 tokens, where 3 a picture of 2")])
def test_windows_that_are_not_the_models_are_refused(tokens: Tensor, said: str) -> None:
    network = Network(WAYS[0])
    site = Site("layers.0.mix", "fine", "fine", windows=lambda *_: tokens)
    with pytest.raises(CaptureError, match=said):
        run_forward(network, ((site,),), {}, lambda: {"logits": network(torch.randn(3, SIZE, WIDTH).double())},
                    in_graph=False, rules=None)


def test_windows_there_and_back() -> None:
    windows, values = Windows(ROLLED, torch.device("cpu")), torch.arange(1., 2 * SIZE + 1).view(2, 1, SIZE)
    split = windows.split(values)
    assert split[:, 0].tolist() == [[4, 1, 0], [6, 3, 7], [2, 0, 5], [11, 8, 0], [13, 10, 14], [9, 0, 12]]
    assert torch.equal(windows.joined(split), values)
    assert windows.together(split).tolist()[0] == windows.together(split).tolist()[2] == [[12, 4, 12]]
