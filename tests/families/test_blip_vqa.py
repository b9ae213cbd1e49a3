"""BLIP for questions: three streams, a picture, a question that reads it, and an answer that reads the question."""

from pathlib import Path

import numpy as np
import pytest
import torch
from dense_oracle import dense_fused, dense_mean, dense_rollout, dense_walk
from family_checks import assert_every_method_is_there, assert_left_alone, assert_same_items, close, picture
from torch import Tensor

import mmx
from mmx.errors import MmxError, UsageError
from mmx.model import Model
from mmx.results import Patches, Words
from mmx.schedule import Schedule, Site

QUESTION, ANSWER = "what color is the circle?", "two red circles"
# Every step of this class is in float64.
EXACT = 1e-9
PATCHES = 9
SCHEDULE: Schedule = tuple((Site(name, *streams),) for name, *streams in (
    ("v0", "image", "image"), ("v1", "image", "image"), ("t0", "text", "text"), ("x0", "text", "image"),
    ("t1", "text", "text"), ("x1", "text", "image"), ("a0", "answer", "answer"), ("y0", "answer", "text"),
    ("a1", "answer", "answer"), ("y1", "answer", "text")))


@pytest.fixture(scope="module")
def blip(tiny_blip_vqa: Path) -> Model:
    return mmx.load(tiny_blip_vqa, dtype="float64")


@pytest.fixture(scope="module")
def inputs(blip: Model) -> dict[str, Tensor]:
    """The answer: [CLS], two, red, circle, ##s."""
    asked = blip.encode(picture(), QUESTION)
    ids = torch.tensor([[2, *blip.tokenizer(ANSWER, add_special_tokens=False)["input_ids"]]])
    return {**asked, "decoder_input_ids": ids, "decoder_attention_mask": torch.ones_like(ids)}


def by_hand(model: Model, inputs: dict[str, Tensor]) -> tuple[Tensor, dict[Site, Tensor]]:
    """Logits (tokens, vocabulary) and maps of one picture, question and answer: the class's parts, put together."""
    network, mask = model.network.requires_grad_(True), inputs["attention_mask"]
    try:
        seen = network.vision_model(pixel_values=inputs["pixel_values"], output_attentions=True)
        read = network.text_encoder(input_ids=inputs["input_ids"], attention_mask=mask,
                                    encoder_hidden_states=seen.last_hidden_state, output_attentions=True)
        said = network.text_decoder(input_ids=inputs["decoder_input_ids"], encoder_hidden_states=read.last_hidden_state,
                                    encoder_attention_mask=mask, output_attentions=True)
    finally:
        network.requires_grad_(False)
    pairs = [map_ for one in (read, said) for pair in zip(one.attentions, one.cross_attentions, strict=True)
             for map_ in pair]
    sites = [site for step in SCHEDULE for site in step]
    return said.logits[0], dict(zip(sites, [*seen.attentions, *pairs], strict=True))


def rows_by_hand(model: Model, inputs: dict[str, Tensor], score: Tensor, maps: dict[Site, Tensor],
                 normalize: bool = True) -> dict[str, Tensor]:
    """The answer's rows, (tokens, tokens of each stream)."""
    sizes = {"image": 1 + PATCHES, "text": inputs["input_ids"].shape[1],
             "answer": inputs["decoder_input_ids"].shape[1]}
    found = dense_walk(SCHEDULE, dense_fused(maps, score), sizes, normalize=normalize)
    return {stream: found["answer", stream] for stream in sizes}


@pytest.mark.parametrize(("method", "normalize"), [("relevance", True), ("relevance-no-norm", False)])
@pytest.mark.parametrize("token", [1, 4])
def test_relevance_of_a_token_is_the_dense_calculation(blip: Model, inputs: dict[str, Tensor], method: str,
                                                       normalize: bool, token: int) -> None:
    logits, maps = by_hand(blip, inputs)
    score = logits[token - 1, inputs["decoder_input_ids"][0, token]]
    rows = rows_by_hand(blip, inputs, score, maps, normalize)
    found = blip.attribute(inputs, method, target=token)
    assert found.keys() == {"image", "text", "answer"}
    close(found["image"][0], rows["image"][token - 1, 1:], EXACT)
    for stream in ("text", "answer"):
        close(found[stream][0], rows[stream][token - 1], EXACT)


@pytest.mark.parametrize("span", [(2, 4), (1, 5), (3, 4)])
def test_tokens_in_a_row_are_explained_by_their_log_probabilities(blip: Model, inputs: dict[str, Tensor],
                                                                  span: tuple[int, int]) -> None:
    """A token alone by its logit; of several the rows are added."""
    logits, maps = by_hand(blip, inputs)
    places, ids = list(range(span[0] - 1, span[1] - 1)), inputs["decoder_input_ids"][0]
    picked = logits if len(places) == 1 else logits.log_softmax(-1)
    rows = rows_by_hand(blip, inputs, sum(picked[place, ids[place + 1]] for place in places), maps)
    found = blip.attribute(inputs, target=[span, 2])
    for stream, first in (("image", 1), ("text", 0), ("answer", 0)):
        close(found[stream][0], sum(rows[stream][place, first:] for place in places), EXACT)
        close(found[stream][1], blip.attribute(inputs, target=2)[stream][0], EXACT)


