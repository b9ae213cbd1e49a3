"""Maps that are made as they are read are those that a model keeps: one network, mixing in three ways, in float64."""

from dataclasses import replace

import pytest
import torch
from defined_methods import methods_of_maps
from torch import Tensor, nn

from mmx.capture import Capture, Chosen, Readout, attention, capture_items, run_forward
from mmx.capture.lrp import RuleMode
from mmx.methods import Method
from mmx.reference import Reference
from mmx.schedule import Schedule, Site

TOKENS, WIDTH, HEADS, LAYERS = 9, 12, 4, 3
WAYS = ("by sdpa", "by a map that is seen with its values", "by a map alone")
MASKS = ("none", "causal", "boolean", "added", "of each head")
SITE = {WAYS[0]: "layers.{}.mix", WAYS[1]: "layers.{}.mix.dropout", WAYS[2]: "layers.{}.mix"}


def mask_of(kind: str, batch: int) -> Tensor | None:
    generator = torch.Generator().manual_seed(7)
    if kind == "boolean":
        kept = torch.rand(batch, 1, 1, TOKENS, generator=generator) > 0.3
        kept[..., 0] = True
        return kept
    if kind == "added":
        return torch.randn(1, 1, TOKENS, TOKENS, generator=generator, dtype=torch.float64)
    if kind == "of each head":
        return torch.randn(batch, HEADS, TOKENS, TOKENS, generator=generator, dtype=torch.float64)
    return None


