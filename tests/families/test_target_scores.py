"""What of a target is differentiated: its logit or its probability, less that of another, or a function of the outputs.

Expected is relevance out of the class's own eager maps and of autograd of the score itself, in float64; where a class
has many sites, the same default target of a model whose outputs are changed to what is asked for.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from dense_oracle import dense_fuse
from family_checks import Inputs, close, own_forward, picture
from torch import Tensor

import mmx
from mmx.engine import attribute
from mmx.errors import UsageError
from mmx.methods import get_method
from mmx.model import Job, Model
from mmx.results import Asked, Explanation, Picture

Score = Callable[[Tensor], Tensor]
EXACT = 1e-9
SOFTMAX_IN_FLOAT32 = 1e-5  # as classes of these take it in any model
TEXTS = ("red", "a red circle", "zebra")
# Of a row of logits, target 2 or compared with 0.
ASKED: dict[str, tuple[dict[str, Any], Score]] = {
    "logit": ({}, lambda logits: logits[2]),
    "contrast": ({"against": 0}, lambda logits: logits[2] - logits[0]),
    "probability": ({"score": "probability"}, lambda logits: logits.exp()[2] / logits.exp().sum()),
    "logprob": ({"score": "logprob"}, lambda logits: logits[2] - logits.exp().sum().log()),
    "contrast of probabilities": ({"score": "probability", "against": 0},
                                  lambda logits: (logits[2].exp() - logits[0].exp()) / logits.exp().sum())}
EVERY = pytest.mark.parametrize("asked", ASKED)


def by_hand(maps: Sequence[Tensor], score: Tensor, entry: int, row: int) -> Tensor:
    """A row of R of one stream, (tokens,), by eq. 5 and 6."""
    gradients = torch.autograd.grad(score, list(maps), retain_graph=True)
    relevance = torch.eye(maps[0].shape[-1], dtype=torch.float64)
    for map_, gradient in zip(maps, gradients, strict=True):
        relevance = relevance + dense_fuse(map_[entry].detach(), gradient[entry]) @ relevance
    return relevance[row]


@contextmanager
def saying(model: Model, name: str, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """The model's own class says something else."""
    def hook(_module: object, _inputs: object, output: Any) -> Any:
        output[name] = change(output[name])
        return output

    handle = model.network.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def put(logits: Tensor, place: Any, value: Tensor) -> Tensor:
    """The same with another value somewhere."""
    there = torch.zeros_like(logits, dtype=torch.bool)
    there[place] = True
    return torch.where(there, value, logits)


@pytest.fixture(scope="module")
def vit(tiny_vit: Path) -> Model:
    return mmx.load(tiny_vit, dtype="float64")


@pytest.fixture(scope="module")
def clip(tiny_clip: Path) -> Model:
    return mmx.load(tiny_clip, dtype="float64")


@pytest.fixture(scope="module")
def detr(tiny_detr: Path) -> Model:
    return mmx.load(tiny_detr, dtype="float64")


@pytest.fixture(scope="module")
def llava(tiny_llava: Path) -> Model:
    return mmx.load(tiny_llava, dtype="float64")


@EVERY
def test_of_a_classifier(vit: Model, asked: str) -> None:
    options, score = ASKED[asked]
    inputs = vit.encode(picture())
    found = own_forward(vit, inputs)
    expected = by_hand(found.attentions, score(found.logits[0]), 0, 0)[1:]
    close(vit.attribute(inputs, target=2, **options)["image"][0], expected, SOFTMAX_IN_FLOAT32)


def test_a_contrast_is_no_difference_of_relevances(vit: Model) -> None:
    inputs = vit.encode(picture())
    contrast, own, other = (vit.attribute(inputs, target=target, against=against)["image"]
                            for target, against in ((2, 0), (2, None), (0, None)))
    assert not torch.allclose(contrast, own - other)
    close(vit.attribute(inputs, target=[2, 1], against=0)["image"][:1], contrast, EXACT)


def test_each_of_a_batch_has_its_own_rival(vit: Model) -> None:
    pixels = torch.cat([vit.encode(picture(seed=seed))["pixel_values"] for seed in range(3)])
    found = vit.attribute({"pixel_values": pixels}, target=[2, 1, 0], against=[0, None, 2])["image"]
    for sample, (target, against) in enumerate([(2, 0), (1, None), (0, 2)]):
        alone = vit.attribute({"pixel_values": pixels[sample:sample + 1]}, target=target, against=against)
        close(found[sample], alone["image"][0], EXACT)


