"""BridgeTower for retrieval: layers in which two towers meet, and a head that reads [CLS] of both sides."""

from pathlib import Path

import pytest
import torch
from dense_oracle import dense_fused, dense_mean, dense_rollout, dense_walk
from family_checks import assert_every_method_is_there, assert_left_alone, close, picture
from open_clip_towers import mixed
from torch import Tensor, nn

import mmx
from mmx.errors import UsageError
from mmx.model import Model
from mmx.results import Patches
from mmx.schedule import Schedule, Site

TEXTS = ("red", "a red circle", "zebra zebra")
PATCHES = 16
# The class takes its softmax in float32 even in a float64 model.
ROUNDED = 1e-5
EXACT = 1e-6
T, V = [Site(f"t{i}", "text", "text") for i in range(3)], [Site(f"v{i}", "image", "image") for i in range(3)]
MEETINGS = [tuple(Site(f"{name}{i}", *streams) for name, *streams in (
    ("tt", "text", "text"), ("tv", "text", "image"), ("vv", "image", "image"), ("vt", "image", "text")))
    for i in range(2)]
SCHEDULE: Schedule = (*((site,) for pair in zip(T[:2], V[:2], strict=True) for site in pair), MEETINGS[0], (T[2],),
                      (V[2],), MEETINGS[1])


@pytest.fixture(scope="module")
def bridgetower(tiny_bridgetower: Path) -> Model:
    return mmx.load(tiny_bridgetower, dtype="float64")


