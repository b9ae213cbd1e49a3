"""All steps of a batch at once give what one sample and step at a time gives; equal inputs run once."""

import pytest
import torch
from torch import Tensor, nn
from vqa_networks import NETWORKS, REGIONS, WORDS, batch, by_hand, drawn_scores

from mmx.errors import UsageError
from mmx.families._vqa import VqaFamily
from mmx.recording import silenced_calls
from mmx.studies.perturb.encoded import perturb
from mmx.studies.perturb.forwards import Subsets, run_subsets
from mmx.studies.perturb.memory import samples_at_once, tokens_at_once
from mmx.studies.perturb.removal import Removal

Known = tuple[nn.Module, VqaFamily]


@pytest.fixture(params=NETWORKS)
def known(request: pytest.FixtureRequest) -> Known:
    return NETWORKS[request.param]()


def counted(family: VqaFamily, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of every forward of reduced inputs from here on."""
    rows: list[int] = []
    run = family.run_reduced

    def running(network: nn.Module, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        rows.append(len(inputs["input_ids"]))
        return run(network, inputs)

    monkeypatch.setattr(type(family), "run_reduced", lambda self, network, inputs: running(network, inputs))
    return rows


@pytest.mark.parametrize("protocol", ["iccv21", "clean"])
@pytest.mark.parametrize("sign", ["positive", "negative"])
@pytest.mark.parametrize("modality", ["image", "text"])
def test_a_batch_equals_samples_and_steps_one_by_one(known: Known, modality: str, sign: str, protocol: str) -> None:
    network, family = known
    inputs, scores = batch(family), drawn_scores()
    if protocol == "iccv21":  # which counts padding: alone, a sample has none
        inputs = {name: value[:1] for name, value in inputs.items()}
        scores = {name: value[:1] for name, value in scores.items()}
    found = perturb(network, family, inputs, scores, modality=modality, sign=sign, protocol=protocol)
    compared = 0
    for sample, steps in enumerate(found.kept):
        for step, kept in enumerate(steps):
            words = kept if modality == "text" else list(range(WORDS[sample]))
            regions = kept if modality == "image" else list(range(REGIONS[sample]))
            if not regions:
                continue
            alone = by_hand(network, family, inputs, sample, words, regions)
            torch.testing.assert_close(found.logits[sample, step], alone, atol=1e-5, rtol=1e-5)
            compared += 1
    assert compared >= 3 * len(found.kept)


def test_without_regions_text_hears_nothing_from_them(known: Known) -> None:
    """LXMERT: text←image attention adds nothing. VisualBERT: the words attend to themselves alone."""
    network, family = known
    inputs, scores = batch(family), drawn_scores()
    found = perturb(network, family, inputs, scores, modality="image", sign="positive", protocol="clean")
    assert found.kept[1][-1] == []
    if family.architecture.startswith("Lxmert"):
        modules = [f"lxmert.encoder.x_layers.{index}.visual_attention.att" for index in range(2)]
        with silenced_calls(network, modules, call=0, silent=torch.tensor([True])):
            alone = by_hand(network, family, inputs, 1, list(range(WORDS[1])), [3])
    else:
        alone = by_hand(network, family, inputs, 1, list(range(WORDS[1])), [])
    torch.testing.assert_close(found.logits[1, -1], alone, atol=1e-5, rtol=1e-5)


def test_no_hook_is_left(known: Known) -> None:
    network, family = known
    perturb(network, family, batch(family), drawn_scores(), modality="image", sign="positive", protocol="clean")
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize("tokens", [1, 40, 10**6])
def test_how_much_runs_at_once_does_not_matter(known: Known, tokens: int) -> None:
    network, family = known
    inputs, present = batch(family), family.present(batch(family))
    drawn = torch.rand(12, 7, generator=torch.Generator().manual_seed(3)) < 0.5
    samples = torch.arange(3).repeat(4)
    subsets = Subsets(samples, {"text": present["text"][samples], "image": present["image"][samples] & drawn})
    found = run_subsets(Removal(network, family), inputs, subsets, tokens_at_once=tokens)
    alone = torch.cat([run_subsets(Removal(network, family), inputs, subsets[torch.tensor([row])], tokens_at_once=1)
                       for row in range(12)])
    torch.testing.assert_close(found, alone, atol=1e-5, rtol=1e-5)


def test_what_is_kept_alike_runs_once(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    network, family = known
    rows = counted(family, monkeypatch)
    found = perturb(network, family, batch(family), drawn_scores(), modality="text", sign="positive", protocol="iccv21")
    distinct = {(sample, tuple(kept)) for sample, steps in enumerate(found.kept) for kept in steps}
    assert sum(rows) == len(distinct) < 3 * len(found.removed)


def test_one_forward_takes_no_more_tokens_than_allowed(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    network, family = known
    inputs, present = batch(family), family.present(batch(family))
    sizes: list[int] = []
    reduced = family.reduced

    def watched(self: VqaFamily, inputs, samples, kept, wanted) -> dict[str, Tensor]:
        sizes.append(len(samples) * sum(wanted.values()))
        return reduced(inputs, samples, kept, wanted)

    monkeypatch.setattr(type(family), "reduced", watched)
    samples = torch.arange(3).repeat(2)
    kept = {name: mask[samples] for name, mask in present.items()}
    kept["image"] = kept["image"] & (torch.rand(6, 7, generator=torch.Generator().manual_seed(4)) < 0.6)
    run_subsets(Removal(network, family), inputs, Subsets(samples, kept), tokens_at_once=30)
    assert len(sizes) > 1 and max(sizes) <= 30


def test_padded_regions_that_stay_are_seen_in_the_references_visual_bert() -> None:
    network, family = NETWORKS["visual_bert"]()
    inputs = {name: value[1:2] for name, value in batch(family).items()}
    scores = {name: value[1:2] for name, value in drawn_scores().items()}
    reference, clean = (perturb(network, family, inputs, scores, modality="image", sign="positive", protocol=name)
                        for name in ("iccv21", "clean"))
    assert reference.kept[0][0] == list(range(7)) and clean.kept[0][0] == list(range(5))
    unmasked = {**inputs, "visual_attention_mask": torch.ones(1, 7, dtype=torch.long)}
    torch.testing.assert_close(reference.logits[0, 0], family.run(network, unmasked)["logits"][0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("changed", "said"), [
    ({"modality": "sound"}, "No modality named"), ({"sign": "both"}, "No sign named"),
    ({"protocol": "icv21"}, "Did you mean 'iccv21'"), ({"scores": {}}, "no scores of the image"),
    ({"scores": {"image": torch.zeros(3, 4)}}, r"shape \(3, 4\), not \(3, 7\)"), ({"steps": [0.5, 0.2]}, "0.5, 0.2"),
    ({"steps": [0]}, "cannot be run"), ({"steps": [0, 1.5]}, "cannot be run"),
    ({"steps": [float("nan"), 1]}, "cannot be run"),
])
def test_misuse_is_named(changed: dict, said: str) -> None:
    network, family = NETWORKS["lxmert"]()
    given = {"scores": drawn_scores(), "modality": "image", "sign": "positive", "protocol": "iccv21", **changed}
    with pytest.raises(UsageError, match=said):
        perturb(network, family, batch(family), **given)


def test_an_input_that_cannot_be_reduced_is_named() -> None:
    network, family = NETWORKS["lxmert"]()
    inputs = {**batch(family), "inputs_embeds": torch.zeros(3, 9, 16)}
    with pytest.raises(UsageError, match="cannot drop a part of the input inputs_embeds"):
        perturb(network, family, inputs, drawn_scores(), modality="image", sign="positive", protocol="clean")


def test_memory_bounds_what_runs_at_once(known: Known) -> None:
    network, _ = known
    assert tokens_at_once(network, 1) == samples_at_once(network, 1) == 1
    assert 1 < tokens_at_once(network, 2**16) < tokens_at_once(network, 2**30)
    assert samples_at_once(network, 2**22) < samples_at_once(network)
