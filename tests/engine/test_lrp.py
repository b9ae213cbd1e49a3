"""The LRP rules against their closed form, and the function mode on small modules and a real model."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from mmx.capture.lrp import RuleMode
from mmx.capture.lrp_rules import add_rule, conserved, linear_rule, matmul_rule
from mmx.errors import CaptureError


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Whatever ran before: of random numbers, some have no positive part to pass relevance on to."""
    torch.manual_seed(0)


def divide(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(b == 0, torch.zeros_like(a), a / (b + 1e-9).where(b != 0, torch.ones_like(b)))


def double(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_linear_rule_is_the_z_plus_rule_of_split_matrices() -> None:
    x, weight, relevance = double(2, 5, 4), double(3, 4), double(2, 5, 3)
    positive = x.clamp(min=0) @ weight.clamp(min=0).T
    negative = x.clamp(max=0) @ weight.clamp(max=0).T
    share = divide(relevance, positive + negative)
    expected = x.clamp(min=0) * (share @ weight.clamp(min=0)) + x.clamp(max=0) * (share @ weight.clamp(max=0))
    torch.testing.assert_close(linear_rule(relevance, x @ weight.T, x, weight), expected, rtol=0, atol=1e-12)


def test_linear_rule_keeps_the_sum_up_to_its_guard() -> None:
    x, weight, relevance = double(1, 6, 8), double(7, 8), double(1, 6, 7)
    found = linear_rule(relevance, x @ weight.T, x, weight)
    assert found.sum().item() == pytest.approx(relevance.sum().item(), abs=1e-6)


def test_add_rule_shares_each_sample_alone() -> None:
    a, b, relevance = double(3, 4, 5), double(3, 4, 5), double(3, 4, 5)
    whole = add_rule(relevance, a + b, a, b)
    for sample in range(3):
        one = slice(sample, sample + 1)
        for together, alone in zip(whole, add_rule(relevance[one], (a + b)[one], a[one], b[one]), strict=True):
            torch.testing.assert_close(together[one], alone, rtol=0, atol=1e-12)


def test_add_rule_gives_each_side_its_part_of_the_whole() -> None:
    a, b, relevance = double(1, 4, 5), double(1, 4, 5), double(1, 4, 5)
    share = divide(relevance, a + b)
    part_a, part_b = (a * share).sum(), (b * share).sum()
    to_a, to_b = add_rule(relevance, a + b, a, b)
    whole, size = relevance.sum(), part_a.abs() + part_b.abs()
    assert to_a.sum().item() == pytest.approx((part_a.abs() / size * whole).item(), rel=1e-6)
    assert to_b.sum().item() == pytest.approx((part_b.abs() / size * whole).item(), rel=1e-6)


def test_matmul_rule_gives_half_to_each_factor() -> None:
    a, b, relevance = double(2, 3, 4, 5), double(2, 3, 5, 6), double(2, 3, 4, 6)
    share = divide(relevance, a @ b)
    expected_a = a * torch.einsum("bhij,bhkj->bhik", share, b) / 2
    expected_b = b * torch.einsum("bhki,bhkj->bhij", a, share) / 2
    found_a, found_b = matmul_rule(relevance, a @ b, a, b)
    torch.testing.assert_close(found_a, expected_a, rtol=0, atol=1e-12)
    torch.testing.assert_close(found_b, expected_b, rtol=0, atol=1e-12)


def test_conserved_restores_the_sum_of_each_sample() -> None:
    found, wanted = double(3, 4), double(3, 6)
    torch.testing.assert_close(conserved(found, wanted).sum(1), wanted.sum(1), rtol=1e-6, atol=1e-9)


class Block(nn.Module):
    """Attention and a feed-forward layer, out of functions that have rules."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out, self.norm = nn.Linear(6, 18), nn.Linear(6, 6), nn.LayerNorm(6)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).chunk(3, dim=-1)
        attention = torch.softmax(query @ key.transpose(-1, -2) / 6**0.5, dim=-1)
        return self.norm(x + self.out(nn.functional.gelu(attention @ value)))


@pytest.fixture
def block() -> Block:
    torch.manual_seed(1)
    return Block().double().requires_grad_(False)


def test_value_and_gradient_are_those_of_a_plain_forward(block: Block) -> None:
    x = double(2, 3, 6).requires_grad_()
    plain = block(x)
    (expected,) = torch.autograd.grad(plain[:, 0].sum(), x)
    with RuleMode():
        output = block(x)
    assert torch.equal(output, plain)
    torch.testing.assert_close(torch.autograd.grad(output[:, 0].sum(), x)[0], expected, rtol=0, atol=1e-14)


def test_one_forward_serves_gradient_and_relevance(block: Block) -> None:
    x = double(2, 3, 6).requires_grad_()
    with RuleMode() as mode:
        output = block(x)
    (gradient,) = torch.autograd.grad(output[:, 0].sum(), x, retain_graph=True)
    with mode.following("lrp"):
        (relevance,) = torch.autograd.grad(output[:, 0].sum(), x, retain_graph=True)
    (again,) = torch.autograd.grad(output[:, 0].sum(), x)
    assert torch.equal(gradient, again)
    assert not torch.allclose(gradient, relevance)


def test_relevance_of_several_targets_at_once_equals_one_by_one(block: Block) -> None:
    x = double(1, 3, 6).requires_grad_()
    with RuleMode() as mode:
        output = block(x)[0, 0]
    mode.followed = "lrp"
    (together,) = torch.autograd.grad(output, x, torch.eye(6, dtype=torch.float64), is_grads_batched=True,
                                      retain_graph=True)
    for index in range(6):
        (alone,) = torch.autograd.grad(output[index], x, retain_graph=True)
        torch.testing.assert_close(together[index], alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "run"), [
    ("cumsum", lambda x: torch.cumsum(x, dim=1)),
    ("exp", lambda x: x.exp()),
    ("pow", lambda x: x.pow(2)),
    ("adaptive_avg_pool1d", lambda x: nn.functional.adaptive_avg_pool1d(x, 2)),
    ("of a vector and a constant matrix", lambda x: x[0, 0] @ torch.ones(6, 6, dtype=torch.float64)),
])
def test_a_function_without_a_rule_is_an_error_that_names_it(name: str, run) -> None:
    x = double(1, 2, 6).requires_grad_()
    with RuleMode() as mode:
        output = run(x)
    torch.autograd.grad(output.sum(), x, retain_graph=True)
    with pytest.raises(CaptureError, match=name), mode.following("lrp"):
        torch.autograd.grad(output.sum(), x)


@pytest.mark.parametrize("run", [
    lambda x: x * torch.sigmoid(1.702 * x),  # quick GELU, which is to pass relevance on as every activation does
    lambda x: x * x[:1, :1].relu(),
    lambda x: x / x.norm(dim=-1, keepdim=True),
    lambda x: x / x.pow(2).sum(dim=-1, keepdim=True).pow(0.5),
    lambda x: 3 * x / 7,
])
def test_products_and_quotients_keep_relevance(run) -> None:
    x = double(2, 3, 6).requires_grad_()
    relevance = double(2, 3, 6)
    with RuleMode() as mode:
        output = run(x)
    plain = torch.autograd.grad(run(x), x, relevance)[0]
    torch.testing.assert_close(torch.autograd.grad(output, x, relevance, retain_graph=True)[0], plain)
    with mode.following("lrp"):
        (found,) = torch.autograd.grad(output, x, relevance)
    assert found.sum().item() == pytest.approx(relevance.sum().item())


def test_a_product_gives_half_to_each_factor_and_a_quotient_all_above() -> None:
    a, b, relevance = double(2, 3, 4).requires_grad_(), double(2, 1, 4).requires_grad_(), double(2, 3, 4)
    with RuleMode() as mode:
        product, quotient = a * b, a / b
    with mode.following("lrp"):
        to_a, to_b = torch.autograd.grad(product, (a, b), relevance)
        above, below = torch.autograd.grad(quotient, (a, b), relevance, allow_unused=True)
    torch.testing.assert_close(to_a, relevance / 2)
    torch.testing.assert_close(to_b, relevance.sum(dim=1, keepdim=True) / 2)
    torch.testing.assert_close(above, relevance)
    assert below is None


@pytest.mark.parametrize("run", [
    lambda x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6),
    lambda x: torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * x, lambda x: x * (x.exp() + 1).reciprocal()])
def test_a_product_with_what_is_inverted_is_a_quotient(run) -> None:
    """So an RMS norm passes relevance on as a layer norm does."""
    x, relevance = double(2, 3, 6), double(2, 3, 6)
    torch.testing.assert_close(followed(run, x, relevance), relevance)


def test_what_is_inverted_and_not_multiplied_has_no_rule() -> None:
    x = double(2, 3).requires_grad_()
    with RuleMode() as mode:
        output = x.rsqrt() + x
    with pytest.raises(CaptureError, match="rsqrt"), mode.following("lrp"):
        torch.autograd.grad(output.sum(), x)


def followed(run: Callable[[Tensor], Tensor], x: Tensor, relevance: Tensor, **mode: bool) -> Tensor:
    """What of the relevance of run(x) reaches x, whose value and gradient the mode leaves alone."""
    x = x.clone().requires_grad_()
    with RuleMode(**mode) as rules:
        output = run(x)
    assert torch.equal(output, run(x))
    torch.testing.assert_close(torch.autograd.grad(output, x, relevance, retain_graph=True),
                               torch.autograd.grad(run(x), x, relevance))
    with rules.following("lrp"):
        return torch.autograd.grad(output, x, relevance)[0]


@pytest.mark.parametrize(("run", "dims"), [
    (lambda x: x.mean(1), 1), (lambda x: x.mean(dim=-2), 1), (lambda x: torch.mean(x, 2, True), 2),
    (lambda x: x.mean(dim=(0, 2)), (0, 2)), (lambda x: x.mean(), (0, 1, 2)), (lambda x: x.sum(dim=1, keepdim=True), 1),
    (lambda x: torch.sum(x, dim=[1, 2]), (1, 2)), (lambda x: x.sum(), (0, 1, 2)),
    (lambda x: nn.functional.adaptive_avg_pool1d(x, 1), 2)])
def test_a_sum_or_mean_gives_each_summand_its_share_by_value(run: Callable[[Tensor], Tensor],
                                                             dims: int | tuple[int, ...]) -> None:
    x = double(2, 3, 4)
    relevance = torch.randn_like(run(x))
    total = x.sum(dims, keepdim=True)
    expected = x / total * relevance.reshape(total.shape)
    found = followed(run, x, relevance)
    # The guard adds 1e-9 to a sum of order 1.
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(found.sum(dims, keepdim=True), relevance.reshape(total.shape), rtol=1e-6, atol=0)


def test_values_that_are_padded_rolled_or_scaled_to_one_length_take_their_relevance_along() -> None:
    x, relevance = double(2, 3, 4), double(2, 3, 4)
    padded = nn.functional.pad(relevance, (1, 0, 0, 2), value=9.0)
    torch.testing.assert_close(followed(lambda x: nn.functional.pad(x, (1, 0, 0, 2)), x, padded), relevance)
    torch.testing.assert_close(followed(lambda x: torch.roll(x, (-1, 2), (1, 2)), x, relevance.roll((-1, 2), (1, 2))),
                               relevance)
    torch.testing.assert_close(followed(lambda x: nn.functional.normalize(x, dim=-1), x, relevance), relevance)


def test_a_sum_of_zero_passes_nothing_on() -> None:
    assert not followed(lambda x: x.mean(1), torch.zeros(2, 3, dtype=torch.float64), double(2)).any()


@pytest.mark.parametrize("conserve", [False, True])
def test_a_constant_matrix_is_a_linear_layer_on_either_side(conserve: bool) -> None:
    x, weight, relevance = double(2, 5, 4), double(3, 4), double(2, 5, 3)
    options = {"conserve_in_linear": conserve}
    expected = followed(lambda x: nn.functional.linear(x, weight), x, relevance, **options)
    torch.testing.assert_close(followed(lambda x: x @ weight.T, x, relevance, **options), expected)
    turned = followed(lambda x: torch.matmul(weight, x), x.mT, relevance.mT, **options)
    torch.testing.assert_close(turned.mT, expected)


def test_a_constant_matrix_of_each_sample_and_head_is_a_linear_layer_of_its_own() -> None:
    x, constant, relevance = double(2, 3, 5, 4), double(2, 3, 4, 6), double(2, 3, 5, 6)
    found = followed(lambda x: x @ constant, x, relevance)
    for sample in range(2):
        for head in range(3):
            one = (sample, head)
            torch.testing.assert_close(found[one], linear_rule(relevance[one], x[one] @ constant[one], x[one],
                                                               constant[one].T))


def test_what_a_constant_matrix_repeats_of_an_activation_is_summed_up() -> None:
    x, constant, relevance = double(5, 4), double(3, 4, 6), double(3, 5, 6)
    found = followed(lambda x: x @ constant, x, relevance)
    expected = sum(linear_rule(relevance[i], x @ constant[i], x, constant[i].T) for i in range(3))
    torch.testing.assert_close(found, expected)


def test_an_einsum_is_the_product_that_it_writes_of_several_targets_too() -> None:
    x, relevance = double(2, 5, 4), double(2, 5, 3)
    found = followed(lambda x: torch.einsum("...pd,...qd->...pq", x, x[:, :3]), x, relevance)
    expected = followed(lambda x: x @ x[:, :3].mT, x, relevance)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    x = x.requires_grad_()
    with RuleMode() as mode:
        output = torch.einsum("bpd,bqd->bpq", x, 2 * x[:, :3])
    with mode.following("lrp"):
        (both,) = torch.autograd.grad(output, x, torch.stack([relevance, 2 * relevance]), is_grads_batched=True)
    torch.testing.assert_close(2 * both[0], both[1])


@pytest.mark.parametrize(("name", "run"), [
    (r"einsum\('bpd,bqd->bpq'\)", lambda x: torch.einsum("bpd,bqd->bpq", x, x.detach())),
    (r"einsum\('bpd,bpd->bp'\)", lambda x: torch.einsum("bpd,bpd->bp", x, x)),
    (r"einsum\('bpd->bp'\)", lambda x: torch.einsum("bpd->bp", x))])
def test_an_einsum_of_anything_else_has_no_rule(name: str, run: Callable[[Tensor], Tensor]) -> None:
    x = double(1, 2, 6)
    with pytest.raises(CaptureError, match=name):
        followed(run, x, torch.ones_like(run(x)))


@pytest.mark.parametrize("run", [
    lambda x: torch.where(x.detach() > 0, torch.finfo(x.dtype).min, x),
    lambda x: x.masked_fill(x.detach() > 0, 0)])
def test_what_is_overwritten_has_no_relevance_and_the_rest_keeps_its_own(run: Callable[[Tensor], Tensor]) -> None:
    x, relevance = double(2, 3, 4), double(2, 3, 4)
    torch.testing.assert_close(followed(run, x, relevance), relevance * (x <= 0))


def test_a_model_may_write_into_what_it_made(block: Block) -> None:
    """As heads for boxes add their offsets: its value and gradient are right, and relevance goes elsewhere or fails."""
    x = double(1, 3, 6).requires_grad_()
    with RuleMode() as mode:
        output = block(x)
        boxes = nn.functional.linear(output, torch.ones(4, 6, dtype=torch.float64))
        boxes[..., :2] += 1
        boxes += 1
    plain = nn.functional.linear(block(x), torch.ones(4, 6, dtype=torch.float64)) + torch.tensor([2, 2, 1, 1])
    torch.testing.assert_close(boxes, plain)
    torch.testing.assert_close(torch.autograd.grad(boxes.sum(), x, retain_graph=True),
                               torch.autograd.grad(plain.sum(), x))
    with mode.following("lrp"):
        assert torch.autograd.grad(output.sum(), x, retain_graph=True)[0].any()
        with pytest.raises(CaptureError, match="add_"):
            torch.autograd.grad(boxes.sum(), x)


def test_a_function_without_a_rule_beside_the_path_does_no_harm(block: Block) -> None:
    x = double(1, 2, 6).requires_grad_()
    with RuleMode() as mode:
        output = block(x)
        output.exp()
    with mode.following("lrp"):
        assert torch.autograd.grad(output.sum(), x)[0].isfinite().all()


def test_nothing_of_the_mode_outlives_it(block: Block) -> None:
    x = double(1, 2, 6).requires_grad_()
    with pytest.raises(ZeroDivisionError), RuleMode():
        block(x) / (1 // 0)
    assert x.exp().requires_grad
    assert type(block(x).grad_fn).__name__ == "NativeLayerNormBackward0"
