"""LXMERT: its schedule by hand, its inputs, its answers, and a question's tokens."""

from typing import Any

import pytest
import torch
from transformers import LxmertConfig

from mmx.asking import Subject
from mmx.asking.classes import ClassesAsked
from mmx.capture import Chosen
from mmx.checkpoints.loading import Source
from mmx.elements import Context, Given
from mmx.elements.labels import Labels
from mmx.elements.providers.base import RegionSet
from mmx.elements.regions import RegionEncoder
from mmx.elements.text import TextEncoder, tokens_of
from mmx.errors import UsageError
from mmx.families.lxmert import FAMILY
from mmx.model import Model
from mmx.results import Asked
from mmx.schedule import sites_of
from mmx.wiring import handed_out, readouts, valid_tokens

E = "lxmert.encoder"


def test_the_schedule_is_text_then_image_then_cross_layers() -> None:
    steps = FAMILY.schedule(LxmertConfig(l_layers=2, r_layers=1, x_layers=2))
    described = [[(site.module, site.rows, site.cols, site.call, site.reaches_target) for site in step]
                 for step in steps]
    assert described == [
        [(f"{E}.layer.0.attention.self.dropout", "text", "text", 0, True)],
        [(f"{E}.layer.1.attention.self.dropout", "text", "text", 0, True)],
        [(f"{E}.r_layers.0.attention.self.dropout", "image", "image", 0, True)],
        [(f"{E}.x_layers.0.visual_attention.att.dropout", "text", "image", 0, True),
         (f"{E}.x_layers.0.visual_attention.att.dropout", "image", "text", 1, True)],
        [(f"{E}.x_layers.0.lang_self_att.self.dropout", "text", "text", 0, True),
         (f"{E}.x_layers.0.visn_self_att.self.dropout", "image", "image", 0, True)],
        [(f"{E}.x_layers.1.visual_attention.att.dropout", "text", "image", 0, True),
         (f"{E}.x_layers.1.visual_attention.att.dropout", "image", "text", 1, False)],
        [(f"{E}.x_layers.1.lang_self_att.self.dropout", "text", "text", 0, True),
         (f"{E}.x_layers.1.visn_self_att.self.dropout", "image", "image", 0, False)],
    ]


def test_the_usual_lxmert_has_34_maps_of_which_32_reach_the_answer() -> None:
    sites = sites_of(FAMILY.schedule(LxmertConfig()))
    assert len(sites) == 9 + 5 + 4 * 5
    assert sum(site.reaches_target for site in sites) == 32


def test_every_site_and_root_is_a_module_of_the_model(model: Model) -> None:
    names = dict(model.network.named_modules())
    assert {site.module for site in sites_of(FAMILY.schedule(model.network.config))} <= names.keys()
    assert set(FAMILY.roots.values()) <= names.keys()


def regions(count: int, fill: float = 1.0) -> RegionSet:
    return RegionSet(torch.full((count, 12), fill), torch.rand(count, 4), (None,) * count, (None,) * count)


@pytest.fixture(scope="module")
def encoders(model: Model) -> tuple[TextEncoder, RegionEncoder]:
    texts, pictures = model.encoders
    assert isinstance(texts, TextEncoder)
    assert isinstance(pictures, RegionEncoder)
    return texts, pictures


def encoded(encoders: tuple[TextEncoder, RegionEncoder], questions: list[str],
            found: list[RegionSet]) -> dict[str, torch.Tensor]:
    texts, pictures = encoders
    return {**texts.collate(texts.prepare(questions)),
            **pictures.collate([pictures.prepared(one) for one in found])}


