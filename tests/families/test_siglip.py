"""SigLIP: two towers, a head in which one probe attends to the patches, and a probability for each pair."""

from pathlib import Path

import pytest
import torch
from dense_oracle import dense_fused, dense_mean, dense_rollout, dense_walk
from family_checks import (
    assert_every_method_is_there,
    assert_left_alone,
    assert_same_items,
    close,
    picture,
    with_maps,
)
from torch import Tensor

import mmx
from mmx.errors import UsageError
from mmx.model import Model
from mmx.results import Patches, Words
from mmx.schedule import Schedule, Site

TEXTS = ("a red circle", "zebra", "a photo of a blue zebra")
LENGTH = 10
# The class takes its softmax in float32 even in a float64 model: the gradients that pass through one are that exact.
ROUNDED = 1e-5
# So are the maps that it makes itself.
EXACT = 1e-6


@pytest.fixture(scope="module")
def siglip(tiny_siglip: Path) -> Model:
    return mmx.load(tiny_siglip, dtype="float64")


@pytest.fixture(scope="module")
def inputs(siglip: Model) -> dict[str, Tensor]:
    return siglip.encode(picture(), text=TEXTS)


def by_hand(model: Model, inputs: dict[str, Tensor]) -> tuple[Tensor, dict[Site, Tensor], dict[Site, Tensor]]:
    """Logits (texts,) of the first picture, its tower's maps with the head's last, and the text tower's.

    The towers are the class's own; the head and the score are calculated here, head by head.
    """
    network = model.network.requires_grad_(True)
    try:
        with with_maps(network):
            image = network.vision_model(pixel_values=inputs["pixel_values"][:1], output_attentions=True)
            text = network.text_model(input_ids=inputs["input_ids"], output_attentions=True)
        head, states = network.vision_model.head, image.last_hidden_state[0]
        own = head.attention
        width, count = own.embed_dim, own.num_heads
        size = width // count
        weights = [own.in_proj_weight[i * width:(i + 1) * width] for i in range(3)]
        biases = [own.in_proj_bias[i * width:(i + 1) * width] for i in range(3)]
        query, key, value = (given @ weight.T + bias for given, weight, bias in
                             zip((head.probe[0], states, states), weights, biases, strict=True))
        parts = [slice(i * size, (i + 1) * size) for i in range(count)]
        pooled = torch.stack([(query[:, part] @ key[:, part].T / size ** 0.5).softmax(-1) for part in parts])[None]
        mixed = torch.cat([pooled[0, i] @ value[:, part] for i, part in enumerate(parts)], dim=-1)
        mixed = mixed @ own.out_proj.weight.T + own.out_proj.bias
        image_vector = (mixed + head.mlp(head.layernorm(mixed)))[0]
        text_vectors = text.pooler_output
    finally:
        network.requires_grad_(False)
    cosines = torch.stack([one @ image_vector / one.norm() / image_vector.norm() for one in text_vectors])
    logits = cosines * network.logit_scale.exp() + network.logit_bias
    images = {Site(f"v{i}", "image", "image"): map_ for i, map_ in enumerate(image.attentions)}
    return (logits, {**images, Site("head", "probe", "image"): pooled},
            {Site(f"t{i}", "text", "text"): map_ for i, map_ in enumerate(text.attentions)})


def schedule_of(maps: dict[Site, Tensor]) -> Schedule:
    return tuple((site,) for site in maps)


SIZES = {"image": 9, "probe": 1}


@pytest.mark.parametrize(("method", "normalize"), [("relevance", True), ("relevance-no-norm", False)])
def test_relevance_is_the_dense_calculation(siglip: Model, inputs: dict[str, Tensor], method: str,
                                            normalize: bool) -> None:
    logits, images, texts = by_hand(siglip, inputs)
    found = siglip.attribute(inputs, method)
    assert found.keys() == {"text", "image"}
    for number, logit in enumerate(logits):
        image = dense_walk(schedule_of(images), dense_fused(images, logit), SIZES, normalize=normalize)
        close(found["image"][number], image["probe", "image"][0], ROUNDED)
        one = {site: map_[number:number + 1] for site, map_ in texts.items()}
        gradients = torch.autograd.grad(logit, list(texts.values()), retain_graph=True)
        fused = {site: (one[site][0].detach() * gradient[number]).clamp(min=0).sum(0) / 2
                 for site, gradient in zip(texts, gradients, strict=True)}
        close(found["text"][number], dense_walk(schedule_of(one), fused, {"text": LENGTH})["text", "text"][-1], ROUNDED)


def test_raw_attention_is_the_heads_map_and_rollout_carries_it_through_the_tower(siglip: Model,
                                                                                 inputs: dict[str, Tensor]) -> None:
    _, images, texts = by_hand(siglip, inputs)
    *tower, head = images.values()
    raw, rolled = (siglip.attribute(inputs, method) for method in ("raw-attention", "rollout"))
    for number in range(len(TEXTS)):
        own = [map_[number:number + 1] for map_ in texts.values()]
        close(raw["image"][number], dense_mean(head)[0], EXACT)
        close(rolled["image"][number], (dense_mean(head) @ dense_rollout(tower))[0], EXACT)
        close(raw["text"][number], dense_mean(own[-1])[-1], EXACT)
        close(rolled["text"][number], dense_rollout(own)[-1], EXACT)


