"""Methods that read embeddings or run the model again, against sums and loops over the unmodified class's forward."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import LlavaConfig, LlavaForConditionalGeneration

from mmx.bench.subjects import described
from mmx.engine import Described, attribute
from mmx.methods import get_method, with_samples

sys.path.append(str(Path(__file__).parents[1] / "engine"))
from test_states import ran

EMBEDDING = ["input-gradient", "integrated-gradients", "smoothgrad"]
BLACK_BOXES = ["occlusion", "rise"]


def scores_of(name: str, method: str, samples: int = 4, **more: Any) -> dict[str, Tensor]:
    model, inputs, target = ran(name)
    return attribute(model, inputs, with_samples([get_method(method)], samples), target, **more).scores[method]


def own_logits(model: Described, inputs: dict[str, Tensor]) -> Tensor:
    with torch.no_grad():
        found = model.network(**inputs)
    return getattr(found, "logits_per_image", None) if hasattr(found, "logits_per_image") else getattr(
        found, "logits", getattr(found, "question_answering_score", None))


def vit_from(network: Any, embeddings: Tensor) -> Tensor:
    """The logits, from embeddings on."""
    for layer in network.vit.layers:
        embeddings = layer(embeddings)
        embeddings = embeddings[0] if isinstance(embeddings, tuple) else embeddings
    return network.classifier(network.vit.layernorm(embeddings)[:, 0])


def at_vit_embeddings() -> tuple[Any, Tensor, Tensor, list[int]]:
    """The network, the pictures' embeddings and a blank picture's."""
    model, inputs, target = ran("a classifier")
    network: Any = model.network
    with torch.no_grad():
        values = network.vit.embeddings(inputs["pixel_values"])
        blank = network.vit.embeddings(torch.zeros_like(inputs["pixel_values"]))
    return network, values, blank, list(target)  # type: ignore[call-overload]


def gradient_at(network: Any, values: Tensor, target: list[int]) -> Tensor:
    values = values.clone().requires_grad_()
    [found] = torch.autograd.grad(sum(vit_from(network, values)[i, one] for i, one in enumerate(target)), [values])
    return found


def test_input_gradient_is_the_sum_of_products() -> None:
    network, values, _, target = at_vit_embeddings()
    expected = (values * gradient_at(network, values, target)).sum(dim=2)[:, 1:]
    torch.testing.assert_close(scores_of("a classifier", "input-gradient")["image"], expected, atol=1e-12, rtol=1e-5)


def test_integrated_gradients_are_the_mean_gradient_on_the_way_from_a_blank_picture() -> None:
    network, values, blank, target = at_vit_embeddings()
    gradients = [gradient_at(network, blank + (step + 0.5) / 5 * (values - blank), target) for step in range(5)]
    expected = ((values - blank) * torch.stack(gradients).mean(dim=0)).sum(dim=2)[:, 1:]
    found = scores_of("a classifier", "integrated-gradients", 5)["image"]
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-5)


@pytest.mark.parametrize("name", ["pairs", "two streams"])
def test_integrated_gradients_are_complete(name: str) -> None:
    """Scores of every token sum up to the rise of the score, and the note says so."""
    model, inputs, target = ran(name)
    found = attribute(model, inputs, with_samples([get_method("integrated-gradients")], 100), target)
    for note in found.notes["integrated-gradients"]:
        said, *_ = note.rpartition("(")[2].partition("%")
        assert 99 <= float(said) <= 101, note


def test_smoothgrad_is_a_mean_over_noise_of_the_items_seed() -> None:
    network, values, _, target = at_vit_embeddings()
    gradients = []
    for number in range(3):
        noise = torch.stack([torch.from_numpy(np.random.default_rng([seed, 0, number]).standard_normal(
            values.shape[1:])) for seed in (7, 8)])
        gradients.append(gradient_at(network, values + 0.6 * noise * values.std(dim=2, keepdim=True), target))
    expected = (values * torch.stack(gradients).mean(dim=0)).sum(dim=2)[:, 1:]
    torch.testing.assert_close(scores_of("a classifier", "smoothgrad", 3, seeds=[7, 8])["image"], expected, atol=1e-12,
                               rtol=1e-5)


def test_occlusion_is_how_far_the_logit_falls_without_a_patch() -> None:
    model, inputs, target = ran("a classifier")
    whole, expected = own_logits(model, inputs), torch.zeros(2, 4, dtype=torch.float64)
    for patch in range(4):
        pixels = inputs["pixel_values"].clone()
        down, across = 8 * (patch // 2), 8 * (patch % 2)
        pixels[:, :, down:down + 8, across:across + 8] = 0
        less = own_logits(model, {"pixel_values": pixels})
        expected[:, patch] = torch.stack([whole[i, one] - less[i, one] for i, one in enumerate(target)])  # type: ignore
    torch.testing.assert_close(scores_of("a classifier", "occlusion")["image"], expected, atol=1e-12, rtol=1e-5)


def test_occlusion_of_pairs_hides_a_patch_of_each_picture_and_a_word_of_each_text() -> None:
    """A word is left out; what ends a text and what begins it stay."""
    model, inputs, target = ran("pairs")
    whole, found = own_logits(model, inputs), scores_of("pairs", "occlusion")
    for item, (image, text) in enumerate(target):  # type: ignore[misc, arg-type]
        pixels = inputs["pixel_values"][image:image + 1].clone()
        pixels[:, :, 8:, :8] = 0
        less = own_logits(model, {"pixel_values": pixels, "input_ids": inputs["input_ids"]})[0, text]
        torch.testing.assert_close(found["image"][item, 2], whole[image, text] - less, atol=1e-6, rtol=1e-5)
        ids = inputs["input_ids"][text]
        shorter = torch.cat([ids[:1], ids[2:], ids[-1:]])[None]
        less = own_logits(model, {"pixel_values": inputs["pixel_values"], "input_ids": shorter})[image, 0]
        torch.testing.assert_close(found["text"][item, 1], whole[image, text] - less, atol=1e-6, rtol=1e-5)
        assert found["text"][item, 0] == found["text"][item, 3] == 0


def test_occlusion_leaves_out_a_region() -> None:
    model, inputs, target = ran("two streams")
    whole, found = own_logits(model, inputs), scores_of("two streams", "occlusion")["image"]
    for region in range(3):
        left = [one for one in range(3) if one != region]
        less = own_logits(model, {**inputs, "visual_feats": inputs["visual_feats"][:, left],
                                  "visual_pos": inputs["visual_pos"][:, left]})
        for item, one in enumerate(target):  # type: ignore[misc, arg-type]
            torch.testing.assert_close(found[item, region], whole[item, one] - less[item, one], atol=1e-12, rtol=1e-5)


def test_rise_is_the_mean_of_masked_scores_where_a_patch_is_shown() -> None:
    """Masks of cells with soft edges, drawn and interpolated here in loops."""
    model, inputs, target = ran("a classifier")
    scores, shown = torch.zeros(2, 6, dtype=torch.float64), torch.zeros(2, 6, 4, dtype=torch.float64)
    for item, seed in enumerate((7, 8)):
        for number in range(6):
            drawn = np.random.default_rng([seed, 0, number]).random(51)
            cells, (down, across) = (drawn[:49] < 0.5).reshape(7, 7), drawn[49:]
            mask = torch.tensor([[soft(cells, (y * 7 + down) / 8, (x * 7 + across) / 8) for x in (0.25, 0.75)]
                                 for y in (0.25, 0.75)], dtype=torch.float64)
            pixels = inputs["pixel_values"][item:item + 1] * mask.repeat_interleave(8, 0).repeat_interleave(8, 1)
            scores[item, number] = own_logits(model, {"pixel_values": pixels})[0, list(target)[item]]  # type: ignore
            shown[item, number] = mask.flatten()
    expected = (scores[:, :, None] * shown).sum(dim=1) / shown.sum(dim=1) - scores.mean(dim=1, keepdim=True)
    found = scores_of("a classifier", "rise", 6, seeds=[7, 8])["image"]
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-5)


def soft(cells: np.ndarray, down: float, across: float) -> float:
    """Bilinear, of a place from 0 to 1, as pictures are resized."""
    (y, x), size = (np.clip(np.array([down, across]) * len(cells) - 0.5, 0, len(cells) - 1)), len(cells)
    top, left = int(y), int(x)
    low, right = min(top + 1, size - 1), min(left + 1, size - 1)
    above = cells[top, left] * (1 - x + left) + cells[top, right] * (x - left)
    below = cells[low, left] * (1 - x + left) + cells[low, right] * (x - left)
    return float(above * (1 - y + top) + below * (y - top))


@pytest.mark.parametrize("method", [*EMBEDDING, *BLACK_BOXES])
@pytest.mark.parametrize("name", ["a classifier", "several classes of one picture", "pairs", "two streams"])
def test_memory_changes_no_number(name: str, method: str) -> None:
    for stream, found in scores_of(name, method).items():
        torch.testing.assert_close(found, scores_of(name, method, max_memory=1)[stream], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("method", [*EMBEDDING, *BLACK_BOXES])
def test_a_batch_equals_its_samples_alone(method: str) -> None:
    model, inputs, target = ran("two streams")
    methods = with_samples([get_method(method)], 4)
    together = attribute(model, inputs, methods, target, seeds=[7, 8]).scores[method]
    for sample in range(2):
        alone = {name: value[sample:sample + 1] for name, value in inputs.items()}
        found = attribute(model, alone, methods, [list(target)[sample]], seeds=[7 + sample])  # type: ignore
        for stream, scores in found.scores[method].items():
            torch.testing.assert_close(together[stream][sample:sample + 1], scores, atol=1e-12, rtol=1e-5)


@pytest.mark.parametrize("method", ["smoothgrad", "rise"])
def test_what_is_drawn_follows_the_seed(method: str) -> None:
    one, same, other = (scores_of("a classifier", method, seeds=seeds)["image"] for seeds in ([7, 8], [7, 8], [9, 8]))
    assert torch.equal(one, same)
    assert torch.equal(one[1], other[1])
    assert not torch.equal(one[0], other[0])


def llava() -> tuple[Described, dict[str, Tensor]]:
    small: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
                             "intermediate_size": 24}
    config = LlavaConfig(
        text_config={"model_type": "llama", **small, "num_key_value_heads": 2, "vocab_size": 30,
                     "max_position_embeddings": 32, "initializer_range": 0.3},
        vision_config={"model_type": "clip_vision_model", **small, "image_size": 16, "patch_size": 8},
        image_token_index=29, image_seq_length=4, vision_feature_layer=-1)
    torch.manual_seed(0)
    ids = torch.tensor([[1, 29, 29, 29, 29, 5, 6, 7], [1, 29, 29, 29, 29, 8, 9, 10]])
    return described(LlavaForConditionalGeneration(config).double()), {
        "pixel_values": torch.randn(2, 3, 16, 16, dtype=torch.float64), "input_ids": ids,
        "attention_mask": torch.ones_like(ids)}


def test_occlusion_of_a_prompt_paints_over_what_an_image_token_shows_and_masks_words() -> None:
    model, inputs = llava()
    found = attribute(model, inputs, [get_method("occlusion")], [7, 7]).scores["occlusion"]
    last = inputs["input_ids"][:, 7]

    def logit(**changed: Tensor) -> Tensor:
        with torch.no_grad():
            return model.network(**{**inputs, **changed}).logits[torch.arange(2), 6, last]

    pixels, mask = inputs["pixel_values"].clone(), inputs["attention_mask"].clone()
    pixels[:, :, 8:, :8] = 0
    mask[:, 5] = 0
    torch.testing.assert_close(found["image"][:, 2], logit() - logit(pixel_values=pixels), atol=1e-9, rtol=1e-5)
    torch.testing.assert_close(found["text"][:, 1], logit() - logit(attention_mask=mask), atol=1e-9, rtol=1e-5)
    assert found["text"][:, 3].abs().max() == 0  # what is explained is seen by nothing before it


@pytest.mark.parametrize("level", [None, "tower"])
def test_integrated_gradients_of_a_prompt_are_complete_at_image_tokens_and_at_patches(level: str | None) -> None:
    model, inputs = llava()
    found = attribute(model.at(level), inputs, with_samples([get_method("integrated-gradients")], 200), [7, 7])
    for note in found.notes["integrated-gradients"]:
        said, *_ = note.rpartition("(")[2].partition("%")
        assert 98 <= float(said) <= 102, note


def test_neighbours_are_hidden_together_where_tokens_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 4 patches at most one window: they share the fall of the score without the picture."""
    import mmx.methods.occlusion as module

    monkeypatch.setattr(module, "MOST", 1)
    model, inputs, target = ran("a classifier")
    blank = own_logits(model, {"pixel_values": 0 * inputs["pixel_values"]})
    falls = torch.stack([own_logits(model, inputs)[i, one] - blank[i, one] for i, one in enumerate(target)])  # type: ignore
    torch.testing.assert_close(scores_of("a classifier", "occlusion")["image"], falls[:, None].expand(-1, 4) / 4,
                               atol=1e-12, rtol=1e-5)
