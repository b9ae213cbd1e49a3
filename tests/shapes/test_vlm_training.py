"""Training the vision-language model: its packed forward is the model's own, and what it is asked is true."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mmx.checkpoints.catalog import WEIGHTS
from mmx.shapes.descriptions import draw_description
from mmx.shapes.questions import ANSWERS, Question, all_words
from mmx.shapes.train import vlm
from mmx.shapes.train.asked import draw_exchanges, turned_scene
from mmx.shapes.train.packing import Packed, are_right, logits_of, pack, patches_of
from mmx.shapes.train.patch_words import places_from_left, places_of, turned_places
from mmx.shapes.train.pool import draw_pool, normalized, turned
from mmx.shapes.train.vit import PATCH_PX, SIZE_PX
from mmx.shapes.train.vlm_model import begun, build_model, build_processor, goes_on
from mmx.shapes.world import draw_scene, render

SCENES = [draw_scene(number) for number in range(3)]
TURNS = [(quarters, mirrored) for quarters in range(4) for mirrored in (False, True)]


@pytest.fixture(scope="module")
def processor() -> Any:
    return build_processor()


@pytest.fixture(scope="module")
def model(processor: Any) -> Any:
    torch.manual_seed(0)
    return build_model(len(processor.tokenizer), WEIGHTS / "shapes-clip").eval()


@pytest.fixture(scope="module")
def exchanges() -> list[list[Question]]:
    random = np.random.default_rng(0)
    return [draw_exchanges(scene, random, 3 + number, describes=True) for number, scene in enumerate(SCENES)]


def prompt_of(processor: Any, question: str) -> str:
    content = [{"type": "image"}, {"type": "text", "text": question}]
    return processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)


@torch.no_grad()
def alone(model: Any, processor: Any, number: int, question: Question) -> Tensor:
    """What the model's own forward says of an answer's tokens and of what ends it."""
    inputs = processor(images=render(SCENES[number], SIZE_PX).image, text=prompt_of(processor, question.text),
                       return_tensors="pt")
    answer = processor.tokenizer(question.answer, add_special_tokens=False, return_tensors="pt")["input_ids"]
    ids, start = torch.cat([inputs["input_ids"], answer], dim=1), inputs["input_ids"].shape[1]
    return model(input_ids=ids, pixel_values=inputs["pixel_values"]).logits[0, start - 1:]


@torch.no_grad()
def packed_logits(model: Any, packed: Packed) -> Tensor:
    pixels = torch.stack([torch.tensor(render(scene, SIZE_PX).pixels).permute(2, 0, 1) for scene in SCENES])
    return logits_of(model, packed, patches_of(model, normalized(pixels)))


def test_exchanges_that_are_packed_are_answered_as_alone(model, processor, exchanges) -> None:
    packed = pack(processor.tokenizer, exchanges)
    own = torch.cat([alone(model, processor, number, question)
                     for number, asked in enumerate(exchanges) for question in asked])
    found = packed_logits(model, packed)
    assert found.shape == own.shape and own.abs().max() > 1
    assert (found - own).abs().max() < 1e-5 * own.abs().max()


def test_an_exchange_is_right_where_every_word_of_it_is(model, processor, exchanges) -> None:
    packed = pack(processor.tokenizer, exchanges)
    wanted = packed.wanted[packed.is_predicted]
    says = torch.nn.functional.one_hot(wanted, len(processor.tokenizer)).float()
    count = sum(map(len, exchanges))
    assert are_right(says, packed).tolist() == [True] * count
    says[-1] = says[-1].roll(1)
    assert are_right(says, packed).tolist() == [True] * (count - 1) + [False]


def test_every_word_is_one_token_and_comes_back(processor: Any) -> None:
    tokenizer = processor.tokenizer
    for word in [*all_words(), *ANSWERS]:
        [token] = tokenizer(word, add_special_tokens=False)["input_ids"]
        assert token != tokenizer.unk_token_id and tokenizer.decode([token]) == word
    for number in range(30):
        said = draw_description(draw_scene(number), number).answer
        assert tokenizer.decode(tokenizer(said)["input_ids"], skip_special_tokens=True) == said


def test_the_processor_is_the_same_when_loaded_and_gives_a_token_for_each_patch(processor, tmp_path: Path) -> None:
    from transformers import AutoProcessor

    processor.save_pretrained(tmp_path)
    loaded: Any = AutoProcessor.from_pretrained(tmp_path)
    text = prompt_of(loaded, "what color is the circle?")
    assert text == "user <image> what color is the circle? assistant"
    picture = render(SCENES[0], 288).image
    found, own = (one(images=picture, text=text, return_tensors="pt") for one in (loaded, processor))
    assert found["input_ids"].tolist() == own["input_ids"].tolist()
    assert torch.equal(found["pixel_values"], own["pixel_values"])
    assert loaded.tokenizer.decode(found["input_ids"][0]).split() == [
        "<s>", "user", *["<image>"] * 144, "what", "color", "is", "the", "circle?", "assistant"]


@pytest.mark.parametrize(("quarters", "mirrored"), TURNS)
def test_a_scene_is_turned_as_its_picture_is(quarters: int, mirrored: bool) -> None:
    pool = draw_pool(range(3), SIZE_PX, PATCH_PX)
    cells = turned(pool.cells, quarters, mirrored)
    places = turned_places(places_of(SCENES, 7), quarters, mirrored)
    for scene, there, own in zip(SCENES, cells, places, strict=True):
        moved = turned_scene(scene, quarters, mirrored).things
        assert [(thing.x, thing.y) for thing in moved] == [pytest.approx(place) for place in own[:len(moved)].tolist()]
        for index, thing in enumerate(moved):
            assert there[int(12 * thing.y), int(12 * thing.x)] == index


@pytest.mark.parametrize(("quarters", "mirrored"), TURNS)
def test_things_are_counted_from_the_left_as_descriptions_name_them(quarters: int, mirrored: bool) -> None:
    places = turned_places(places_of(SCENES, 7), quarters, mirrored)
    found = places_from_left(places, torch.tensor([len(scene.things) for scene in SCENES]))
    for scene, own in zip(SCENES, found.tolist(), strict=True):
        order = draw_description(turned_scene(scene, quarters, mirrored), 0).evidence
        assert [own[index] for index in order] == list(range(len(order)))


def test_it_is_trained_and_written_as_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    monkeypatch.setattr(vlm, "_HELD_OUT", 4)
    vlm.train_vlm(tmp_path, steps=4, scenes=16, batch_size=2, questions=3, described_from=2,
                  ordered_from=3)
    assert "all questions 0." in capsys.readouterr().err
    model = LlavaForConditionalGeneration.from_pretrained(tmp_path)
    processor: Any = AutoProcessor.from_pretrained(tmp_path)
    first = build_model(len(processor.tokenizer), WEIGHTS / "shapes-clip")
    tower, own = first.model.vision_tower.state_dict(), model.model.vision_tower.state_dict()
    assert any(not torch.equal(weight, own[name]) for name, weight in tower.items())
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 8 * 2**20


def test_a_model_of_this_kind_is_gone_on_from(model, processor, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    assert goes_on(tmp_path) and not goes_on(WEIGHTS / "shapes-clip")
    going_on = begun(len(processor.tokenizer), tmp_path).state_dict()
    assert going_on.keys() == model.state_dict().keys()
    assert all(torch.equal(weight, going_on[name]) for name, weight in model.state_dict().items())


def test_descriptions_count_beside_answers_of_a_word(model, processor, exchanges) -> None:
    """The loss by hand: a word's, a tenth of its end's, and twice the mean of a description's."""
    asked = [own[-4:] for own in exchanges]
    packed = pack(processor.tokenizer, asked)
    logits = packed_logits(model, packed)
    words, ends, described = [], [], []
    losses = iter(torch.nn.functional.cross_entropy(logits, packed.wanted[packed.is_predicted], reduction="none"))
    for question in (one for own in asked for one in own):
        own = [float(next(losses)) for _ in processor.tokenizer(question.answer, add_special_tokens=False)["input_ids"]]
        if question.kind == "describe":
            described += [*own, float(next(losses))]
        else:
            words += own
            ends.append(float(next(losses)))
    by_hand = np.mean(words) + 0.1 * np.mean(ends) + 2 * np.mean(described)
    assert float(vlm.answer_loss(logits, packed, questions=3)) == pytest.approx(by_hand, rel=1e-5)