def test_the_last_layer_of_the_image_tower_is_the_head_alone(siglip: Model, inputs: dict[str, Tensor]) -> None:
    logits, images, _ = by_hand(siglip, inputs)
    *_, head = images
    for number, logit in enumerate(logits):
        alone = dense_fused({head: images[head]}, logit)[head][0]
        close(siglip.attribute(inputs, start_layer=-1)["image"][number], alone, EXACT)
        close(siglip.attribute(inputs, start_layer=2)["image"][number], alone, EXACT)
    assert not torch.allclose(siglip.attribute(inputs)["image"], siglip.attribute(inputs, start_layer=-1)["image"])
    with pytest.raises(UsageError, match=r"There is no image layer 3; the model has 3 \(0 to 2"):
        siglip.attribute(inputs, start_layer=3)


def test_the_captured_forward_gives_the_logits_of_the_class(siglip: Model, inputs: dict[str, Tensor]) -> None:
    """The head's attention is not PyTorch's own while it is captured: sums may differ in their last bits."""
    passed = mmx.engine.attribute(siglip.described, inputs, [mmx.methods.get_method("relevance")]).outputs["logits"]
    with torch.no_grad():
        plain = siglip.network(**inputs).logits_per_image
    torch.testing.assert_close(passed, plain, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(by_hand(siglip, inputs)[0], plain[0], rtol=EXACT, atol=EXACT)


def test_a_score_is_a_probability_of_its_own_beside_logit_and_similarity(siglip: Model) -> None:
    found = siglip.explain(picture(), text=TEXTS)
    scale, bias = float(siglip.network.logit_scale.exp()), float(siglip.network.logit_bias)
    logits = siglip.described.run(siglip.encode(picture(), text=TEXTS))["logits"][0]
    assert [(item.kind, item.label, item.unit) for item in found] == [("text", text, "sigmoid") for text in TEXTS]
    for item, logit in zip(found, logits, strict=True):
        assert item.also.keys() == {"logit", "similarity"}
        assert item.also["logit"] == pytest.approx(float(logit), abs=1e-6)
        assert item.score == pytest.approx(float(logit.sigmoid()), abs=1e-6)
        assert item.also["similarity"] == pytest.approx((item.also["logit"] - bias) / scale, abs=1e-6)
        assert -1 <= item.also["similarity"] <= 1
    assert sorted(found.predictions, key=lambda one: one.index) == [item.prediction for item in found]
    assert [one.score for one in found.predictions] == sorted((item.score for item in found), reverse=True)


def test_padded_positions_are_special_words_with_scores(siglip: Model) -> None:
    """The model reads them, and its last position is what it pools."""
    item = siglip.explain(picture(), text="A red  Circle")[0]
    [words] = item.elements["text"]
    assert isinstance(words, Words)
    assert [token.text for token in words.tokens] == ["A", "red", "Circle", "</s>", *["<pad>"] * 6]
    assert [token.special for token in words.tokens] == [False] * 3 + [True] * 7
    assert words.tokens[2].span == (7, 13)
    assert item.scores["text"].shape == (LENGTH,)
    # The last position keeps the 1 of the identity that its row starts from.
    assert item.scores["text"][-1] >= 1
    assert (item.scores["text"][4:] > 0).all()


def test_a_pair_is_what_it_is_alone(siglip: Model) -> None:
    pictures = [picture(), picture((40, 60), seed=1)]
    for order in (TEXTS, TEXTS[::-1]):
        for one, found in zip(pictures, siglip.explain(pictures, text=order), strict=True):
            assert [item.label for item in found] == list(order)
            [patches] = found.elements["image"]
            assert patches == Patches(3, 3, (0, 0, *one.size))
            for index, text in enumerate(order):
                assert_same_items(found.only(index), siglip.explain(one, text=order, target=text), ROUNDED)
                [alone] = siglip.explain(one, text=text)
                assert found[index].also == pytest.approx(alone.also, abs=1e-5)
                for stream, scores in alone.scores.items():
                    close(torch.tensor(found[index].scores[stream]), torch.tensor(scores), ROUNDED)


def test_what_knows_nothing_of_the_text_gives_every_text_the_same_picture(siglip: Model) -> None:
    for method in ("raw-attention", "rollout"):
        first, *others = siglip.explain(picture(), text=TEXTS, method=method)
        for other in others:
            assert (first.scores["image"] == other.scores["image"]).all()
            assert (first.scores["text"] != other.scores["text"]).any()


def test_the_network_is_left_as_it_was(siglip: Model, inputs: dict[str, Tensor]) -> None:
    assert_left_alone(siglip, inputs, siglip.network.vision_model.head.mlp)
    assert "forward" not in vars(siglip.network.vision_model.head.attention)
    assert "forward" not in vars(torch.nn.MultiheadAttention(4, 2))


def test_every_method_explains_it(siglip: Model) -> None:
    assert_every_method_is_there(siglip, lambda methods: siglip.explain_methods(picture(), methods=methods, text=TEXTS))


@pytest.mark.parametrize(("asked", "message"), [
    ({}, "No text was given"), ({"text": " "}, "A text is empty"),
    ({"text": "a " * 10}, r"has 11 tokens; .* takes 10 at most"),
    ({"text": "red", "question": "red?"}, "a question does"),
    ({"text": "red", "target": "blue"}, "'blue' is none of the texts"),
    ({"text": "red", "start_layer_text": 2}, "There is no text layer 2")])
def test_what_cannot_be_asked_of_it(siglip: Model, asked: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        siglip.explain(picture(), **asked)