def attended(attention: nn.Module, states: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """What a layer's attention gives of one text or picture, normed, and its map; heads are two."""
    own = attention.self
    query, key, value = (one(given).unflatten(2, (2, -1)).transpose(1, 2) for one, given in
                         ((own.query, states), (own.key, others), (own.value, others)))
    map_ = (query @ key.mT / query.shape[-1] ** 0.5).softmax(-1)
    given = attention.output.dense((map_ @ value).transpose(1, 2).flatten(2))
    return attention.output.LayerNorm(given + states), map_


def fed(layer: nn.Module, states: Tensor) -> Tensor:
    return layer.output(layer.intermediate(states), states)


def by_hand(model: Model, inputs: dict[str, Tensor]) -> tuple[Tensor, dict[Site, Tensor]]:
    """Logits (2,) and maps of one picture and text without padding: the paper's layers, put together here."""
    network = model.network.requires_grad_(True)
    try:
        tower = network.bridgetower
        visual, maps = tower.vision_model.visual, dict[Site, Tensor]()
        text, image = tower.text_model.embeddings(input_ids=inputs["input_ids"]), visual.embeddings(
            inputs["pixel_values"])
        image = visual.ln_pre(image)
        kinds = tower.token_type_embeddings.weight
        meeting: tuple[Tensor, Tensor] | None = None
        for i in range(3):
            layer, block = tower.text_model.encoder.layer[i], visual.transformer.resblocks[i]
            text, maps[T[i]] = attended(layer.attention, text, text)
            text = fed(layer, text)
            found: list[Tensor] = []
            image = image + mixed(block.attn, *(block.ln_1(image),) * 3, None, found)
            maps[V[i]] = found[0]
            image = image + block.mlp["c_proj"](block.mlp["gelu"](block.mlp["c_fc"](block.ln_2(image))))
            if i == 0:
                continue
            low = tower.cross_modal_text_transform(text) + kinds[0]
            high = tower.cross_modal_image_transform(visual.ln_post(image)) + kinds[1]
            if meeting is None:
                low, high = tower.cross_modal_text_layernorm(low), tower.cross_modal_image_layernorm(high)
            else:
                low = tower.cross_modal_text_link_tower[i - 2].LayerNorm(low + meeting[0])
                high = tower.cross_modal_image_link_tower[i - 2].LayerNorm(high + meeting[1])
            sides = []
            for number, (layers, own, other) in enumerate(((tower.cross_modal_text_layers, low, high),
                                                           (tower.cross_modal_image_layers, high, low))):
                itself, across = MEETINGS[i - 1][2 * number:2 * number + 2]
                states, maps[itself] = attended(layers[i - 1].attention, own, own)
                states, maps[across] = attended(layers[i - 1].crossattention, states, other)
                sides.append(fed(layers[i - 1], states))
            meeting = sides[0], sides[1]
        assert meeting is not None
        read = torch.cat([tower.cross_modal_text_pooler(meeting[0]), tower.cross_modal_image_pooler(meeting[1])], -1)
        logits = network.itm_score(read)[0]
    finally:
        network.requires_grad_(False)
    return logits, maps


@pytest.mark.parametrize(("method", "normalize"), [("relevance", True), ("relevance-no-norm", False)])
@pytest.mark.parametrize("text", TEXTS)
def test_relevance_is_the_dense_calculation(bridgetower: Model, text: str, method: str, normalize: bool) -> None:
    """Half of what explains a score is the row of either side's [CLS]."""
    inputs = dict(bridgetower.encode(picture(), text=text))
    logits, maps = by_hand(bridgetower, inputs)
    close(bridgetower.described.run(inputs)["logits"][0], logits.detach(), EXACT)
    sizes = {"text": inputs["input_ids"].shape[1], "image": 1 + PATCHES}
    for target in (0, 1):
        walked = dense_walk(SCHEDULE, dense_fused(maps, logits[target]), sizes, normalize=normalize)
        found = bridgetower.attribute(inputs, method, target=target)
        close(found["text"][0], (walked["text", "text"][0] + walked["image", "text"][0]) / 2, ROUNDED)
        close(found["image"][0], (walked["text", "image"][0, 1:] + walked["image", "image"][0, 1:]) / 2, ROUNDED)


def test_raw_attention_is_half_of_both_sides_last_maps(bridgetower: Model) -> None:
    inputs = dict(bridgetower.encode(picture(), text=TEXTS[1]))
    _, maps = by_hand(bridgetower, inputs)
    own, across, seen, told = (dense_mean(maps[site])[0] for site in MEETINGS[1])
    raw = bridgetower.attribute(inputs, "raw-attention")
    close(raw["text"][0], (own + told) / 2, EXACT)
    close(raw["image"][0], (across + seen)[1:] / 2, EXACT)


def test_rollout_carries_the_last_cross_attention_through_both_sides(bridgetower: Model) -> None:
    """Before that step: each side's own layers, transposed on the side that attends; and its own rollout of all."""
    inputs = dict(bridgetower.encode(picture(), text=TEXTS[1]))
    _, maps = by_hand(bridgetower, inputs)
    before = {"text": [maps[site] for site in (*T[:2], MEETINGS[0][0], T[2])],
              "image": [maps[site] for site in (*V[:2], MEETINGS[0][2], V[2])]}
    text, image = (dense_rollout(one) for one in before.values())
    _, across, _, told = (dense_mean(maps[site]) for site in MEETINGS[1])
    own = dense_rollout([*before["text"], maps[MEETINGS[1][0]]])[0]
    seen = dense_rollout([*before["image"], maps[MEETINGS[1][2]]])[0]
    rolled = bridgetower.attribute(inputs, "rollout")
    close(rolled["text"][0], (own + (image.T @ told @ text)[0]) / 2, EXACT)
    close(rolled["image"][0], ((text.T @ across @ image)[0] + seen)[1:] / 2, EXACT)


def test_a_text_and_a_picture_are_what_they_are_alone(bridgetower: Model) -> None:
    """In a batch where texts are padded."""
    pictures = [picture(), picture((40, 60), seed=1)]
    for one, found in zip(pictures, bridgetower.explain(pictures, text=TEXTS), strict=True):
        [patches] = found.elements["image"]
        assert isinstance(patches, Patches)
        assert (patches.rows, patches.columns) == (4, 4)
        for index, text in enumerate(TEXTS):
            [alone] = bridgetower.explain(one, text=text)
            assert found[index].score == pytest.approx(alone.score, abs=1e-6)
            assert found[index].unit == "softmax"
            for stream, scores in alone.scores.items():
                close(torch.tensor(found[index].scores[stream]), torch.tensor(scores), ROUNDED)


def test_the_crop_that_is_given_by_an_edge_is_measured(bridgetower: Model) -> None:
    """70 x 50 pixels become 40 x 32 of them, of which the middle is seen."""
    [patches] = bridgetower.explain(picture(), text="red").elements["image"]
    assert isinstance(patches, Patches)
    assert patches.box_xyxy_px == pytest.approx((7, 0, 63, 50), abs=0.1)


def test_the_network_is_left_as_it_was_and_every_method_explains_it(bridgetower: Model) -> None:
    assert_left_alone(bridgetower, dict(bridgetower.encode(picture(), text="red")), bridgetower.network.itm_score)
    assert_every_method_is_there(
        bridgetower, lambda methods: bridgetower.explain_methods(picture(), methods=methods, text=TEXTS))


@pytest.mark.parametrize(("asked", "message"), [
    ({}, "No text was given"), ({"text": "red", "question": "red?"}, "a question does"),
    ({"text": "a " * 19}, "has 21 tokens; .* takes 20 at most"),
    ({"text": "red", "target": 1}, "'1' is none of the texts")])
def test_what_cannot_be_asked_of_it(bridgetower: Model, asked: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        bridgetower.explain(picture(), **asked)