def test_questions_and_regions_are_padded_and_masked(encoders: tuple[TextEncoder, RegionEncoder]) -> None:
    found = [regions(3), regions(1, 2.0)]
    inputs = encoded(encoders, ["red?", "what color is the circle?"], found)
    assert {name: tuple(value.shape) for name, value in inputs.items()} == {
        "input_ids": (2, 8), "attention_mask": (2, 8), "token_type_ids": (2, 8),
        "visual_feats": (2, 3, 12), "visual_pos": (2, 3, 4), "visual_attention_mask": (2, 3)}
    assert encoders[0].tokenizer.convert_ids_to_tokens(inputs["input_ids"][0].tolist()) == [
        "[CLS]", "red", "?", "[SEP]", "[PAD]", "[PAD]", "[PAD]", "[PAD]"]
    assert inputs["attention_mask"].tolist() == [[1] * 4 + [0] * 4, [1] * 8]
    assert inputs["visual_attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert torch.equal(inputs["visual_feats"][1], torch.tensor([[2.0], [0], [0]]).expand(3, 12))
    assert torch.equal(inputs["visual_pos"][0], found[0].boxes_xyxy_unit)
    assert not inputs["token_type_ids"].any()


def test_valid_tokens_are_those_of_the_masks_that_are_given(encoders: tuple[TextEncoder, RegionEncoder]) -> None:
    inputs = encoded(encoders, ["red?", "is red?"], [regions(2), regions(1)])
    outputs, sizes = {"logits": torch.zeros(2, 3)}, {"text": 5, "image": 2}
    assert {stream: mask.tolist() for stream, mask in valid_tokens(FAMILY, inputs, outputs, sizes).items()} == {
        "text": [[True] * 4 + [False], [True] * 5], "image": [[True, True], [True, False]]}
    assert valid_tokens(FAMILY, {"input_ids": inputs["input_ids"]}, outputs, sizes) == {}


def test_the_answer_is_read_from_the_first_token_whose_own_score_is_left_out() -> None:
    rows = {("text", "text"): torch.ones(2, 4), ("text", "image"): torch.ones(2, 3)}
    chosen, config = Chosen(torch.zeros(2), torch.tensor([0, 0])), LxmertConfig()
    [readout] = readouts(FAMILY, {}, {}, chosen, {"text": 4, "image": 3}, config)
    assert (readout.stream, readout.index.tolist()) == ("text", [0, 0])
    scores = handed_out(FAMILY, rows, (readout,), {}, FAMILY.schedule(config), config, chosen)
    assert scores["text"].tolist() == [[0, 1, 1, 1]] * 2
    assert scores["image"].tolist() == [[1, 1, 1]] * 2
    assert rows["text", "text"].all()


@pytest.mark.parametrize(("target", "samples", "classes"), [(None, [0, 1], [2, 0]), ([1, None], [0, 1], [1, 0])])
def test_explained_scores_are_the_logits_of_the_chosen_answers(target: object, samples: list[int],
                                                               classes: list[int]) -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0], [5.0, 4.0, 3.0]])
    asking = ClassesAsked(FAMILY.score, Subject("tiny", FAMILY.does, LxmertConfig(), lambda: ["a"] * 3, FAMILY.needs))
    chosen = asking.choose({"logits": logits}, target)
    assert chosen.targets.tolist() == classes
    assert chosen.samples.tolist() == samples
    assert torch.equal(chosen.scores, logits[samples, classes])


def labels(config: LxmertConfig, source: Source, answers: list[str] | None = None) -> Labels:
    return Labels(FAMILY.score, Context(source, config, "cpu", Given(answers=answers)))


def test_answers_have_the_names_of_the_config_or_numbers(model: Model) -> None:
    named = labels(LxmertConfig(num_qa_labels=3, id2label={0: "red", 1: "blue", 2: "a dog"}), model.source)
    assert (named.names, named.warnings) == (["red", "blue", "a dog"], ())
    numbered = labels(LxmertConfig(num_qa_labels=4), model.source)
    assert numbered.names == ["answer 0", "answer 1", "answer 2", "answer 3"]
    assert numbered.warnings == (
        f"{model.info.name} does not name its answers, so they are numbers: give `answers=FILE`",)


def test_answers_that_are_given_go_first_and_must_be_as_many(model: Model) -> None:
    assert labels(model.network.config, model.source, ["a", "b", "c"]).names == ["a", "b", "c"]
    with pytest.raises(UsageError, match=r"2 answers were given; .*tiny-lxmert has 3\."):
        _ = labels(model.network.config, model.source, ["a", "b"]).names


def tokenizer_of(model: Model) -> Any:
    texts = model.parts.texts
    assert isinstance(texts, TextEncoder)
    return texts.tokenizer


def test_tokens_are_pieces_of_the_question_as_it_was_typed(model: Model) -> None:
    question = "  What COLOR is the circles?"
    tokens, notes = tokens_of(tokenizer_of(model), question)
    assert notes == ()
    assert [token.piece for token in tokens] == ["[CLS]", "what", "color", "is", "the", "circle", "##s", "?", "[SEP]"]
    assert [token.text for token in tokens] == ["[CLS]", "What", "COLOR", "is", "the", "circle", "s", "?", "[SEP]"]
    assert [token.special for token in tokens] == [True] + [False] * 7 + [True]
    assert tokens[0].span is tokens[-1].span is None
    for token in tokens[1:-1]:
        assert token.span is not None
        assert question[slice(*token.span)] == token.text


def test_words_that_the_tokenizer_does_not_know_are_noted_once_and_as_typed(model: Model) -> None:
    tokens, notes = tokens_of(tokenizer_of(model), "is the Zebra a zèbre? Zebra")
    assert [token.piece for token in tokens if token.text == "Zebra"] == ["[UNK]", "[UNK]"]
    assert notes == ("words that the model does not know: Zebra, a, zèbre",)


def test_a_word_without_end_is_noted_by_its_beginning(model: Model) -> None:
    tokens, [note] = tokens_of(tokenizer_of(model), "is " + "x" * 10**5)
    assert len(tokens[2].text) == 10**5 and note.endswith(f" {'x' * 60}...") and len(note) < 120


def test_a_question_too_long_for_the_model_is_refused_with_its_length(model: Model) -> None:
    model.check(Asked("red " * 18))
    with pytest.raises(UsageError, match=r"The question has 21 tokens; .* takes 20 at most"):
        model.check(Asked("red " * 19))
