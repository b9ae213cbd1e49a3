"""The perturbation test of a model that is asked in a prompt: image tokens and words of one stream."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import mmx
from mmx.errors import UsageError
from mmx.model import Model
from mmx.results import Explanation, Words
from mmx.studies.perturb.study import PerturbationStudy

QUESTIONS = ("what color is the circle?", "is it red?")
STEPS = (0, 0.5, 1)

pytestmark = pytest.mark.usefixtures("one_thread")

GREEDY = {"do_sample": False, "num_beams": 1, "repetition_penalty": 1.0, "max_new_tokens": 32}


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take longer than all the rest."""
    for room in ("study", "result"):
        monkeypatch.setattr(f"mmx.studies.perturb.{room}.curves_file", lambda *_: b"")


@cache
def loaded(folder: Path) -> Model:
    return mmx.load(folder, dtype="float64")


@pytest.fixture
def model(request: pytest.FixtureRequest) -> Model:
    return loaded(request.getfixturevalue(request.param))


def picture(number: int) -> Image.Image:
    noise = np.random.default_rng(number).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def rows(count: int = 2) -> list[dict]:
    return [{"image": picture(number), "question": QUESTIONS[number % 2], "id": f"q{number}"}
            for number in range(count)]


def perturbed(model: Model, asked: list[dict], **changed: object) -> PerturbationStudy:
    return mmx.perturb(model, asked, **{"protocol": "clean", "control": False, "steps": STEPS, **changed})


def records(folder: Path) -> dict[str, dict]:
    lines = [json.loads(line) for path in folder.glob("records.*.jsonl") for line in path.open()]
    return {one["sample"]: one for one in lines}


def question_places(explained: Explanation, ids: torch.Tensor, image_token: int) -> list[int]:
    """Where the tokens of the question stand in the ids."""
    words = explained.elements["text"][0]
    assert isinstance(words, Words)
    others = (ids != image_token).nonzero().flatten().tolist()
    return [others[place] for place, token in enumerate(words.tokens) if token.span is not None]


def llava_without(pixels: torch.Tensor, token: int) -> None:
    """A token is a patch of 8 x 8 of 32 x 32 pixels."""
    down, across = divmod(token, 4)
    pixels[:, :, 8 * down:8 * down + 8, 8 * across:8 * across + 8] = 0


def qwen_without(pixels: torch.Tensor, token: int) -> None:
    """A token is four patches, which follow one another."""
    pixels[4 * token:4 * token + 4] = 0


@pytest.mark.parametrize("sign", ["positive", "negative"])
@pytest.mark.parametrize(("model", "without"), [("tiny_llava", llava_without), ("tiny_qwen2_5_vl", qwen_without)],
                         indirect=["model"])
def test_every_step_is_what_the_class_says_of_it(model: Model, without: Any, tmp_path: Path, sign: str) -> None:
    """One sample and step at a time, from inputs that are reduced by hand."""
    asked = [{**one, "answer": "red"} for one in rows()]
    perturbed(model, asked, signs=[sign], out=tmp_path / "run")
    for row in asked:
        found = records(tmp_path / "run")[row["id"]]
        explained = model.explain(row["image"], row["question"], target="all")
        [item], inputs = explained, dict(model.encode(row["image"], row["question"]))
        whole, image = inputs["input_ids"][0], model.network.config.image_token_id
        answer = len(explained.elements["text"][1].tokens)
        assert found["target"] == explained.predictions[0].label
        assert found["log_probability"] == pytest.approx(item.log_probability, abs=1e-5)
        questions, others = question_places(explained, whole, image), (whole != image).nonzero().flatten().tolist()
        of_text = [others.index(place) for place in questions]
        assert model.tokenizer.decode(whole[questions]).strip() == row["question"]
        scores = {"image": item.scores["image"], "text": item.scores["text"][of_text]}
        for modality, own in scores.items():
            order = np.argsort(-own if sign == "positive" else own, kind="stable").tolist()
            for step, share in enumerate(STEPS):
                gone = order[:int(share * len(order) + 0.5)]
                left = {name: value.clone() for name, value in inputs.items()}
                if modality == "image":
                    for token in gone:
                        without(left["pixel_values"], token)
                else:
                    dropped = {questions[place] for place in gone}
                    stays = [place for place in range(len(whole)) if place not in dropped]
                    left |= {name: value[:, stays] for name, value in left.items() if value.shape == (1, len(whole))}
                with torch.no_grad():
                    logs = model.network(**left).logits[0].log_softmax(-1)
                ids = left["input_ids"][0]
                expected = sum(float(logs[place - 1, ids[place]]) for place in range(len(ids) - answer, len(ids)))
                curve = found["curves"]["relevance"][modality][sign]
                assert curve["log_probabilities"][step] == pytest.approx(expected, abs=3e-5)
                prompt = {name: value[:, :-answer] if value.shape == (1, len(ids)) else value
                          for name, value in left.items()}
                written = model.network.generate(**prompt, **GREEDY
                                                 )[0, len(ids) - answer:]
                anew = model.tokenizer.decode(written, skip_special_tokens=True).strip()
                assert curve["answers"][step] == anew
                assert curve["accuracies"][step] == float(anew == "red")


