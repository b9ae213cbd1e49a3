"""All steps of a batch at once give what one sample and step at a time gives; equal inputs run once."""

import pytest
import torch
from torch import Tensor
from vqa_networks import NETWORKS, REGIONS, WORDS, batch, by_hand, drawn_scores

from mmx.capture.recording import silenced_calls
from mmx.errors import Notice, UsageError
from mmx.perturbation.encoded import perturb
from mmx.perturbation.forwards import Subsets, run_subsets
from mmx.perturbation.memory import samples_at_once, tokens_at_once
from mmx.perturbation.removal import Removal
from mmx.wiring import run


@pytest.fixture(params=NETWORKS)
def known(request: pytest.FixtureRequest) -> Removal:
    return NETWORKS[request.param]()


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of every forward of reduced inputs from here on."""
    rows: list[int] = []
    whole = Removal.reduced

    def watched(self: Removal, inputs: dict, samples: Tensor, kept: dict, sizes: dict) -> Tensor:
        rows.append(len(samples))
        return whole(self, inputs, samples, kept, sizes)

    monkeypatch.setattr(Removal, "reduced", watched)
    return rows


@pytest.mark.parametrize("protocol", ["iccv21", "clean"])
@pytest.mark.parametrize("sign", ["positive", "negative"])
@pytest.mark.parametrize("modality", ["image", "text"])
def test_a_batch_equals_samples_and_steps_one_by_one(known: Removal, modality: str, sign: str, protocol: str) -> None:
    inputs, scores = batch(known), drawn_scores()
    if protocol == "iccv21":  # which counts padding: alone, a sample has none
        inputs = {name: value[:1] for name, value in inputs.items()}
        scores = {name: value[:1] for name, value in scores.items()}
    found = perturb(known, inputs, scores, modality=modality, sign=sign, protocol=protocol)
    compared = 0
    for sample, steps in enumerate(found.kept):
        for step, kept in enumerate(steps):
            words = kept if modality == "text" else list(range(WORDS[sample]))
            regions = kept if modality == "image" else list(range(REGIONS[sample]))
            if not regions:
                continue
            alone = by_hand(known, inputs, sample, words, regions)
            torch.testing.assert_close(found.logits[sample, step], alone, atol=1e-5, rtol=1e-5)
            compared += 1
    assert compared >= 3 * len(found.kept)


def test_without_regions_text_hears_nothing_from_them(known: Removal) -> None:
    """LXMERT: text←image attention adds nothing. VisualBERT: the words attend to themselves alone."""
    inputs, scores = batch(known), drawn_scores()
    found = perturb(known, inputs, scores, modality="image", sign="positive", protocol="clean")
    assert found.kept[1][-1] == []
    if known.family.without_regions is not None:
        modules = [f"lxmert.encoder.x_layers.{index}.visual_attention.att" for index in range(2)]
        with silenced_calls(known.network, modules, call=0, silent=torch.tensor([True])):
            alone = by_hand(known, inputs, 1, list(range(WORDS[1])), [3])
    else:
        alone = by_hand(known, inputs, 1, list(range(WORDS[1])), [])
    torch.testing.assert_close(found.logits[1, -1], alone, atol=1e-5, rtol=1e-5)


def test_no_hook_is_left(known: Removal) -> None:
    perturb(known, batch(known), drawn_scores(), modality="image", sign="positive", protocol="clean")
    assert not any(module._forward_hooks for module in known.network.modules())


@pytest.mark.parametrize("tokens", [1, 40, 10**6])
def test_how_much_runs_at_once_does_not_matter(known: Removal, tokens: int) -> None:
    inputs, present = batch(known), known.parts(batch(known)).present
    drawn = torch.rand(12, 7, generator=torch.Generator().manual_seed(3)) < 0.5
    samples = torch.arange(3).repeat(4)
    subsets = Subsets(samples, {"text": present["text"][samples], "image": present["image"][samples] & drawn})
    found = run_subsets(known, inputs, subsets, tokens_at_once=tokens)
    alone = torch.cat([run_subsets(known, inputs, subsets[torch.tensor([row])], tokens_at_once=1)
                       for row in range(12)])
    torch.testing.assert_close(found, alone, atol=1e-5, rtol=1e-5)


def test_a_device_without_room_gets_smaller_batches(known: Removal, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = batch(known)
    present = {"text": torch.ones(1, 4, dtype=torch.bool), "image": torch.ones(1, 3, dtype=torch.bool)}
    kept = torch.ones(1, 4, 3, dtype=torch.bool).tril()
    subsets = Subsets.of_steps(kept, "image", present)
    expected, whole, tried = run_subsets(known, inputs, subsets, tokens_at_once=10**6), Removal.reduced, []

    def short(self: Removal, given: dict, samples: Tensor, kept: dict, sizes: dict) -> Tensor:
        tried.append(len(samples))
        if len(samples) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return whole(self, given, samples, kept, sizes)

    monkeypatch.setattr(Removal, "reduced", short)
    with pytest.warns(Notice, match="smaller batches"):
        found = run_subsets(known, inputs, subsets, tokens_at_once=10**6)
    assert max(tried) > 1
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_what_is_kept_alike_runs_once(known: Removal, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = counted(monkeypatch)
    found = perturb(known, batch(known), drawn_scores(), modality="text", sign="positive", protocol="iccv21")
    distinct = {(sample, tuple(kept)) for sample, steps in enumerate(found.kept) for kept in steps}
    assert sum(rows) == len(distinct) < 3 * len(found.removed)


def test_one_forward_takes_no_more_tokens_than_allowed(known: Removal, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, present = batch(known), known.parts(batch(known)).present
    sizes: list[int] = []
    whole = Removal.reduced

    def watched(self: Removal, inputs: dict, samples: Tensor, kept: dict, wanted: dict) -> Tensor:
        sizes.append(len(samples) * sum(wanted.values()))
        return whole(self, inputs, samples, kept, wanted)

    monkeypatch.setattr(Removal, "reduced", watched)
    samples = torch.arange(3).repeat(2)
    kept = {name: mask[samples] for name, mask in present.items()}
    kept["image"] = kept["image"] & (torch.rand(6, 7, generator=torch.Generator().manual_seed(4)) < 0.6)
    run_subsets(known, inputs, Subsets(samples, kept), tokens_at_once=30)
    assert len(sizes) > 1 and max(sizes) <= 30


def test_padded_regions_that_stay_are_seen_in_the_references_visual_bert() -> None:
    known = NETWORKS["visual_bert"]()
    inputs = {name: value[1:2] for name, value in batch(known).items()}
    scores = {name: value[1:2] for name, value in drawn_scores().items()}
    reference, clean = (perturb(known, inputs, scores, modality="image", sign="positive", protocol=name)
                        for name in ("iccv21", "clean"))
    assert reference.kept[0][0] == list(range(7)) and clean.kept[0][0] == list(range(5))
    unmasked = {**inputs, "visual_attention_mask": torch.ones(1, 7, dtype=torch.long)}
    seen = run(known.network, known.family, unmasked)["logits"][0]
    torch.testing.assert_close(reference.logits[0, 0], seen, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("changed", "said"), [
    ({"modality": "sound"}, "No modality named"), ({"sign": "both"}, "No sign named"),
    ({"protocol": "icv21"}, "Did you mean 'iccv21'"), ({"scores": {}}, "no scores of the image"),
    ({"scores": {"image": torch.zeros(3, 4)}}, r"shape \(3, 4\), not \(3, 7\)"), ({"steps": [0.5, 0.2]}, "0.5, 0.2"),
    ({"steps": [0]}, "cannot be run"), ({"steps": [0, 1.5]}, "cannot be run"),
    ({"steps": [float("nan"), 1]}, "cannot be run"),
])
def test_misuse_is_named(changed: dict, said: str) -> None:
    known = NETWORKS["lxmert"]()
    given = {"scores": drawn_scores(), "modality": "image", "sign": "positive", "protocol": "iccv21", **changed}
    with pytest.raises(UsageError, match=said):
        perturb(known, batch(known), **given)


def test_an_input_that_cannot_be_reduced_is_named() -> None:
    known = NETWORKS["lxmert"]()
    inputs = {**batch(known), "inputs_embeds": torch.zeros(3, 9, 16)}
    with pytest.raises(UsageError, match="cannot drop a part of the input inputs_embeds"):
        perturb(known, inputs, drawn_scores(), modality="image", sign="positive", protocol="clean")


def test_memory_bounds_what_runs_at_once(known: Removal) -> None:
    network = known.network
    assert tokens_at_once(network, 1) == samples_at_once(network, 1) == 1
    assert 1 < tokens_at_once(network, 2**16) < tokens_at_once(network, 2**30)
    assert samples_at_once(network, 2**22) < samples_at_once(network)