def test_raw_attention_and_rollout_are_the_dense_calculation(blip: Model, inputs: dict[str, Tensor]) -> None:
    """Of streams that the answer attends to itself: the picture is not one of them."""
    _, maps = by_hand(blip, inputs)
    *_, t0, _, t1, _, a0, _, a1, y1 = maps.values()
    raw, rolled = (blip.attribute(inputs, method, target=2) for method in ("raw-attention", "rollout"))
    assert raw.keys() == rolled.keys() == {"text", "answer"}
    close(raw["answer"][0], dense_mean(a1)[1], EXACT)
    close(raw["text"][0], dense_mean(y1)[1], EXACT)
    close(rolled["answer"][0], dense_rollout([a0, a1])[1], EXACT)
    close(rolled["text"][0], (dense_rollout([a0, a1]).T @ dense_mean(y1) @ dense_rollout([t0, t1]))[1], EXACT)


def test_the_captured_forward_gives_the_logits_of_the_decoder(blip: Model, inputs: dict[str, Tensor]) -> None:
    found = mmx.engine.attribute(blip.described, inputs, [mmx.methods.get_method("relevance")]).outputs["logits"]
    torch.testing.assert_close(found[0], by_hand(blip, inputs)[0].detach(), rtol=1e-10, atol=1e-10)


def test_its_own_answer_is_the_one_that_the_class_generates(blip: Model) -> None:
    found = blip.explain(picture(), QUESTION)
    asked = {name: value for name, value in blip.encode(picture(), QUESTION).items() if "decoder" not in name}
    written = blip.network.generate(**asked, do_sample=False, num_beams=1)[0]
    [words] = found.elements["answer"]
    assert isinstance(words, Words)
    assert words.text == blip.tokenizer.decode(written, skip_special_tokens=True)
    assert [item.label for item in found] == words.text.split()
    assert len(words) == 1 + len(words.text.split())
    given = blip.explain(picture(), QUESTION, answer=words.text)
    assert_same_items(given, found, EXACT)
    assert (found.asked.answer, given.asked.answer) == (None, words.text)


def test_each_word_is_an_item_with_its_probability(blip: Model, inputs: dict[str, Tensor]) -> None:
    found = blip.explain(picture(), QUESTION, answer=ANSWER)
    shares = by_hand(blip, inputs)[0].detach().softmax(-1)
    each = [float(shares[place, one]) for place, one in enumerate(inputs["decoder_input_ids"][0, 1:])]
    assert [(item.kind, item.index, item.label, item.unit) for item in found] == [
        ("word", 1, "two", "softmax"), ("word", 2, "red", "softmax"), ("word", 3, "circles", "softmax")]
    assert [item.score for item in found] == pytest.approx([each[0], each[1], each[2] * each[3]], abs=1e-6)
    assert [ANSWER[slice(*item.span or ())] for item in found] == ["two", "red", "circles"]
    assert [item.log_probability for item in found] == pytest.approx(
        np.log([each[0], each[1], each[2] * each[3]]).tolist(), rel=1e-5)
    [whole] = found.predictions
    assert (whole.index, whole.label) == (0, ANSWER)
    assert whole.score == pytest.approx(each[0] * each[1] * each[2] * each[3], rel=1e-4)
    assert found.elements["image"] == (Patches(3, 3, (0, 0, 70, 50)),)
    for item, target in zip(found, (1, 2, (3, 5)), strict=True):
        for stream, scores in blip.attribute(inputs, target=target).items():
            close(torch.tensor(item.scores[stream]), scores[0], EXACT)


def log_shares(model: Model, inputs: dict[str, Tensor]) -> list[float]:
    """Of each token of the answer but the first."""
    logs = by_hand(model, inputs)[0].detach().log_softmax(-1)
    return [float(logs[place, one]) for place, one in enumerate(inputs["decoder_input_ids"][0, 1:])]


def test_each_word_says_how_probable_it_is_without_the_picture(blip: Model, inputs: dict[str, Tensor]) -> None:
    seen = log_shares(blip, inputs)
    blank = log_shares(blip, {**inputs, "pixel_values": torch.zeros_like(inputs["pixel_values"])})
    found = blip.explain(picture(), QUESTION, answer=ANSWER)
    for item, span in zip(found, (slice(0, 1), slice(1, 2), slice(2, 4)), strict=True):
        assert item.log_probability == pytest.approx(sum(seen[span]), abs=1e-5)
        assert item.log_probability_without_picture == pytest.approx(sum(blank[span]), abs=1e-5)
        assert item.drop_without_picture == pytest.approx(sum(seen[span]) - sum(blank[span]), abs=1e-5)
    written = [one["without_picture"]["drop"] for one in found.to_dict()["items"]]
    assert written == [item.drop_without_picture for item in found] and min(map(abs, written)) > 0.01
    assert mmx.Explanation.from_dict(found.to_dict()).to_dict() == found.to_dict()
    [whole] = blip.explain(picture(), QUESTION, answer=ANSWER, target="all")
    assert whole.drop_without_picture == pytest.approx(sum(seen) - sum(blank), abs=1e-5)


