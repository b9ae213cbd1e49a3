"""ViLT for retrieval: one logit for a picture with a text, which stands beside a softmax over the texts."""

from pathlib import Path

import pytest
import torch
from dense_oracle import dense_fused, dense_mean, dense_rollout, dense_walk
from family_checks import assert_every_method_is_there, assert_left_alone, close, picture
from torch import Tensor

import mmx
from mmx.errors import UsageError
from mmx.model import Model
from mmx.results import Patches
from mmx.schedule import Site

TEXTS = ("red", "the red circles", "what color?")
EXACT = 1e-9
PATCHES = 4 * 5


@pytest.fixture(scope="module")
def vilt(tiny_vilt_retrieval: Path) -> Model:
    return mmx.load(tiny_vilt_retrieval, dtype="float64")


def by_hand(model: Model, inputs: dict[str, Tensor]) -> tuple[Tensor, dict[Site, Tensor]]:
    """The logit of one picture and text, and maps: the class's layers over tokens that stand in the grid's order."""
    network = model.network.requires_grad_(True)
    torch.manual_seed(0)
    try:
        embeddings = network.vilt.embeddings
        values, _, (places, grid) = embeddings.visual_embed(inputs["pixel_values"], inputs["pixel_mask"])
        order = (places[0, :, 0] * grid[1] + places[0, :, 1]).argsort()
        values = torch.cat([values[:, :1], values[:, 1:][:, order]], 1) + embeddings.token_type_embeddings.weight[1]
        words = embeddings.text_embeddings(input_ids=inputs["input_ids"], token_type_ids=inputs["token_type_ids"])
        states = torch.cat([words + embeddings.token_type_embeddings.weight[0], values], 1)
        maps = []
        for layer in network.vilt.encoder.layer:
            states, map_ = layer(states, None, output_attentions=True)
            maps.append(map_)
        pooled = network.vilt.pooler(network.vilt.layernorm(states))
        logit = network.rank_output(pooled)[0, 0]
    finally:
        network.requires_grad_(False)
    return logit, {Site(str(i), "joint", "joint"): map_ for i, map_ in enumerate(maps)}


def test_relevance_is_the_dense_calculation(vilt: Model) -> None:
    for text in TEXTS:
        inputs = dict(vilt.encode(picture(), text=text))
        logit, maps = by_hand(vilt, inputs)
        close(vilt.described.run(inputs)["logits"][0, 0], logit.detach(), EXACT)
        words = inputs["input_ids"].shape[1]
        row = dense_walk([(site,) for site in maps], dense_fused(maps, logit),
                         {"joint": words + 1 + PATCHES})["joint", "joint"][0]
        found, raw, rolled = (vilt.attribute(inputs, method) for method in ("relevance", "raw-attention", "rollout"))
        *_, last = maps.values()
        for given, expected in ((found, row), (raw, dense_mean(last)[0]), (rolled, dense_rollout([*maps.values()])[0])):
            close(given["text"][0], expected[:words], EXACT)
            close(given["image"][0], expected[words + 1:], EXACT)


def test_each_text_is_an_item_with_its_logit_and_its_share_among_the_texts(vilt: Model) -> None:
    found = vilt.explain(picture(), text=TEXTS)
    logits = torch.stack([by_hand(vilt, dict(vilt.encode(picture(), text=text)))[0].detach() for text in TEXTS])
    assert [(item.kind, item.label, item.unit) for item in found] == [("text", text, "logit") for text in TEXTS]
    assert [item.score for item in found] == pytest.approx(logits.tolist(), abs=1e-5)
    assert [item.also["softmax"] for item in found] == pytest.approx(logits.softmax(0).tolist(), abs=1e-5)
    assert found.elements["image"] == (Patches(4, 5, (0, 0, 70, 50)),)
    assert [one.index for one in found.predictions] == logits.argsort(descending=True).tolist()
    assert {one.unit for one in found.predictions} == {"softmax"}
    [chosen] = vilt.explain(picture(), text=TEXTS, target=TEXTS[2])
    assert chosen.also == pytest.approx(found[2].also) and chosen.index == 2


def test_a_text_and_a_picture_are_what_they_are_alone(vilt: Model) -> None:
    pictures = [picture(), picture((40, 60), seed=1)]
    for one, found in zip(pictures, vilt.explain(pictures, text=TEXTS), strict=True):
        for index, text in enumerate(TEXTS):
            [alone] = vilt.explain(one, text=text)
            assert found[index].score == pytest.approx(alone.score, abs=1e-6)
            for stream, scores in alone.scores.items():
                close(torch.tensor(found[index].scores[stream]), torch.tensor(scores), EXACT)


def test_the_network_is_left_as_it_was_and_every_method_explains_it(vilt: Model) -> None:
    assert_left_alone(vilt, dict(vilt.encode(picture(), text="red")), vilt.network.rank_output)
    assert_every_method_is_there(vilt, lambda methods: vilt.explain_methods(picture(), methods=methods, text=TEXTS))


@pytest.mark.parametrize(("asked", "message"), [
    ({}, "No text was given"), ({"text": "red", "question": "red?"}, "a question does"),
    ({"text": "red " * 19}, "has 21 tokens; .* takes 20 at most"),
    ({"text": "red", "target": 1}, "'1' is none of the texts")])
def test_what_cannot_be_asked_of_it(vilt: Model, asked: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        vilt.explain(picture(), **asked)
