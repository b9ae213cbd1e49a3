"""AttnLRP and CP-LRP: gradients under their rules, times the input, against relevance handed down rule by rule."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.activations import ACT2FN

from mmx.capture.lrp import RULE_SETS, RuleMode
from mmx.capture.lrp_sets import MissingRuleError

F = torch.nn.functional
SETS = ("attn-lrp", "cp-lrp")


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def double(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def relevances(run: Callable[..., Tensor], received: Tensor, *given: Tensor,
               rule_set: str = "attn-lrp") -> list[Tensor]:
    """What of relevance of run(given) reaches each of these, whose values and gradients the mode leaves alone."""
    given = tuple(one.clone().requires_grad_() for one in given)
    plain = run(*given)
    expected = torch.autograd.grad(plain, given, received, allow_unused=True)
    with RuleMode(SETS) as mode:
        output = run(*given)
    assert torch.equal(output, plain)
    found = torch.autograd.grad(output, given, received, allow_unused=True, retain_graph=True)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    with mode.following(rule_set):
        found = torch.autograd.grad(output, given, received / output.detach(), allow_unused=True)
    return [torch.zeros_like(one) if gradient is None else one.detach() * gradient
            for one, gradient in zip(given, found, strict=True)]


@pytest.mark.parametrize("rule_set", SETS)
@pytest.mark.parametrize("run", [
    F.silu, F.gelu, lambda x: F.gelu(x, approximate="tanh"), torch.tanh, torch.sigmoid, ACT2FN["quick_gelu"],
    ACT2FN["gelu_new"], ACT2FN["gelu_fast"], lambda x: x * x.sigmoid(), lambda x: 0.5 * x * (1 + torch.erf(x / 2**0.5)),
    lambda x: F.rms_norm(x, (4,), torch.arange(1.0, 5, dtype=torch.float64)), lambda x: F.rms_norm(x, (4,)),
    lambda x: F.normalize(x, dim=-1), lambda x: F.normalize(x, p=1.0), lambda x: F.normalize(x, 2.0, 0),
    lambda x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6),
    lambda x: torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6).to(x.dtype) * x,
    lambda x: x / x.norm(dim=-1, keepdim=True), lambda x: 3 * x / 7, lambda x: F.dropout(x, training=False),
    lambda x: x.mul(2).div(3).neg(), lambda x: F.leaky_relu(x)])
def test_activations_and_norms_hand_relevance_on_as_it_is(run: Callable[[Tensor], Tensor], rule_set: str) -> None:
    """Equation 9 and proposition 3.4."""
    x, received = double(2, 3, 4), double(2, 3, 4)
    [found] = relevances(run, received, x, rule_set=rule_set)
    torch.testing.assert_close(found, received, rtol=0, atol=1e-10)


@pytest.mark.parametrize("weight", [None, torch.arange(1.0, 13, dtype=torch.float64).view(3, 4)])
def test_a_layer_norm_is_linear_but_for_its_deviation(weight: Tensor | None) -> None:
    x, received, bias = double(2, 3, 4), double(2, 3, 4), double(3, 4)
    [found] = relevances(lambda x: F.layer_norm(x, (3, 4), weight, bias, 0.1), received, x)
    expected = torch.zeros_like(x)
    for sample in range(2):
        one = x[sample]
        deviation = ((one - one.mean()).square().mean() + 0.1).sqrt()
        output = F.layer_norm(one, (3, 4), weight, bias, 0.1)
        for place in range(12):
            scale = (1 if weight is None else weight.flatten()[place]) / deviation
            for cause in range(12):
                part = one.flatten()[cause] * scale * ((place == cause) - 1 / 12)
                expected[sample].view(-1)[cause] += (part / output.flatten()[place]) * received[sample].flatten()[place]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_where_an_activation_is_given_zero_nothing_breaks() -> None:
    x = torch.tensor([0.0, 1.0], requires_grad=True)
    for run in (torch.sigmoid, F.silu, ACT2FN["quick_gelu"]):
        with RuleMode(SETS) as mode:
            output = run(x)
        with mode.following("attn-lrp"):
            found = torch.autograd.grad(output.sum(), x)[0]
        torch.testing.assert_close(found, torch.stack([torch.tensor(0.0), output[1].detach()]))


def test_products_of_two_activations_give_half_to_each() -> None:
    """Proposition 3.3."""
    a, b, received = double(2, 3, 4), double(2, 1, 4), double(2, 3, 4)
    to_a, to_b = relevances(lambda a, b: a * b, received, a, b)
    torch.testing.assert_close(to_a, received / 2)
    torch.testing.assert_close(to_b, received.sum(1, keepdim=True) / 2)
    above, below = relevances(lambda a, b: a / b, received, a, b)
    torch.testing.assert_close(above, received)
    assert not below.any()
    left, right, received = double(2, 3, 4), double(2, 4, 5), double(2, 3, 5)
    parts = left[..., None] * right[:, None] / (left @ right)[:, :, None] * received[:, :, None]
    for run in (torch.matmul, lambda a, b: torch.einsum("bij,bjk->bik", a, b), torch.bmm):
        to_left, to_right = relevances(run, received, left, right)
        torch.testing.assert_close(to_left, parts.sum(3) / 2)
        torch.testing.assert_close(to_right, parts.sum(1) / 2)


@pytest.mark.parametrize("gated", [lambda gate, up: F.silu(gate) * up, lambda gate, up: up * gate.sigmoid(),
                                   lambda gate, up: (gate * gate.sigmoid()).to(up.dtype).view_as(up) * up,
                                   lambda gate, up: 2 * F.dropout(ACT2FN["gelu_new"](gate), training=False) * up])
def test_a_gate_has_half_and_is_a_constant_in_cp_lrp(gated: Callable[[Tensor, Tensor], Tensor]) -> None:
    gate, up, received = double(2, 3), double(2, 3), double(2, 3)
    for rule_set, part in (("attn-lrp", 0.5), ("cp-lrp", 0.0)):
        to_gate, to_up = relevances(gated, received, gate, up, rule_set=rule_set)
        torch.testing.assert_close(to_gate, part * received)
        torch.testing.assert_close(to_up, (1 - part) * received)


def attention_by_hand(query: Tensor, key: Tensor, value: Tensor, received: Tensor, scale: float,
                      causal: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Of one head: propositions 3.1 and 3.3, relevance by relevance."""
    rows, cols = query.shape[0], key.shape[0]
    to_query, to_key, to_value = map(torch.zeros_like, (query, key, value))
    for i in range(rows):
        scores = torch.stack([scale * query[i] @ key[j] for j in range(cols)])
        seen = i + 1 if causal else cols
        map_ = scores[:seen].softmax(0)
        output = map_ @ value[:seen]
        to_map = torch.zeros(seen, dtype=query.dtype)
        for j in range(seen):
            part = map_[j] * value[j] / output * received[i] / 2
            to_map[j] = part.sum()
            to_value[j] += part
        to_scores = scores[:seen] * (to_map - map_ * to_map.sum())
        for j in range(seen):
            part = query[i] * key[j] * scale / scores[j] * to_scores[j] / 2
            to_query[i] += part
            to_key[j] += part
    return to_query, to_key, to_value


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("own_map", [False, True])
def test_an_attention_follows_its_propositions(own_map: bool, causal: bool) -> None:
    query, key, value, received = double(2, 2, 3, 4), double(2, 2, 3, 4), double(2, 2, 3, 5), double(2, 2, 3, 5)
    unseen = torch.ones(3, 3, dtype=torch.bool).triu(1) if causal else torch.zeros(3, 3, dtype=torch.bool)

    def run(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        if not own_map:
            return F.scaled_dot_product_attention(query, key, value=value, is_causal=causal)
        scores = (query @ key.mT / 2).masked_fill(unseen, -1e9)
        return torch.matmul(F.dropout(torch.softmax(scores, -1), training=False).to(value.dtype), value)

    found = relevances(run, received, query, key, value)
    constant = relevances(run, received, query, key, value, rule_set="cp-lrp")
    for sample in range(2):
        for head in range(2):
            one = sample, head
            expected = attention_by_hand(query[one], key[one], value[one], received[one], 0.5, causal)
            for some, other in zip(found, expected, strict=True):
                torch.testing.assert_close(some[one], other, rtol=1e-9, atol=1e-9)
            torch.testing.assert_close(constant[2][one], 2 * expected[2], rtol=1e-9, atol=1e-9)
    assert not constant[0].any() and not constant[1].any()


@pytest.mark.parametrize(("which", "parts"), [((1, 2), (0, 1 / 2, 1 / 2)), ((0, 1), (1 / 2, 1 / 2, 0)),
                                              ((1,), (0, 1, 0)), ((2,), (0, 0, 1))])
def test_what_is_constant_in_an_attention_leaves_its_part_to_the_others(which: tuple[int, ...],
                                                                         parts: tuple[float, ...]) -> None:
    """As the probe of a pooling head."""
    given = [double(1, 2, 3, 4) for _ in range(3)]
    received = double(1, 2, 3, 4)

    def gradients(mode: RuleMode | None) -> list[Tensor]:
        own = [one.clone().requires_grad_(place in which) for place, one in enumerate(given)]
        with mode or torch.enable_grad():
            output = F.scaled_dot_product_attention(own[0], own[1], own[2])
        with mode.following("attn-lrp") if mode else torch.enable_grad():
            return list(torch.autograd.grad(output, [own[place] for place in which], received))

    for place, found, plain in zip(which, gradients(RuleMode(SETS)), gradients(None), strict=True):
        torch.testing.assert_close(found, parts[place] * plain)


class Decoder:
    """A Llama with small random weights, and its own relevance, layer by layer, without gradients."""

    def __init__(self) -> None:
        config = LlamaConfig(vocab_size=11, hidden_size=8, intermediate_size=12, num_hidden_layers=2,
                             num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=16,
                             initializer_range=0.4)
        self.network = LlamaForCausalLM(config).double().eval().requires_grad_(False)
        for name, parameter in self.network.named_parameters():
            if "norm" in name:
                parameter.add_(torch.randn_like(parameter) / 3)
        self.ids = torch.randint(11, (1, 6))
        self.embedded = self.network.model.embed_tokens(self.ids)

    def logits(self, embedded: Tensor) -> Tensor:
        return self.network(inputs_embeds=embedded, use_cache=False).logits[0, -1]

    def followed(self, rule_set: str, targets: list[int], together: bool) -> Tensor:
        """(targets, tokens)"""
        embedded = self.embedded.clone().requires_grad_()
        with RuleMode(SETS) as mode:
            logits = self.logits(embedded)
        weights = F.one_hot(torch.tensor(targets), len(logits)).to(logits.dtype)
        with mode.following(rule_set):
            if together:
                [found] = torch.autograd.grad(logits, embedded, weights, is_grads_batched=True)
            else:
                found = torch.stack([torch.autograd.grad(logits, embedded, one, retain_graph=True)[0]
                                     for one in weights])
        return (found * embedded.detach()).sum(-1)[:, 0]

    def by_hand(self, target: int, gates: float, maps: float) -> Tensor:
        """What reaches each token. `gates`, `maps`: the parts of gates and attention maps, 1/2 or 0."""
        layers: Any = self.network.model.layers
        states = [self.embedded[0]]
        for layer in layers:
            middle = states[-1] + self._mixed(layer, self._normed(layer.input_layernorm, states[-1]))[0]
            states += [middle, middle + self._gated(layer, middle)[0]]
        last = self._normed(self.network.model.norm, states[-1])
        weight = self.network.lm_head.weight[target]
        received = torch.zeros_like(last)
        received[-1] = last[-1] * weight
        for layer in reversed(layers):
            end, middle, start = states.pop(), states[-1], states[-2]
            states.pop()
            found, relevance = self._gated(layer, middle)
            received = middle * received / end + relevance(found * received / end, gates)
            found, relevance = self._mixed(layer, self._normed(layer.input_layernorm, start))
            received = start * received / middle + relevance(found * received / middle, maps)
        return received.sum(-1)

    @staticmethod
    def _normed(norm: Any, x: Tensor) -> Tensor:
        return norm.weight * x / (x.square().mean(-1, keepdim=True) + norm.variance_epsilon).sqrt()

    def _gated(self, layer: Any, x: Tensor) -> tuple[Tensor, Callable[[Tensor, float], Tensor]]:
        normed, mlp = self._normed(layer.post_attention_layernorm, x), layer.mlp
        gate, up = mlp.gate_proj(normed), mlp.up_proj(normed)
        inner = gate * gate.sigmoid() * up

        def relevance(received: Tensor, part: float) -> Tensor:
            received = linear(received, inner, mlp.down_proj)
            return (linear(part * received, normed, mlp.gate_proj) + linear((1 - part) * received, normed, mlp.up_proj))

        return mlp.down_proj(inner), relevance

    def _mixed(self, layer: Any, x: Tensor) -> tuple[Tensor, Callable[[Tensor, float], Tensor]]:
        attention, size = layer.self_attn, len(x)
        turned = self._turning(size)
        query, key, value = (project(x).view(size, -1, 2) for project in
                             (attention.q_proj, attention.k_proj, attention.v_proj))
        turned_query, turned_key = (torch.einsum("tij,thj->thi", turned, one) for one in (query, key))
        maps = [(turned_query[:, head] @ turned_key[:, head // 2].T / 2**0.5).masked_fill(
            torch.ones(size, size, dtype=torch.bool).triu(1), -torch.inf).softmax(-1) for head in range(4)]
        inner = torch.stack([map_ @ value[:, head // 2] for head, map_ in enumerate(maps)], 1)

        def relevance(received: Tensor, part: float) -> Tensor:
            received = linear(received, inner.reshape(size, -1), attention.o_proj).view(size, 4, 2)
            of_query, of_key, of_value = (torch.zeros_like(one) for one in (query, key, value))
            for head in range(4):
                group = head // 2
                found = attention_by_hand(turned_query[:, head], turned_key[:, group], value[:, group],
                                          received[:, head], 2**-0.5, causal=True)
                of_query[:, head] += 2 * part * found[0]
                of_key[:, group] += 2 * part * found[1]
                of_value[:, group] += 2 * (1 - part) * found[2]
            found = torch.zeros_like(x)
            for of, before, after, project in ((of_query, query, turned_query, attention.q_proj),
                                               (of_key, key, turned_key, attention.k_proj)):
                unturned = before * torch.einsum("tij,thi->thj", turned, of / after)
                found += linear(unturned.reshape(size, -1), x, project)
            return found + linear(of_value.reshape(size, -1), x, attention.v_proj)

        return attention.o_proj(inner.reshape(size, -1)), relevance

    @staticmethod
    def _turning(size: int) -> Tensor:
        """Rotary positions of pairs, (tokens, 2, 2)."""
        angle = torch.arange(size, dtype=torch.float32).double()
        return torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], -1).view(size, 2, 2)


def linear(received: Tensor, x: Tensor, layer: Any) -> Tensor:
    """Equation 8 without ε."""
    return x * (received / layer(x) @ layer.weight)


@pytest.mark.parametrize(("rule_set", "part"), [("attn-lrp", 0.5), ("cp-lrp", 0.0)])
@pytest.mark.parametrize("together", [False, True])
def test_relevance_of_a_decoder_is_that_of_the_propositions(rule_set: str, part: float, together: bool) -> None:
    decoder, targets = Decoder(), [3, 7]
    found = decoder.followed(rule_set, targets, together)
    for row, target in zip(found, targets, strict=True):
        expected = decoder.by_hand(target, gates=part, maps=part)
        # The class turns by cosines in float32.
        torch.testing.assert_close(row, expected, rtol=0, atol=2e-6 * float(expected.abs().max()))


def test_of_a_decoder_without_biases_cp_lrp_keeps_the_sum() -> None:
    decoder = Decoder()
    logits = decoder.logits(decoder.embedded)
    kept = decoder.followed("cp-lrp", list(range(11)), together=True).sum(-1)
    torch.testing.assert_close(kept, logits, rtol=0, atol=1e-5)
    # A softmax has a bias of its own: what it takes is not handed on.
    assert (decoder.followed("attn-lrp", list(range(11)), together=True).sum(-1) - logits).abs().max() > 0.01


def test_every_set_is_there_in_one_forward_as_it_is_alone() -> None:
    x, received = double(2, 3, 4), double(2, 3, 4)

    def run(x: Tensor) -> Tensor:
        mixed = F.scaled_dot_product_attention(x[:, None], x[:, None] + 1, x[:, None] * 2)[:, 0]
        return F.layer_norm(x + F.gelu(mixed) * F.silu(x), (4,))

    def found(names: tuple[str, ...]) -> dict[str, Tensor]:
        own = x.clone().requires_grad_()
        with RuleMode(names) as mode:
            output = run(own)
        several = {}
        for name in names:
            with mode.following(name):
                several[name] = torch.autograd.grad(output, own, received, retain_graph=True)[0]
        return several

    together = found(tuple(RULE_SETS))
    for name, one in together.items():
        assert torch.equal(one, found((name,))[name])
    assert len({float(one.sum()) for one in together.values()}) == len(RULE_SETS) == 3


@pytest.mark.parametrize(("name", "run"), [
    ("exp", lambda x: x.exp()), ("pow", lambda x: x.pow(2)), ("mul_", lambda x: x.clone().mul_(x)),
    ("sin", lambda x: x.sin() * x), ("__rtruediv__", lambda x: 1 / x), ("log_softmax", lambda x: x.log_softmax(-1))])
def test_a_function_without_a_rule_is_an_error_that_names_it_and_the_set(name: str,
                                                                        run: Callable[[Tensor], Tensor]) -> None:
    x = double(2, 3).requires_grad_()
    with RuleMode(SETS) as mode:
        output = run(x)
    for rule_set in SETS:
        with pytest.raises(MissingRuleError, match=name) as raised, mode.following(rule_set):
            torch.autograd.grad(output.sum(), x, retain_graph=True)
        assert raised.value.rule_set == rule_set
    torch.autograd.grad(output.sum(), x)


def test_a_model_may_write_into_what_it_made() -> None:
    x, received = double(2, 4), double(2, 4)

    def run(x: Tensor) -> Tensor:
        found = 2 * F.gelu(x)
        found[:, :2] += 3 * x[:, 2:]
        found += x
        found[:, 3] = x[:, 0]
        return found

    [found] = relevances(run, received, x)
    output = run(x)
    expected = torch.zeros_like(x)
    expected[:, :3] = ((2 * F.gelu(x) + x) / output * received)[:, :3]
    expected[:, 2:] += (3 * x[:, 2:] / output[:, :2]) * received[:, :2]
    expected[:, 0] += received[:, 3]
    torch.testing.assert_close(found, expected)


def test_nothing_is_kept_of_a_forward_that_is_over() -> None:
    x = double(2, 4).requires_grad_()
    mode = RuleMode(SETS)
    with mode:
        inner = 2 * x
        output = F.linear(F.silu(inner) * inner.tanh().view(2, 4), torch.ones(4, 4, dtype=torch.float64))
    there = weakref.ref(inner)
    del inner, output
    gc.collect()
    assert there() is None
