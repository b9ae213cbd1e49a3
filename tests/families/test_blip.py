"""BLIP for retrieval: each text reads the picture by itself, and a head says whether they match."""

from pathlib import Path

import pytest
import torch
from dense_oracle import dense_fused, dense_mean, dense_rollout, dense_walk
from family_checks import assert_every_method_is_there, assert_left_alone, assert_same_item, close, picture
from torch import Tensor

import mmx
from mmx.errors import UsageError
from mmx.model import Model
from mmx.results import Patches, Words
from mmx.schedule import Schedule, Site

TEXTS = ("a red circle", "zebra", "a photo of a blue zebra")
# Every step of this class is in float64.
EXACT = 1e-9
PATCHES = 9
SCHEDULE: Schedule = tuple((Site(name, *streams),) for name, *streams in (
    ("v0", "image", "image"), ("v1", "image", "image"), ("t0", "text", "text"), ("x0", "text", "image"),
    ("t1", "text", "text"), ("x1", "text", "image")))


@pytest.fixture(scope="module")
def blip(tiny_blip: Path) -> Model:
    return mmx.load(tiny_blip, dtype="float64")


@pytest.fixture(scope="module")
def inputs(blip: Model) -> dict[str, Tensor]:
    return blip.encode(picture(), text=TEXTS[0])


def by_hand(model: Model, inputs: dict[str, Tensor]) -> tuple[Tensor, dict[Site, Tensor]]:
    """Logits (classes,) and maps of one picture and text: the class's towers, put together here."""
    network = model.network.requires_grad_(True)
    try:
        seen = network.vision_model(pixel_values=inputs["pixel_values"], output_attentions=True)
        read = network.text_encoder(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"],
                                    encoder_hidden_states=seen.last_hidden_state, output_attentions=True)
        logits = network.itm_head(read.last_hidden_state[:, 0])[0]
    finally:
        network.requires_grad_(False)
    texts = [map_ for pair in zip(read.attentions, read.cross_attentions, strict=True) for map_ in pair]
    sites = [site for step in SCHEDULE for site in step]
    return logits, dict(zip(sites, [*seen.attentions, *texts], strict=True))


@pytest.mark.parametrize(("method", "normalize"), [("relevance", True), ("relevance-no-norm", False)])
@pytest.mark.parametrize("target", [0, 1])
def test_relevance_is_the_dense_calculation(blip: Model, inputs: dict[str, Tensor], method: str, normalize: bool,
                                            target: int) -> None:
    logits, maps = by_hand(blip, inputs)
    sizes = {"text": inputs["input_ids"].shape[1], "image": 1 + PATCHES}
    relevance = dense_walk(SCHEDULE, dense_fused(maps, logits[target]), sizes, normalize=normalize)
    found = blip.attribute(inputs, method, target=target)
    assert found.keys() == {"text", "image"}
    close(found["text"][0], relevance["text", "text"][0], EXACT)
    close(found["image"][0], relevance["text", "image"][0, 1:], EXACT)


def test_raw_attention_and_rollout_are_the_dense_calculation(blip: Model, inputs: dict[str, Tensor]) -> None:
    """Rollout to the picture: the text's own layers before the last cross-attention transposed, that map, the tower."""
    _, maps = by_hand(blip, inputs)
    v0, v1, t0, _, t1, x1 = maps.values()
    raw, rolled = (blip.attribute(inputs, method) for method in ("raw-attention", "rollout"))
    close(raw["text"][0], dense_mean(t1)[0], EXACT)
    close(raw["image"][0], dense_mean(x1)[0, 1:], EXACT)
    close(rolled["text"][0], dense_rollout([t0, t1])[0], EXACT)
    across = dense_rollout([t0, t1]).T @ dense_mean(x1) @ dense_rollout([v0, v1])
    close(rolled["image"][0], across[0, 1:], EXACT)