def in_clip(model: Model, inputs: Inputs, score: Score, text: int) -> dict[str, Tensor]:
    """Of the first picture, its [CLS] and the last token of a text."""
    found = own_forward(model, inputs)
    value, end = score(found.logits_per_image[0]), int(inputs["input_ids"][text].argmax())
    return {"image": by_hand(found.vision_model_output.attentions, value, 0, 0)[1:],
            "text": by_hand(found.text_model_output.attentions, value, text, end)}


@EVERY
def test_of_a_text_beside_others(clip: Model, asked: str) -> None:
    options, score = ASKED[asked]
    inputs = clip.encode(picture(), text=TEXTS)
    expected = in_clip(clip, inputs, score, 2)
    found = clip.attribute(inputs, target=(0, 2), start_layer=0, start_layer_text=0, **options)
    for stream, row in expected.items():
        close(found[stream][0][:len(row)], row, SOFTMAX_IN_FLOAT32)


def test_the_similarity_of_a_text(clip: Model) -> None:
    inputs = clip.encode(picture(), text=TEXTS)
    scale = clip.network.logit_scale.detach().exp()
    expected = in_clip(clip, inputs, lambda logits: logits[2] / scale, 2)
    found = clip.attribute(inputs, target=(0, 2), start_layer=0, start_layer_text=0, score="similarity")
    close(found["image"][0], expected["image"], SOFTMAX_IN_FLOAT32)


@pytest.mark.parametrize("score", ["probability", "logprob"])
def test_texts_that_share_one_softmax_are_what_each_is_alone(clip: Model, score: str) -> None:
    inputs = clip.encode(picture(), text=TEXTS)
    found = clip.attribute(inputs, score=score)
    for text in range(3):
        alone = clip.attribute(inputs, target=(0, text), score=score)
        for stream, rows in alone.items():
            close(found[stream][text], rows[0], EXACT)


def jobs(model: Model, several: Sequence[Asked], method: str = "relevance") -> list[Explanation]:
    about = [Job(Picture(picture(seed=number), "it.png", str(number)), one) for number, one in enumerate(several)]
    return [found for [found] in model.explain_batch(about, [get_method(method)])]


def test_a_text_that_one_picture_has_for_and_another_against_it(clip: Model) -> None:
    several = [Asked(texts=("red", "zebra"), targets=("red",), against="zebra", score=score)
               for score in (None, "probability")]
    several += [Asked(texts=("zebra", "a red circle", "red"), against="red", score=score)
                for score in (None, "probability")]
    together = jobs(clip, several)
    for number, asked in enumerate(several):
        alone = jobs(clip, [asked] * (number + 1))[number]
        assert [item.label for item in alone] == [item.label for item in together[number]]
        for own, other in zip(alone, together[number], strict=True):
            assert own.score == pytest.approx(other.score, abs=1e-9)
            for stream, row in own.scores.items():
                close(torch.as_tensor(other.scores[stream]), torch.as_tensor(row), EXACT)
    assert [item.label for item in together[2]] == ["zebra rather than red", "a red circle rather than red"]
    assert [item.unit for one in together for item in one] == ["logit", "value", "logit", "logit", "value", "value"]


@EVERY
def test_of_a_query_of_a_detector(detr: Model, asked: str) -> None:
    options, score = ASKED[asked]
    inputs = detr.encode(picture())
    place = (0, 1, 2)
    expected = {}
    with saying(detr, "logits", lambda logits: put(logits, place, score(logits[0, 1]))):
        expected = detr.attribute(inputs, target=(1, 2))
    close(detr.attribute(inputs, target=(1, 2), **options)["image"], expected["image"], EXACT)


def test_a_match_by_its_probability(tiny_blip: Path) -> None:
    blip = mmx.load(tiny_blip, dtype="float64")
    inputs = blip.encode(picture(), text=TEXTS[0])
    expected = {}
    with saying(blip, "itm_score", lambda logits: put(logits, (0, 1), logits[0].softmax(0)[1])):
        expected = blip.attribute(inputs, target=1)
    found = blip.attribute(inputs, target=1, score="probability")
    for stream, row in expected.items():
        close(found[stream], row, EXACT)


