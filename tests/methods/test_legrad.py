"""LeGrad against each layer's score and its gradient, one layer and one target after another, of the class's own maps.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import mmx
from mmx.capture.layer_scores import LayerScores, repeated
from mmx.capture.modules import in_the_place_of
from mmx.engine import attribute
from mmx.errors import CaptureError, UsageError
from mmx.methods import get_method
from mmx.model import Model

LEGRAD = get_method("legrad")
ScoreOf = Callable[[Tensor], Tensor]
"""From the mean of a layer's tokens to the score."""


@contextmanager
def seen(layers: nn.ModuleList, attention: str) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """What each layer gives, with its map."""
    maps: list[Tensor] = []
    found: list[tuple[Tensor, Tensor]] = []
    handles = []

    def keep(_module: nn.Module, _given: object, output: Tensor) -> None:
        found.append((output, maps[-1]))

    for layer in layers:
        handles.append(layer.get_submodule(attention).register_forward_hook(
            lambda _module, _given, output: maps.append(output[1])))
        handles.append(layer.register_forward_hook(keep))
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def dense(seen_of: list[tuple[Tensor, Tensor]], score: ScoreOf, tokens: int, causal: bool = False) -> Tensor:
    """Of the only sample: its first `tokens` are all that count."""
    total = torch.zeros(tokens, dtype=torch.float64)
    for states, map_ in seen_of:
        [gradient] = torch.autograd.grad(score(states[0, :tokens].mean(dim=0)), map_, retain_graph=True)
        positive = gradient[0, :, :tokens, :tokens].clamp(min=0)
        total += (positive.tril() if causal else positive).mean(dim=(0, 1))
    return total


def classifier_of(model: Model) -> Callable[[Tensor], Tensor]:
    """From the mean of a layer's tokens to the logits."""
    network: Any = model.network
    if model.info.architecture == "Dinov2ForImageClassification":
        def twice(mean: Tensor) -> Tensor:
            normed = network.dinov2.layernorm(mean)
            return network.classifier(torch.cat([normed, normed]))  # [CLS], and the mean of the patches
        return twice
    return lambda mean: network.classifier(network.vit.layernorm(mean))


@pytest.fixture(params=["tiny_vit", "tiny_dinov2"], scope="module")
def classifier(request: pytest.FixtureRequest) -> Model:
    return with_maps(request.getfixturevalue(request.param))


@pytest.fixture(scope="module")
def clip(tiny_clip: Path) -> Model:
    return with_maps(tiny_clip)


def with_maps(folder: Path) -> Model:
    """Whose class makes its attention maps itself, but for mmx."""
    model = mmx.load(folder, dtype="float64")
    model.network.set_attn_implementation("eager")
    return model


def pictures(model: Model, count: int = 1) -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {"pixel_values": torch.randn(count, *model.small_inputs()["pixel_values"].shape[1:], dtype=torch.float64)}


def scores(model: Model, inputs: dict[str, Tensor], target: object = None, **options: Any) -> dict[str, Tensor]:
    return attribute(model.described, inputs, [LEGRAD], target, **options).scores["legrad"]


@pytest.mark.parametrize("start", [0, 1, -1])
def test_classes_of_one_picture(classifier: Model, start: int) -> None:
    inputs, targets = pictures(classifier), [2, 0, 1]
    found = scores(classifier, inputs, targets, start_layers={"image": start})["image"]
    base: Any = getattr(classifier.network, classifier.network.base_model_prefix)
    layers, attention = (base.layers, "attention") if hasattr(base, "layers") else (base.encoder.layer, "attention")
    classifier.network.requires_grad_(True)
    with seen(layers, attention) as layers_seen:
        classifier.network(**inputs)
    classifier.network.requires_grad_(False)
    logits = classifier_of(classifier)
    for row, target in zip(found, targets, strict=True):
        want = dense(layers_seen[start:], lambda mean, target=target: logits(mean)[target], layers_seen[0][0].shape[1])
        torch.testing.assert_close(row, want[-len(row):], rtol=1e-5, atol=1e-8)
    assert not torch.allclose(found[0], found[1])