class Mix(nn.Module):
    """Softmax attention; keys and values of `groups` heads are shared."""

    def __init__(self, way: str, mask: str, groups: int) -> None:
        super().__init__()
        self.way, self.mask, self.groups = way, mask, groups
        size = WIDTH // HEADS
        self.q, self.k, self.v = (nn.Linear(WIDTH, size * heads) for heads in (HEADS, groups, groups))
        self.out, self.dropout = nn.Linear(WIDTH, WIDTH), nn.Dropout(0.5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        query, key, value = (linear(x).view(*x.shape[:2], heads, -1).transpose(1, 2) for linear, heads in
                             ((self.q, HEADS), (self.k, self.groups), (self.v, self.groups)))
        mask, map_ = mask_of(self.mask, len(x)), None
        if self.way == WAYS[0]:
            mixed = nn.functional.scaled_dot_product_attention(
                query, key, value, attn_mask=mask, is_causal=self.mask == "causal", scale=0.7,
                enable_gqa=self.groups != HEADS)
        else:
            key, value = (torch.cat([one[:, i:i + 1] for i in range(self.groups) for _ in range(HEADS // self.groups)],
                                    dim=1) for one in (key, value))
            scores = torch.matmul(query, key.transpose(-1, -2)) * 0.7
            if self.mask == "causal":
                mask = torch.ones(TOKENS, TOKENS, dtype=torch.bool).tril()
            if mask is not None and mask.dtype == torch.bool:
                mask = torch.zeros(mask.shape, dtype=torch.float64).masked_fill(~mask, torch.finfo(torch.float64).min)
            map_ = self.dropout((scores if mask is None else scores + mask).softmax(dim=-1))
            mixed = torch.matmul(map_, value)
        return self.out(mixed.transpose(1, 2).reshape(x.shape)), map_


class Layer(nn.Module):
    def __init__(self, *given: object) -> None:
        super().__init__()
        self.mix, self.norm, self.mlp = Mix(*given), nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mix(self.norm(x))[0]
        return x + torch.nn.functional.gelu(self.mlp(x))


class Network(nn.Module):
    def __init__(self, *given: object) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.start = nn.Linear(WIDTH, WIDTH)
        self.layers, self.head = nn.ModuleList(Layer(*given) for _ in range(LAYERS)), nn.Linear(WIDTH, 5)
        self.double().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.start(x)
        for layer in self.layers:
            x = layer(x)
        return self.head(x[:, 0])


def captured(way: str, mask: str, groups: int, samples: list[int], keep: bool, padded: bool,
             network: nn.Module | None = None, checkpoint: bool | None = None) -> Capture:
    """Of a batch of three, an item for each of `samples`, each about another class; without LRP for `checkpoint`."""
    network = network or Network(way, mask, groups)
    rules = RuleMode() if checkpoint is None else None
    x = torch.randn(3, TOKENS, WIDTH, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    schedule: Schedule = tuple((Site(SITE[way].format(i), "text", "text"),) for i in range(LAYERS))
    passed = run_forward(network, schedule, {"text": "start"}, lambda: {"logits": network(x)}, in_graph=True,
                         rules=rules, checkpoint=bool(checkpoint))
    items = torch.tensor(samples)
    chosen = Chosen(passed.outputs["logits"][items, torch.arange(len(items)) % 5], items)
    sites = [site for [site] in schedule]
    valid = {"text": torch.arange(TOKENS) < torch.tensor([[TOKENS], [TOKENS - 2], [TOKENS - 1]])} if padded else {}
    return capture_items(passed, schedule, chosen, (Readout("text", torch.zeros_like(items)),), valid=valid,
                         gradient_sites=sites, lrp_sites=sites if rules else (), seeds=range(3),
                         reference=Reference(), keep=keep)


def same(found: Capture, want: Capture) -> None:
    for map_, other in zip(found.maps.values(), want.maps.values(), strict=True):
        for name in ("attention", "gradient", "relevance"):
            # Relevance is divided by what may be near zero, which enlarges the last bits.
            tolerance = {"rtol": 1e-6, "atol": 1e-9} if name == "relevance" else {"rtol": 0, "atol": 1e-12}
            torch.testing.assert_close(*torch.broadcast_tensors(getattr(map_, name), getattr(other, name)), **tolerance)


def rows(capture: Capture, method: Method) -> Tensor:
    return method.rows(capture)["text", "text"]


@pytest.fixture(params=[2**19, 3 * HEADS * TOKENS], ids=["all rows at once", "three rows at a time"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "_CPU_BLOCK", request.param)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("groups", [HEADS, 2], ids=["own keys", "shared keys"])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("way", WAYS[:2])
def test_maps_gradients_and_relevance_are_those_of_stored_maps(way: str, mask: str, groups: int) -> None:
    same(captured(way, mask, groups, [0, 1, 2], keep=False, padded=False),
         captured(WAYS[2], mask, groups, [0, 1, 2], keep=True, padded=False))


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("samples", [[1, 1, 1], [2, 0, 0, 1]], ids=["of one sample", "of several"])
@pytest.mark.parametrize("mask", ["causal", "of each head"])
@pytest.mark.parametrize("way", WAYS[:2])
def test_so_are_those_of_several_targets_and_of_padded_samples(way: str, mask: str, samples: list[int]) -> None:
    same(captured(way, mask, 2, samples, keep=False, padded=True),
         captured(WAYS[2], mask, 2, samples, keep=True, padded=True))


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("method", [one for one in methods_of_maps() if one.name != "random"], ids=lambda one: one.name)
@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
def test_every_method_reads_the_same_of_maps_that_are_made_as_of_those_that_are_kept(method: Method,
                                                                                    padded: bool) -> None:
    want = rows(captured(WAYS[2], "causal", 2, [2, 0, 0, 1], keep=True, padded=padded), method)
    tolerance = {"rtol": 1e-6, "atol": 1e-9} if "lrp" in method.needs else {"rtol": 0, "atol": 1e-12}
    for way in WAYS:
        for keep in (False, True):
            found = rows(captured(way, "causal", 2, [2, 0, 0, 1], keep=keep, padded=padded), method)
            torch.testing.assert_close(found, want, **tolerance)


def test_calls_of_one_module_are_told_apart() -> None:
    """As of a window after another: what is recorded of each is in the order of the calls."""
    network = Network(WAYS[0], "none", HEADS)
    mix, x = network.layers[0].mix, torch.randn(2, TOKENS, WIDTH, dtype=torch.float64)
    schedule: Schedule = tuple((Site("layers.0.mix", one, one, call),) for call, one in enumerate(("first", "second")))
    passed = run_forward(network, schedule, {}, lambda: {"logits": mix(x)[0] + mix(x[:, :4])[0].sum()}, in_graph=False,
                         rules=None)
    assert passed.sizes == {"first": TOKENS, "second": 4}


def test_no_map_is_made_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a map was made")

    monkeypatch.setattr("mmx.capture.maps.attention_rows", fail)
    capture = captured(WAYS[0], "none", HEADS, [0], keep=False, padded=False)
    with pytest.raises(AssertionError, match="a map was made"):
        rows(capture, methods_of_maps()[0])


def test_a_row_that_may_look_nowhere_is_a_number() -> None:
    query, key = torch.randn(1, 1, 2, 3), torch.randn(1, 1, 4, 3)
    nowhere = torch.zeros(1, 1, 2, 4, dtype=torch.bool)
    assert attention.attention_rows(query, key, 1.0, nowhere, None).isfinite().all()


def kept_for_a_backward(way: str, samples: list[int], checkpoint: bool) -> tuple[Capture, int]:
    """What is captured, and how many numbers the forward saved."""
    network, saved = Network(way, "causal", 2), []

    def pack(values: Tensor) -> Tensor:
        saved.append(values.numel())
        return values

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda values: values):
        return captured(way, "causal", 2, samples, False, False, network, checkpoint), sum(saved)


@pytest.mark.parametrize("samples", [[0, 1, 2], [1, 1]], ids=["a backward", "a batched one"])
@pytest.mark.parametrize("way", WAYS)
def test_checkpointed_layers_run_again_and_give_the_same(way: str, samples: list[int]) -> None:
    (want, whole), (found, less) = (kept_for_a_backward(way, samples, checkpoint) for checkpoint in (False, True))
    for map_, other in zip(found.maps.values(), want.maps.values(), strict=True):
        torch.testing.assert_close(map_.gradient, other.gradient, rtol=0, atol=1e-12)
    assert less < whole / 2


def test_checkpointed_layers_are_as_they_were_afterwards() -> None:
    network = Network(WAYS[0], "none", HEADS)
    captured(WAYS[0], "none", HEADS, [0], False, False, network, checkpoint=True)
    assert not any("forward" in vars(layer) for layer in network.layers)


@pytest.mark.parametrize("mask", MASKS)
def test_how_far_a_map_is_from_what_was_mixed_is_seen(mask: str) -> None:
    network = Network(WAYS[0], mask, 2)
    schedule: Schedule = ((Site("layers.0.mix", "text", "text"),),)
    passed = run_forward(network, schedule, {}, lambda: {"logits": network(torch.randn(2, TOKENS, WIDTH).double())},
                         in_graph=False, rules=None)
    [mixed] = passed.mixed.values()
    assert mixed.departure() < 1e-12
    assert replace(mixed, scale=0.5).departure() > 1e-3