@pytest.mark.parametrize(("options", "score"), [
    ({"against": 7}, lambda logits, own: logits[own] - logits[7]),
    ({"score": "probability"}, lambda logits, own: logits.softmax(0)[own]),
    ({"score": "probability", "against": 7}, lambda logits, own: logits.softmax(0)[own] - logits.softmax(0)[7])])
def test_of_a_written_token(llava: Model, options: dict[str, Any], score: Callable[[Tensor, int], Tensor]) -> None:
    inputs = dict(llava.encode(picture(), "what is it?"))
    place = inputs["input_ids"].shape[1] - 1
    own = int(inputs["input_ids"][0, place])
    expected = {}
    with saying(llava, "logits", lambda logits: put(logits, (0, -1, own), score(logits[0, -1], own))):
        expected = llava.attribute(inputs, target=place)
    # Where the class gives logits of some tokens alone, the last of them is the one before `place`.
    for stream, row in llava.attribute(inputs, target=place, **options).items():
        close(row, expected[stream], SOFTMAX_IN_FLOAT32)


def test_the_default_is_the_logit_itself(vit: Model, clip: Model, detr: Model) -> None:
    outputs = {"logits": torch.rand(2, 5, 4, dtype=torch.float64, requires_grad=True)}
    assert torch.equal(detr.asking.choose(outputs, [(3, 1), (0, 2)]).scores,
                       outputs["logits"][[0, 1], [3, 0], [1, 2]])
    for asking, target in ((vit.asking, [1, 0]), (clip.asking, [(0, 1), (1, 0)])):
        pairs = {"logits": outputs["logits"][:, 0], "scale": torch.ones(())}
        chosen = asking.choose(pairs, target)
        assert torch.equal(chosen.scores, pairs["logits"][[0, 1], [1, 0]])
        assert chosen.turns is None
        assert torch.equal(chosen.score_of(pairs), chosen.scores)


def squared(outputs: dict[str, Tensor]) -> Tensor:
    return outputs["logits"][:, 2] ** 2 - outputs["logits"][:, 0]


def test_a_function_of_the_outputs(vit: Model, clip: Model) -> None:
    inputs = vit.encode(picture())
    found = own_forward(vit, inputs)
    expected = by_hand(found.attentions, found.logits[0, 2] ** 2 - found.logits[0, 0], 0, 0)[1:]
    close(vit.attribute(inputs, target=squared)["image"][0], expected, SOFTMAX_IN_FLOAT32)
    inputs = clip.encode(picture(), text=TEXTS)
    expected = in_clip(clip, inputs, lambda logits: logits[2] ** 2 - logits[0], 1)
    for target, row in (((squared, (0, 1)), 0), (squared, 1)):
        found = clip.attribute(inputs, target=target, start_layer=0, start_layer_text=0)
        for stream, own in expected.items():
            close(found[stream][row][:len(own)], own, SOFTMAX_IN_FLOAT32)


def test_a_function_says_what_it_is(vit: Model, clip: Model, detr: Model) -> None:
    found = vit.explain([picture(), picture(seed=1)], target=squared)
    [item] = found[1]
    assert (item.kind, item.label, item.unit) == ("function", "squared, a function of the outputs", "value")
    assert found[0].asked.function == "squared"
    again = Explanation.from_dict(json.loads(found[1].to_json()))
    assert (again.asked, again.subject) == (found[1].asked, found[1].subject)
    close(torch.as_tensor(vit.explain(picture(seed=1), target=squared)[0].scores["image"]),
          torch.as_tensor(item.scores["image"]), EXACT)
    [item] = clip.explain(picture(), text=TEXTS, target=(squared, "zebra"))
    assert (item.label, item.index) == ("squared, a function of the outputs at zebra", 2)
    [item] = detr.explain(picture(), target=lambda outputs: outputs["logits"][:, 3, 1], query=3)
    assert (item.label, item.query) == ("<lambda>, a function of the outputs", 3)
    with pytest.raises(UsageError, match=r"at an object query of a detector. Say which: `query=`"):
        detr.explain(picture(), target=squared)


