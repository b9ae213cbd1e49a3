"""Chinese CLIP, AltCLIP and MetaCLIP 2: two towers as CLIP's, with text towers that end elsewhere."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from dense_oracle import dense_fused, dense_mean, dense_rollout, dense_walk
from family_checks import assert_every_method_is_there, assert_left_alone, close, picture, with_maps
from torch import Tensor

import mmx
from mmx.errors import UsageError
from mmx.model import Model
from mmx.results import Words
from mmx.schedule import Site

TEXTS = ("red", "a red circle", "zebra")
# The classes take their softmax in float32 even in a float64 model: the gradients that pass through one are that exact.
ROUNDED = 1e-5
# So are the maps that they make themselves.
EXACT = 1e-6


@dataclass(frozen=True)
class Kin:
    """A model, and where its text tower is read: at the first token, or at the end token number 2."""

    model: Model
    at_end: bool
    longest: int

    def ends(self, inputs: dict[str, Tensor]) -> list[int]:
        return [row.index(2) if self.at_end else 0 for row in inputs["input_ids"].tolist()]

    def lengths(self, inputs: dict[str, Tensor]) -> list[int]:
        """Tokens that count."""
        mask = inputs.get("attention_mask")
        return [end + 1 for end in self.ends(inputs)] if mask is None else mask.sum(dim=1).tolist()


@pytest.fixture(scope="module", params=[("tiny_chinese_clip", False, 20), ("tiny_altclip", False, 20),
                                        ("tiny_metaclip_2", True, 12)], ids=lambda one: one[0])
def kin(request: pytest.FixtureRequest) -> Kin:
    name, *more = request.param
    return Kin(mmx.load(request.getfixturevalue(name), dtype="float64"), *more)


def by_hand(model: Model, inputs: dict[str, Tensor], ends: list[int]) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Logits (texts,) of the first picture, the maps of its tower and of the text tower; the towers are the class's."""
    network = model.network.requires_grad_(True)
    words = {name: value for name, value in inputs.items() if name != "pixel_values"}
    try:
        with with_maps(network):
            image = network.vision_model(pixel_values=inputs["pixel_values"][:1], output_attentions=True)
            text = network.text_model(**words, output_attentions=True)
    finally:
        network.requires_grad_(False)
    one = network.vision_model.post_layernorm(image.last_hidden_state[0, 0]) @ network.visual_projection.weight.T
    read = torch.stack([row[end] for row, end in zip(text.last_hidden_state, ends, strict=True)])
    others = read @ network.text_projection.weight.T
    cosines = torch.stack([other @ one / other.norm() / one.norm() for other in others])
    return cosines * network.logit_scale.exp(), list(image.attentions), list(text.attentions)


@pytest.mark.parametrize(("start", "method"), [(0, "relevance"), (-1, "relevance"), (0, "relevance-no-norm")])
def test_relevance_is_the_dense_calculation(kin: Kin, start: int, method: str) -> None:
    inputs = dict(kin.model.encode(picture(), text=TEXTS))
    ends, lengths = kin.ends(inputs), kin.lengths(inputs)
    logits, images, texts = by_hand(kin.model, inputs, ends)
    close(kin.model.described.run(inputs)["logits"][0], logits.detach(), EXACT)
    found = kin.model.attribute(inputs, method, start_layer=start, start_layer_text=start)
    images, texts = images[start:], texts[start:]
    for number, logit in enumerate(logits):
        own = {Site(f"v{i}", "image", "image"): map_ for i, map_ in enumerate(images)}
        walked = dense_walk([(site,) for site in own], dense_fused(own, logit), {"image": 17})["image", "image"]
        close(found["image"][number], walked[0, 1:], ROUNDED)
        gradients = torch.autograd.grad(logit, texts, retain_graph=True)
        fused = {Site(f"t{i}", "text", "text"): (map_[number].detach() * gradient[number]).clamp(min=0).mean(0)
                 for i, (map_, gradient) in enumerate(zip(texts, gradients, strict=True))}
        walked = dense_walk([(site,) for site in fused], fused, {"text": inputs["input_ids"].shape[1]})["text", "text"]
        close(found["text"][number], walked[ends[number]], ROUNDED)
        assert not found["text"][number, lengths[number]:].any()


