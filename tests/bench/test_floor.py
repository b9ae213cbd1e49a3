"""The benchmark's floors are the gradients that they say, and its counter of memory counts what is held."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, ViTConfig, ViTForImageClassification

from mmx.bench.explain import Explained
from mmx.bench.floor import floor, has_sdpa, shares_samples
from mmx.bench.memory import peak_bytes
from mmx.bench.models import DECODER
from mmx.bench.subjects import Backward, Subject, described
from mmx.bench.tables import Printer, straight_line
from mmx.bench.timing import interleaved
from mmx.cost import Counting
from mmx.engine import attribute
from mmx.errors import CaptureError
from mmx.methods import get_method

MB = 2**20
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}


def tiny(pixels: int) -> Subject:
    torch.manual_seed(0)
    config = ViTConfig(**SMALL, image_size=pixels, patch_size=8, num_labels=5, attn_implementation="eager")
    return Subject("tiny", described(ViTForImageClassification(config)),
                   {"pixel_values": torch.randn(1, 3, pixels, pixels)}, 1 + (pixels // 8)**2,
                   backwards=lambda outputs: [Backward.each(outputs["logits"][0])]).on("cpu", torch.float64)


@pytest.fixture
def vit() -> Subject:
    return tiny(32)


@contextmanager
def embeddings_of(network: nn.Module) -> Iterator[list[torch.Tensor]]:
    found: list[torch.Tensor] = []
    hook = network.get_submodule("vit.embeddings").register_forward_hook(
        lambda _module, _inputs, output: found.append(output.requires_grad_()))
    try:
        yield found
    finally:
        hook.remove()


def test_a_floor_is_the_gradient_of_each_score_at_the_root(vit: Subject) -> None:
    with embeddings_of(vit.model.network) as roots:
        logits = vit.model.network(**vit.inputs).logits[0]
    expected = torch.stack([torch.autograd.grad(logit, roots, retain_graph=True)[0] for logit in logits])
    assert expected.abs().max() > 0
    for mixing in ("SDPA", "eager"):
        for batched in (True, False):
            [[found]] = floor(vit, mixing, batched=batched)
            torch.testing.assert_close(found, expected)


def test_scores_of_several_samples_share_one_backward(vit: Subject) -> None:
    two = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    together = Subject("tiny", vit.model, {"pixel_values": two}, 17)
    assert not shares_samples(together) and shares_samples(vit)
    [[found]] = floor(together)
    for sample in range(2):
        [[alone]] = floor(Subject("tiny", vit.model, {"pixel_values": two[sample:sample + 1]}, 17))
        torch.testing.assert_close(found[0, sample], alone[0, 0])


def test_the_eager_floor_holds_maps_and_the_other_does_not(vit: Subject) -> None:
    assert has_sdpa(vit.model.network)
    large = tiny(96)
    maps = SMALL["num_hidden_layers"] * SMALL["num_attention_heads"] * large.tokens**2 * 8
    assert peak_bytes(lambda: floor(large, "eager")) > peak_bytes(lambda: floor(large)) + maps


def test_the_decoder_of_the_benchmark_is_explained_at_its_last_token() -> None:
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=30, **SMALL, attn_implementation="eager")
    ids = torch.randint(0, 30, (1, 9))
    subject = Subject("tiny", described(LlamaForCausalLM(config), DECODER), {"input_ids": ids}, 9)
    found = attribute(subject.model, subject.inputs, [get_method("relevance")])
    network = subject.model.network
    assert found.chosen.targets is not None and found.chosen.scores.shape == (1,)
    assert int(found.chosen.targets) == int(network(ids).logits[0, -1].argmax())
    maps: list[torch.Tensor] = network(ids, output_attentions=True, use_cache=False).attentions
    row = nn.functional.one_hot(torch.tensor(8), 9).float()
    logits = network(inputs_embeds=network.get_input_embeddings()(ids).requires_grad_(), output_attentions=True)
    gradients = torch.autograd.grad(logits.logits[0, -1].max(), logits.attentions)
    for map_, gradient in reversed(list(zip(maps, gradients, strict=True))):
        row = row + row @ (map_ * gradient)[0].clamp(min=0).mean(dim=0)
    torch.testing.assert_close(found.scores["relevance"]["text"][0], row)


def test_memory_is_what_is_held_at_a_time() -> None:
    given = torch.ones(MB // 4)

    def two_of_three() -> None:
        first = given * 2
        second = first + 1
        del first
        third = second * 3
        del second, third

    assert peak_bytes(two_of_three) == 2 * MB
    assert peak_bytes(lambda: given.view(2, -1)) == 0
    assert peak_bytes(lambda: given.add_(1)) == 0


def test_memory_that_only_the_graph_holds_counts_until_it_is_let_go() -> None:
    given = torch.ones(MB // 4, requires_grad=True)
    with Counting() as live:
        score = given.exp().sin().sum()
        assert MB <= live.live < 1.01 * MB  # what exp gave, which both need
        score.backward()
        del score
    assert given.grad is not None
    assert live.live == MB and 3 * MB <= live.peak < 3.01 * MB


def test_what_fails_is_left_out_of_the_run_and_said() -> None:
    def failing() -> None:
        raise CaptureError("There is no rule.")

    run = interleaved({"good": lambda: torch.ones(3) + 1, "bad": failing}, rounds=3)
    assert run.failed == {"bad": "There is no rule."}
    assert list(run.measured) == ["good"] and len(run.measured["good"].seconds) == 3
    assert run.measured["good"].least <= run.measured["good"].median


def test_a_line_through_points() -> None:
    assert straight_line([1, 2, 3], [5, 7, 9]) == pytest.approx((2, 1))
    slope, fits = straight_line([0, 1, 2, 3], [0, 1, 4, 9])
    assert slope == pytest.approx(3) and fits == pytest.approx(45 / 49)
    with pytest.raises(ValueError, match="three points"):
        straight_line([1, 2], [3, 4])


def test_tables_say_times_and_memory_beside_both_floors(vit: Subject, capsys: pytest.CaptureFixture[str]) -> None:
    relevance, rollout = get_method("relevance"), get_method("rollout")
    explained = Explained((relevance,), (relevance, rollout), 1, "cpu", Printer(markdown=True))
    for tokens in (1, 2, 3):
        explained.measure(Subject("tiny", vit.model, vit.inputs, tokens, target=[0, 1], backwards=vit.backwards))
    explained.print_lines("tiny")
    printed = capsys.readouterr().out.splitlines()
    rows = {line.split("|")[1].strip(): line.count("|") for line in printed if line.startswith("|")}
    assert {"plain forward", "floor, SDPA", "floor, SDPA, one by one", "floor, eager", "floor, eager, one by one",
            "relevance", "all methods together"} <= set(rows)
    assert rows["relevance"] == 5 and rows["tiny"] == 9 and "r²" in next(line for line in printed if "a line" in line)