def test_that_takes_one_forward_of_the_whole_batch(blip: Model) -> None:
    sizes: list[int] = []
    handle = blip.network.vision_model.register_forward_hook(
        lambda module, args, output: sizes.append(len(output.last_hidden_state)))
    try:
        blip.explain([picture(), picture(seed=1)], QUESTION, answer=ANSWER)
    finally:
        handle.remove()
    assert sizes == [2, 2]


@pytest.mark.parametrize(("target", "labels"), [
    ("red", ["red"]), ("RED circles", ["red circles"]), (2, ["circles"]), ("all", [ANSWER]),
    (["circles", "two", "two"], ["circles", "two"])])
def test_targets_choose_words(blip: Model, target: object, labels: list[str]) -> None:
    found = blip.explain(picture(), QUESTION, answer=ANSWER, target=target)
    assert [item.label for item in found] == labels
    assert [item.index == 0 for item in found] == [label == ANSWER for label in labels]
    assert [ANSWER[slice(*item.span or ())] for item in found] == labels


def test_a_batch_is_what_each_is_alone(blip: Model) -> None:
    """Questions and answers of two lengths, one of them the model's own."""
    pictures, questions = [picture(), picture((40, 60), seed=1)], [QUESTION, "red?"]
    together = blip.explain(pictures, questions)
    for one, question, found in zip(pictures, questions, together, strict=True):
        assert_same_items(found, blip.explain(one, question), EXACT)
    for one, found in zip(pictures, blip.explain(pictures, QUESTION, answer=ANSWER, target="all"), strict=True):
        assert_same_items(found, blip.explain(one, QUESTION, answer=ANSWER, target="all"), EXACT)


def test_an_answer_without_words_is_said(blip: Model) -> None:
    bias = blip.network.text_decoder.cls.predictions.bias
    kept = bias.clone()
    bias[3] = 1e3
    try:
        with pytest.raises(MmxError, match=r"The answer that the model writes is empty.*answer="):
            blip.explain(picture(), QUESTION)
    finally:
        bias.copy_(kept)


def test_the_network_is_left_as_it_was(blip: Model, inputs: dict[str, Tensor]) -> None:
    assert_left_alone(blip, inputs, blip.network.text_decoder.cls)


def test_every_method_explains_it(blip: Model) -> None:
    assert_every_method_is_there(blip, lambda methods: blip.explain_methods(picture(), QUESTION, methods,
                                                                            answer=ANSWER))


@pytest.mark.parametrize(("asked", "message"), [
    ({}, "No question was given"), ({"question": QUESTION, "answer": " "}, "The answer is empty"),
    ({"question": QUESTION, "answer": "red " * 20}, "The answer has 20 tokens; .* takes 19 at most"),
    ({"question": QUESTION, "text": "red"}, "a text does not fit it"),
    ({"question": QUESTION, "answer": ANSWER, "target": "blue"}, "'blue' is not in the answer 'two red circles'"),
    ({"question": QUESTION, "answer": ANSWER, "target": 3}, "'3' is not in the answer")])
def test_what_cannot_be_asked_of_it(blip: Model, asked: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        blip.explain(picture(), **asked)


@pytest.mark.parametrize("target", [0, 5, (2, 2), (1, 6), "red"])
def test_a_target_beside_the_answer_is_refused(blip: Model, inputs: dict[str, Tensor], target: object) -> None:
    with pytest.raises(UsageError, match=r"There is nothing to explain at|A target here is the place of a token"):
        blip.attribute(inputs, target=target)


@pytest.mark.parametrize("modality", ["image", "text"])
def test_what_is_removed_leaves_the_answer(blip: Model, inputs: dict[str, Tensor], modality: str) -> None:
    found = blip.perturb(inputs, blip.attribute(inputs, target=1), modality=modality, sign="positive", protocol="clean")
    [kept] = found.kept
    last = {**inputs, "pixel_values": torch.zeros_like(inputs["pixel_values"])}
    if modality == "text":
        last = {**inputs, **{name: inputs[name][:, kept[-1]] for name in ("input_ids", "attention_mask")}}
    assert [len(step) for step in kept][::10] == ([9, 0] if modality == "image" else [8, 2])
    for step, of_step in ((0, inputs), (-1, last)):
        torch.testing.assert_close(found.logits[0, step], by_hand(blip, of_step)[0].detach(), rtol=1e-9, atol=1e-9)