def test_the_captured_forward_gives_the_logits_of_the_class(blip: Model, inputs: dict[str, Tensor]) -> None:
    passed = mmx.engine.attribute(blip.described, inputs, [mmx.methods.get_method("relevance")]).outputs["logits"]
    with torch.no_grad():
        assert torch.equal(passed, blip.network(**inputs).itm_score)
    torch.testing.assert_close(by_hand(blip, inputs)[0], passed[0], rtol=1e-12, atol=1e-12)


def test_each_text_is_an_item_with_the_probability_that_it_matches(blip: Model) -> None:
    found = blip.explain(picture(), text=TEXTS)
    assert [(item.kind, item.label, item.unit) for item in found] == [("text", text, "softmax") for text in TEXTS]
    [patches] = found.elements["image"]
    assert patches == Patches(3, 3, (0, 0, 70, 50))
    for item, text in zip(found, TEXTS, strict=True):
        logits = by_hand(blip, blip.encode(picture(), text=text))[0].detach()
        # Class 1 says that they match.
        assert item.score == pytest.approx(float(logits.softmax(0)[1]), abs=1e-6)
        assert item.also == {"logit": pytest.approx(float(logits[1]), abs=1e-6)}
        [words] = item.elements["text"]
        assert isinstance(words, Words)
        assert words.text == text
        assert item.scores["text"].shape == (len(words),) == (len(text.split()) + 2,)
        assert item.scores["image"].shape == (PATCHES,)
    assert [one.score for one in found.predictions] == sorted((item.score for item in found), reverse=True)
    assert {(one.index, one.label) for one in found.predictions} == set(enumerate(TEXTS))


def test_what_is_explained_of_a_text_is_that_it_matches_though_the_model_says_no(blip: Model) -> None:
    for item in blip.explain(picture(), text=TEXTS):
        given = blip.encode(picture(), text=item.label)
        close(torch.tensor(item.scores["image"]), blip.attribute(given, target=1)["image"][0], 1e-6)
    assert not torch.allclose(blip.attribute(given, target=0)["image"], blip.attribute(given, target=1)["image"])


@pytest.mark.parametrize(("target", "places"), [("zebra", [1]), (2, [2]), (["a photo of a blue zebra", 0], [2, 0])])
def test_targets_choose_which_texts_are_explained(blip: Model, target: object, places: list[int]) -> None:
    every, chosen = blip.explain(picture(), text=TEXTS), blip.explain(picture(), text=TEXTS, target=target)
    assert [item.index for item in chosen] == places
    for item in chosen:
        assert_same_item(item, every[item.index], EXACT)
    assert chosen.predictions == every.predictions


def test_a_text_and_a_picture_are_what_they_are_alone(blip: Model) -> None:
    """In a batch where texts are padded and each picture has all of them."""
    pictures = [picture(), picture((40, 60), seed=1)]
    for one, found in zip(pictures, blip.explain(pictures, text=TEXTS), strict=True):
        for index, text in enumerate(TEXTS):
            [alone] = blip.explain(one, text=text)
            assert found[index].score == pytest.approx(alone.score, abs=1e-6)
            assert found[index].elements == alone.elements
            for stream, scores in alone.scores.items():
                close(torch.tensor(found[index].scores[stream]), torch.tensor(scores), EXACT)


def test_the_network_is_left_as_it_was(blip: Model, inputs: dict[str, Tensor]) -> None:
    assert_left_alone(blip, inputs, blip.network.itm_head)


def test_every_method_explains_it(blip: Model) -> None:
    assert_every_method_is_there(blip, lambda methods: blip.explain_methods(picture(), methods=methods, text=TEXTS))


@pytest.mark.parametrize(("asked", "message"), [
    ({}, "No text was given"), ({"text": ["red", ""]}, "A text is empty"),
    ({"text": "a " * 19}, "has 21 tokens; .* takes 20 at most"),
    ({"text": "red", "question": "red?"}, "a question does"),
    ({"text": "red", "target": 1}, "'1' is none of the texts"), ({"text": "red", "threshold": 0.5}, "a threshold does"),
    ({"text": "red", "start_layer": 0}, "always reads all its image layers")])
def test_what_cannot_be_asked_of_it(blip: Model, asked: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        blip.explain(picture(), **asked)