def test_a_function_at_a_word_sees_the_answer_alone(llava: Model) -> None:
    def second(outputs: dict[str, Tensor]) -> Tensor:
        return outputs["logits"][:, 1].gather(1, outputs["ids"][:, 1:2])[:, 0]

    questions = ["what is it?", "is it a red circle, or what?"]
    for options in ({"answer": "red circle"}, {"answer": "red circle", "max_new_tokens": 3}):
        together = llava.explain(picture(), questions, target=(second, 0), **options)
        for question, found in zip(questions, together, strict=True):
            alone = llava.explain(picture(), question, target=(second, 0), **options)
            assert found[0].label == "second, a function of the outputs at red"
            assert found[0].score == pytest.approx(alone[0].score, abs=1e-9)
            close(torch.as_tensor(found[0].scores["image"]), torch.as_tensor(alone[0].scores["image"]), EXACT)
    with pytest.raises(UsageError, match="before one word of an answer"):
        llava.explain(picture(), "what is it?", target=second)


@pytest.mark.parametrize(("function", "said"), [
    (lambda outputs: 3.0, "gives float: a function of the outputs gives each sample one number, (2,)"),
    (lambda outputs: outputs["logits"], "gives float64, (2, 5)"),
    (lambda outputs: outputs["logits"].argmax(1), "gives int64, (2,)"),
    (lambda outputs: outputs["logits"].sum(), "gives float64, ()"),
    (lambda outputs: outputs["logits"].detach()[:, 0], "gives what has no gradient"),
    (lambda outputs: outputs["logits"][:, 0] / 0, "gives a score that is not finite"),
    (lambda outputs: outputs["logits"].softmax(0)[:, 0], "depends on other samples")])
def test_what_is_no_score_of_samples_is_refused(vit: Model, function: Callable, said: str) -> None:
    pixels = torch.cat([vit.encode(picture(seed=seed))["pixel_values"] for seed in range(2)])
    with pytest.raises(UsageError) as caught:
        vit.attribute({"pixel_values": pixels}, target=function)
    assert said in str(caught.value)
    assert str(caught.value).startswith("<lambda> gives ")


@pytest.mark.parametrize(("asked", "said"), [
    ({"against": "nothing"}, "'nothing' is not a class of"), ({"against": 2, "target": 2}, "compared with itself"),
    ({"score": "logits"}, "Did you mean 'logit'? There are: logit, probability, logprob."),
    ({"target": squared, "against": 1}, "A function of the outputs is what is explained: `against=` does not fit it."),
    ({"target": (squared, 1)}, "explained by itself here"), ({"target": [squared, squared]}, "One function")])
def test_what_makes_no_sense_is_refused(vit: Model, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        vit.explain(picture(), **asked)
    assert said in str(caught.value)


def test_the_prediction_is_not_compared_with_itself(vit: Model, detr: Model) -> None:
    best = vit.explain(picture()).predictions[0].index
    with pytest.raises(UsageError, match=r"Name another `target=`, or another `against=`"):
        vit.explain(picture(), against=best)
    one = detr.explain(picture(), threshold=0.0)
    names = {item.label for item in one}
    found = detr.explain(picture(), threshold=0.0, against=one[0].label)
    assert [item.query for item in found] == [item.query for item in one if item.label != one[0].label]
    assert {item.label for item in found} == {f"{name} rather than {one[0].label}"
                                              for name in names - {one[0].label}}


def test_a_contrast_says_what_it_is(vit: Model, llava: Model) -> None:
    labels = vit.labels
    found = vit.explain(picture(), target=[1, 2], against=labels[0])
    assert [item.label for item in found] == [f"{labels[one]} rather than {labels[0]}" for one in (1, 2)]
    logits = vit.described.run(vit.encode(picture()))["logits"][0]
    assert found[0].score == pytest.approx(float(logits[1] - logits[0]), abs=1e-6)
    assert found[0].unit == "logit"
    assert found.asked.to_dict()["against"] == 0
    again = Explanation.from_dict(json.loads(found.to_json()))
    assert again.asked == found.asked
    [item] = llava.explain(picture(), "what is it?", answer="red circle", against="red square")
    assert item.label == "red circle rather than red square"
    assert item.unit == "logit"
    with pytest.raises(UsageError, match="Targets are words of the answer"):
        llava.explain(picture(), "what is it?", answer="red circle", against="red square", target="red")


def test_every_score_has_finite_relevance_by_methods_that_go_back_by_rules(vit: Model) -> None:
    inputs, methods = vit.encode(picture()), [get_method("transformer-attribution"), get_method("relevance-lrp")]
    for score in vit.asking.scores:
        found = attribute(vit.described.at(None, score), inputs, methods, 2)
        assert not found.left_out