def test_a_picture_is_in_a_batch_what_it_is_alone(classifier: Model) -> None:
    inputs = pictures(classifier, 3)
    together = scores(classifier, inputs, [1, 2, 1])["image"]
    for number, target in enumerate([1, 2, 1]):
        alone = scores(classifier, {"pixel_values": inputs["pixel_values"][number:number + 1]}, target)["image"]
        torch.testing.assert_close(together[number], alone[0], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("options", [{"max_memory": 1}, {"checkpoint": True}], ids=["in turns", "layers run again"])
def test_less_memory_changes_nothing(classifier: Model, options: dict[str, Any]) -> None:
    inputs = pictures(classifier)
    want, found = scores(classifier, inputs, [0, 2])["image"], scores(classifier, inputs, [0, 2], **options)["image"]
    torch.testing.assert_close(found, want, rtol=1e-10, atol=1e-14)


def test_it_stands_beside_the_others(classifier: Model) -> None:
    """Out of one forward that LRP follows as well."""
    inputs = pictures(classifier)
    named = [get_method(name) for name in ("relevance", "relevance-lrp", "legrad")]
    together = attribute(classifier.described, inputs, named, [0, 2]).scores
    for method in named:
        alone = attribute(classifier.described, inputs, [method], [0, 2]).scores[method.name]["image"]
        torch.testing.assert_close(together[method.name]["image"], alone, rtol=1e-9, atol=1e-12)


IDS = torch.tensor([[8, 1, 2, 9, 0, 0], [8, 3, 9, 0, 0, 0]])
"""Two texts that end at their first 9, and padding."""
ENDS = [4, 3]


def clip_inputs(model: Model, monkeypatch: pytest.MonkeyPatch, count: int) -> dict[str, Tensor]:
    network: Any = model.network
    monkeypatch.setattr(network.config.text_config, "eos_token_id", 9)
    monkeypatch.setattr(network.text_model, "eos_token_id", 9)
    return {**pictures(model, count), "input_ids": IDS}


def clip_truth(model: Model, inputs: dict[str, Tensor], picture: int, text: int) -> dict[str, Tensor]:
    """Of one pair, with the text without its padding, by the cosine and not by the logit."""
    network: Any = model.network
    alone = {"pixel_values": inputs["pixel_values"][picture:picture + 1],
             "input_ids": inputs["input_ids"][text:text + 1, :ENDS[text]]}
    towers = {"image": (network.vision_model, network.vision_model.post_layernorm, network.visual_projection),
              "text": (network.text_model, network.text_model.final_layer_norm, network.text_projection)}
    network.requires_grad_(True)
    with (seen(network.vision_model.encoder.layers, "self_attn") as of_image,
          seen(network.text_model.encoder.layers, "self_attn") as of_text):
        whole = network(**alone)
    network.requires_grad_(False)

    def cosine(stream: str, other: Tensor, mean: Tensor) -> Tensor:
        _, norm, projection = towers[stream]
        return nn.functional.cosine_similarity(projection(norm(mean)), other[0].detach(), dim=0)

    image = dense(of_image, partial(cosine, "image", whole.text_embeds), of_image[0][0].shape[1])
    return {"image": image[1:], "text": dense(of_text, partial(cosine, "text", whole.image_embeds), ENDS[text], True)}


def test_pairs_by_their_cosine_and_padded_texts_as_alone(clip: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, pairs = clip_inputs(clip, monkeypatch, 2), [(0, 0), (1, 0), (1, 1)]
    found = scores(clip, inputs, pairs, ignore_padding=True, start_layers={"image": 0, "text": 0})
    for number, (picture, text) in enumerate(pairs):
        want = clip_truth(clip, inputs, picture, text)
        torch.testing.assert_close(found["image"][number], want["image"], rtol=1e-5, atol=1e-8)
        torch.testing.assert_close(found["text"][number, :ENDS[text]], want["text"], rtol=1e-5, atol=1e-8)
        assert not found["text"][number, ENDS[text]:].any()


@pytest.mark.parametrize("name", ["tiny_siglip", "tiny_siglip2_naflex"])
@pytest.mark.parametrize("start", [0, 1, -1])
def test_a_head_that_pools_by_attention_is_where_the_gradient_is_taken(request: pytest.FixtureRequest, name: str,
                                                                      start: int) -> None:
    """The states of each layer through norm and head; the score of the last layer is the model's own."""
    model = mmx.load(request.getfixturevalue(name), dtype="float64")
    inputs = model.small_inputs()
    found = scores(model, inputs, (0, 0), start_layers={"image": start, "text": -1})["image"][0]
    network: Any = model.network
    states: list[Tensor] = []
    layers = network.vision_model.encoder.layers
    handles = [layer.register_forward_hook(lambda _module, _given, output: states.append(output)) for layer in layers]
    with torch.no_grad():
        text = network(**inputs).text_embeds[0]
    for handle in handles:
        handle.remove()
    head, norm = network.vision_model.head, network.vision_model.post_layernorm
    want = torch.zeros(len(found), dtype=torch.float64)
    for one in states[start:]:
        want += of_head(head, norm(one), text)
    torch.testing.assert_close(found, want, rtol=1e-5, atol=1e-8)
    assert found.any()


def of_head(head: Any, tokens: Tensor, text: Tensor) -> Tensor:
    """The positive gradient of the cosine at the head's own map, mean over heads."""
    attention, count = head.attention, head.attention.num_heads
    (wq, wk, wv), (bq, bk, bv) = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)

    def split(values: Tensor) -> Tensor:
        return values.unflatten(-1, (count, -1)).transpose(0, 1)

    query, key, value = split(head.probe[0] @ wq.T + bq), split(tokens[0] @ wk.T + bk), split(tokens[0] @ wv.T + bv)
    map_ = (query @ key.mT / query.shape[-1]**0.5).softmax(dim=-1).detach().requires_grad_()
    pooled = attention.out_proj((map_ @ value).transpose(0, 1).flatten(1))
    pooled = pooled + head.mlp(head.layernorm(pooled))
    [gradient] = torch.autograd.grad(nn.functional.cosine_similarity(pooled[0], text, dim=0), map_)
    return gradient.clamp(min=0).mean(dim=(0, 1))


DEFINED = ["tiny_aimv2", "tiny_altclip", "tiny_beit", "tiny_chinese_clip", "tiny_clip", "tiny_deit_distilled",
           "tiny_dinov2_registers", "tiny_siglip2", "tiny_siglip_classifier", "tiny_vilt", "tiny_visual_bert"]


@pytest.mark.parametrize("name", DEFINED)
def test_what_is_behind_the_last_layer_reads_its_states_alone(request: pytest.FixtureRequest, name: str,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the last layer's own, it says what the model says, though no layer has run."""
    model = mmx.load(request.getfixturevalue(name), dtype="float64")
    compared = []

    def each(self: LayerScores) -> Iterator[Any]:
        forwards = {name: one for stack in map(self._stack, self.streams)
                    for name, one in self._forwards(stack, None, [], 2).items()}
        with torch.no_grad(), in_the_place_of(self.again.network, forwards):
            outputs = self.again.forward(repeated(self.again.inputs, 2))
        compared.append((self.again.scores_of(outputs, 2), self.again.chosen.scores.detach()))
        yield from real(self)

    real = LayerScores.each
    monkeypatch.setattr(LayerScores, "each", each)
    found = scores(model, model.small_inputs(), model.asking.any_target)
    assert all(values.isfinite().all() and values.any() for values in found.values())
    [(behind, whole)] = compared
    torch.testing.assert_close(behind, whole.expand_as(behind), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("name", "why"), [
    ("tiny_lxmert", "streams attend to each other"), ("tiny_swin", "tokens are merged"),
    ("tiny_yolos", "read at single tokens"), ("tiny_llava", "read at single tokens")])
def test_where_layers_have_no_score_it_says_so(request: pytest.FixtureRequest, name: str, why: str) -> None:
    model = mmx.load(request.getfixturevalue(name), dtype="float64")
    with pytest.raises(CaptureError, match=f"(?i){why}"):
        scores(model, model.small_inputs(), model.asking.any_target)
    with pytest.raises(UsageError, match=f"legrad is not defined on .*{why}"):
        model.fitting_methods(["legrad"])
    assert why in model.left_out([LEGRAD])["legrad"].lower()