def test_raw_attention_and_rollout_are_the_dense_calculation(kin: Kin) -> None:
    inputs = dict(kin.model.encode(picture(), text=TEXTS[1]))
    [end] = kin.ends(inputs)
    _, images, texts = by_hand(kin.model, inputs, [end])
    raw, rolled = (kin.model.attribute(inputs, method, start_layer=0, start_layer_text=0)
                   for method in ("raw-attention", "rollout"))
    for stream, maps, row, first in (("image", images, 0, 1), ("text", texts, end, 0)):
        close(raw[stream][0], dense_mean(maps[-1])[row, first:], EXACT)
        close(rolled[stream][0], dense_rollout(maps)[row, first:], EXACT)


def test_a_pair_is_what_it_is_alone(kin: Kin) -> None:
    """Texts are padded in a batch: padding has no part in what is explained."""
    pictures = [picture(), picture((40, 60), seed=1)]
    for one, found in zip(pictures, kin.model.explain(pictures, text=TEXTS), strict=True):
        for index, text in enumerate(TEXTS):
            [alone] = kin.model.explain(one, text=text)
            assert found[index].elements == alone.elements
            assert found[index].also["logit"] == pytest.approx(alone.also["logit"], abs=1e-5)
            for stream, scores in alone.scores.items():
                close(torch.tensor(found[index].scores[stream]), torch.tensor(scores), ROUNDED)


def test_scores_are_similarities_beside_a_softmax_over_the_texts(kin: Kin) -> None:
    found = kin.model.explain(picture(), text=TEXTS)
    scale = float(kin.model.network.logit_scale.exp())
    assert {item.unit for item in found} == {"similarity"}
    assert all(item.also["logit"] == pytest.approx(item.score * scale, rel=1e-5) for item in found)
    assert sum(item.also["softmax"] for item in found) == pytest.approx(1)
    [words] = found[1].elements["text"]
    assert isinstance(words, Words)
    assert [token.text for token in words.tokens if not token.special] == ["a", "red", "circle"]


def test_the_network_is_left_as_it_was(kin: Kin) -> None:
    assert_left_alone(kin.model, dict(kin.model.encode(picture(), text=TEXTS)), kin.model.network.visual_projection)


def test_every_method_explains_it(kin: Kin) -> None:
    assert_every_method_is_there(kin.model,
                                 lambda methods: kin.model.explain_methods(picture(), methods=methods, text=TEXTS))


def test_what_cannot_be_asked_of_it(kin: Kin) -> None:
    for asked, message in (({}, "No text was given"), ({"text": "red", "question": "red?"}, "a question does"),
                           ({"text": "a " * kin.longest}, f"tokens; .* takes {kin.longest} at most"),
                           ({"text": "red", "start_layer_text": 2}, "There is no text layer 2")):
        with pytest.raises(UsageError, match=message):
            kin.model.explain(picture(), **asked)


def test_the_longest_text_is_read(kin: Kin) -> None:
    text = "a " * (kin.longest - 2)
    [words] = kin.model.explain(picture(), text=text)[0].elements["text"]
    assert len(words) == kin.longest


def test_noise_is_read_to_its_end(kin: Kin) -> None:
    inputs = kin.model.small_inputs()
    assert inputs["input_ids"].shape == (1, 6)
    if kin.at_end:
        assert kin.model.described.run(inputs)["ends"].tolist() == [5]


def test_signs_are_words(tiny_chinese_clip: Path) -> None:
    [words] = mmx.load(tiny_chinese_clip).explain(picture(), text="红色的圆")[0].elements["text"]
    assert [token.text for token in words.tokens] == ["[CLS]", *"红色的圆", "[SEP]"]