@pytest.mark.parametrize("model", [
    "tiny_llava", "tiny_qwen2_vl", "tiny_qwen3_vl", "tiny_idefics3", "tiny_gemma3", "tiny_paligemma", "tiny_internvl",
    "tiny_blip_2"], indirect=True)
def test_without_all_of_it_there_is_a_blank_picture_and_no_question(model: Model, tmp_path: Path) -> None:
    """Tiles, crops, merged and pooled patches, queries that see them: samples together, by each class's own forward."""
    asked = rows()
    found = perturbed(model, asked, signs=["positive"], steps=[0, 1], out=tmp_path / "run").to_dict()
    assert found["parameters"]["follows"] == ["log_probability"]
    assert found["parameters"]["removes"] == {"image": "patches", "text": "words"}
    for row in asked:
        curves = records(tmp_path / "run")[row["id"]]["curves"]["relevance"]
        explained = model.explain(row["image"], row["question"], target="all")
        [item], inputs = explained, dict(model.encode(row["image"], row["question"]))
        image = [item.log_probability, item.log_probability_without_picture]
        assert curves["image"]["positive"]["log_probabilities"] == pytest.approx(image, abs=3e-5)
        ids = inputs["input_ids"][0]
        dropped = set(question_places(explained, ids, model.network.config.image_token_id))
        stays = [place for place in range(len(ids)) if place not in dropped]
        left = {name: value[:, stays] if value.shape == (1, len(ids)) else value for name, value in inputs.items()}
        answer = len(explained.elements["text"][1].tokens)
        with torch.no_grad():
            logs = model.network(**left).logits[0].log_softmax(-1)
        ids = left["input_ids"][0]
        expected = sum(float(logs[place - 1, ids[place]]) for place in range(len(ids) - answer, len(ids)))
        assert curves["text"]["positive"]["log_probabilities"][1] == pytest.approx(expected, abs=3e-5)


def test_an_answer_that_is_written_beside_its_prompt_stays_where_it_is(tiny_blip_2_t5: Path, tmp_path: Path) -> None:
    """Prompts of two lengths together, which are padded in front."""
    model, asked = loaded(tiny_blip_2_t5), [{**row, "answer": "red"} for row in rows()]
    perturbed(model, asked, signs=["positive"], steps=[0, 1], out=tmp_path / "run")
    for row in asked:
        curves = records(tmp_path / "run")[row["id"]]["curves"]["relevance"]
        explained = model.explain(row["image"], row["question"], target="all")
        [item], left = explained, dict(model.encode(row["image"], row["question"]))
        image = [item.log_probability, item.log_probability_without_picture]
        assert curves["image"]["positive"]["log_probabilities"] == pytest.approx(image, abs=3e-5)
        ids, written = left["input_ids"][0], left["decoder_input_ids"][0]
        dropped = set(question_places(explained, ids, model.network.config.image_token_id))
        stays = [place for place in range(len(ids)) if place not in dropped]
        left |= {name: left[name][:, stays] for name in ("input_ids", "attention_mask")}
        with torch.no_grad():
            logs = model.network(**left).logits[0].log_softmax(-1)
        expected = float(logs[range(len(written) - 1), written[1:]].sum())
        curve = curves["text"]["positive"]
        assert curve["log_probabilities"] == pytest.approx([item.log_probability, expected], abs=3e-5)
        prompt = {name: value for name, value in left.items() if "decoder" not in name}
        anew = model.network.generate(**prompt, **GREEDY)[0]
        assert curve["answers"][1] == model.tokenizer.decode(anew, skip_special_tokens=True).strip()


@pytest.mark.parametrize("model", ["tiny_llava", "tiny_idefics3"], indirect=True)
def test_a_batch_is_what_each_is_alone(model: Model, tmp_path: Path) -> None:
    """Prompts of two lengths, padded; and all that is followed, among it what is written anew."""
    asked = [{**row, "answer": "red"} for row in rows(4)]
    for size in (1, 4):
        perturbed(model, asked, batch_size=size, signs=["positive"], steps=[0, 0.5], out=tmp_path / str(size))
    alone, together = records(tmp_path / "1"), records(tmp_path / "4")
    for name, one in alone.items():
        for modality, signs in one["curves"]["relevance"].items():
            curve, other = signs["positive"], together[name]["curves"]["relevance"][modality]["positive"]
            assert curve["answers"] == other["answers"]
            assert curve["log_probabilities"] == pytest.approx(other["log_probabilities"], abs=3e-5)


@pytest.mark.parametrize("model", ["tiny_llava_next", "tiny_llava_onevision"], indirect=True)
def test_what_has_no_place_in_the_picture_stays(model: Model) -> None:
    """Tokens at the end of a line, and what pads a canvas."""
    found = perturbed(model, rows(), modalities=["image"]).to_dict()
    assert found["samples"]["evaluated"] == 2


def test_encoded_prompts_alone_do_not_say_where_the_question_is(tiny_llava: Path) -> None:
    model = loaded(tiny_llava)
    inputs = model.encode(picture(0), QUESTIONS[0])
    scores = model.attribute(inputs)
    with pytest.raises(UsageError, match="not known which tokens are the question's"):
        model.perturb(inputs, scores, modality="text", sign="positive")


def test_a_question_that_is_read_twice_is_refused(tiny_instructblip: Path) -> None:
    with pytest.raises(UsageError, match="reads a question twice"):
        perturbed(mmx.load(tiny_instructblip), rows(1))
