"""AIMv2 tuned to texts: a head in which one probe attends to the patches, and texts that are causal in every batch."""

from pathlib import Path

import pytest
import torch
from dense_oracle import dense_fused, dense_mean, dense_rollout, dense_walk
from family_checks import assert_every_method_is_there, assert_left_alone, close, picture, with_maps
from torch import Tensor

import mmx
from mmx.errors import UsageError
from mmx.model import Model
from mmx.results import Patches
from mmx.schedule import Site

TEXTS = ("red", "a red circle", "zebra")
# The class takes its softmax in float32 even in a float64 model: the gradients that pass through one are that exact.
ROUNDED = 1e-5
EXACT = 1e-6


@pytest.fixture(scope="module")
def aimv2(tiny_aimv2: Path) -> Model:
    return mmx.load(tiny_aimv2, dtype="float64")


@pytest.fixture(scope="module")
def inputs(aimv2: Model) -> dict[str, Tensor]:
    return dict(aimv2.encode(picture(), text=TEXTS))


def by_hand(model: Model, inputs: dict[str, Tensor]) -> tuple[Tensor, dict[Site, Tensor], list[Tensor]]:
    """Logits (texts,) of the first picture, the maps of its tower with the head's, and those of the text tower.

    The towers are the class's own, which is causal where it makes maps; the head and the score are calculated here.
    """
    network = model.network.requires_grad_(True)
    try:
        with with_maps(network):
            image = network.vision_model(pixel_values=inputs["pixel_values"][:1], output_attentions=True)
            mask = torch.ones_like(inputs["input_ids"])
            text = network.text_model(input_ids=inputs["input_ids"], attention_mask=mask, output_attentions=True)
        head, states = network.vision_model.head, image.last_hidden_state[0]
        query = head.cls_token.reshape(2, 1, 12)
        key, value = ((states @ one.weight.T).reshape(-1, 2, 12).transpose(0, 1) for one in (head.k_proj, head.v_proj))
        map_ = (query @ key.mT / 12 ** 0.5).softmax(-1)[None]
        pooled = (map_[0] @ value).reshape(24) @ head.output_proj.weight.T + head.output_proj.bias
    finally:
        network.requires_grad_(False)
    one, others = network.visual_projection(pooled), network.text_projection(text.pooler_output)
    cosines = torch.stack([other @ one / other.norm() / one.norm() for other in others])
    sites = {Site(f"v{i}", "image", "image"): found for i, found in enumerate(image.attentions)}
    return (cosines * network.logit_scale.exp(), {**sites, Site("head", "probe", "image"): map_},
            list(text.attentions))


@pytest.mark.parametrize("start", [0, -1])
def test_relevance_raw_attention_and_rollout_are_the_dense_calculation(aimv2: Model, inputs: dict[str, Tensor],
                                                                       start: int) -> None:
    logits, images, texts = by_hand(aimv2, inputs)
    close(aimv2.described.run(inputs)["logits"][0], logits.detach(), EXACT)
    images, texts = dict(list(images.items())[start:]), texts[start:]
    relevance, raw, rolled = (aimv2.attribute(inputs, method, start_layer=start, start_layer_text=start)
                              for method in ("relevance", "raw-attention", "rollout"))
    ends = (inputs["input_ids"] == 61).int().argmax(dim=1).tolist()
    *tower, head = images.values()
    for number, (logit, end) in enumerate(zip(logits, ends, strict=True)):
        walked = dense_walk([(site,) for site in images], dense_fused(images, logit), {"image": 16, "probe": 1})
        close(relevance["image"][number], walked["probe", "image"][0], ROUNDED)
        close(raw["image"][number], dense_mean(head)[0], EXACT)
        close(rolled["image"][number], (dense_mean(head) @ dense_rollout(tower) if tower else dense_mean(head))[0],
              EXACT)
        own = {Site(f"t{i}", "text", "text"): map_[number].detach() for i, map_ in enumerate(texts)}
        gradients = torch.autograd.grad(logit, texts, retain_graph=True)
        fused = {site: (map_ * gradient[number]).clamp(min=0).mean(0)
                 for (site, map_), gradient in zip(own.items(), gradients, strict=True)}
        walked = dense_walk([(site,) for site in fused], fused, {"text": inputs["input_ids"].shape[1]})
        close(relevance["text"][number], walked["text", "text"][end], ROUNDED)
        close(raw["text"][number], dense_mean(texts[-1][number:number + 1])[end], EXACT)
        assert not relevance["text"][number, end + 1:].any()


def test_a_pair_is_what_it_is_alone(aimv2: Model) -> None:
    """A text is causal alone, too, where the class itself leaves its mask out."""
    pictures = [picture(), picture((40, 60), seed=1)]
    for one, found in zip(pictures, aimv2.explain(pictures, text=TEXTS), strict=True):
        [patches] = found.elements["image"]
        assert isinstance(patches, Patches)
        assert (patches.rows, patches.columns) == (4, 4)
        for index, text in enumerate(TEXTS):
            [alone] = aimv2.explain(one, text=text)
            assert found[index].also["logit"] == pytest.approx(alone.also["logit"], abs=1e-5)
            for stream, scores in alone.scores.items():
                close(torch.tensor(found[index].scores[stream]), torch.tensor(scores), ROUNDED)


def test_the_largest_scale_is_the_configs(aimv2: Model, inputs: dict[str, Tensor],
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aimv2.network, "max_log_logit_scale", 0.5)
    outputs = aimv2.described.run(inputs)
    assert float(outputs["scale"]) == pytest.approx(2.718281828 ** 0.5)
    assert (outputs["logits"] / outputs["scale"]).abs().max() <= 1


def test_the_network_is_left_as_it_was_and_every_method_explains_it(aimv2: Model, inputs: dict[str, Tensor]) -> None:
    assert_left_alone(aimv2, inputs, aimv2.network.visual_projection)
    assert_every_method_is_there(aimv2, lambda methods: aimv2.explain_methods(picture(), methods=methods, text=TEXTS))


@pytest.mark.parametrize(("asked", "message"), [
    ({}, "No text was given"), ({"text": "red", "question": "red?"}, "a question does"),
    ({"text": "z" * 15}, "has 17 tokens; .* takes 16 at most"),
    ({"text": "red", "start_layer": 3}, r"There is no image layer 3; the model has 3 \(0 to 2")])
def test_what_cannot_be_asked_of_it(aimv2: Model, asked: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        aimv2.explain(picture(), **asked)
