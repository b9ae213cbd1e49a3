"""BLIP-2 and InstructBLIP: patches that queries look at, queries that become image tokens, and who writes of them."""

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import pytest
import torch
from dense_oracle import dense_mean, dense_rollout, dense_walk
from family_checks import (
    Inputs,
    assert_left_alone,
    assert_same_items,
    close,
    picture,
)
from PIL import Image
from torch import Tensor
from transformers import AutoProcessor
from written_truth import Layers, Written, before, behind, hooked, maps_of

import mmx
from mmx.engine import attribute
from mmx.errors import UsageError
from mmx.families.base import LEVELS
from mmx.methods import get_method
from mmx.model import Model
from mmx.results import Patches, Words
from mmx.schedule import Schedule, Site, sites_of

QUESTION, ANSWER = "what color is the circle?", "two red circle"
QUERIES, PATCHES, SHOWN = 6, 16, (70, 50)
LOWER: Schedule = (
    *((Site(f"vision_model.encoder.layers.{i}.self_attn", "image", "image"),) for i in range(2)),
    *((Site(f"qformer.encoder.layer.{name}.attention", "query", cols),) for name, cols in (
        ("0.attention", "query"), ("0.crossattention", "image"), ("1.attention", "query"))))


def asked_of(model: Model, image: Image.Image, text: str) -> Inputs:
    """A prompt, by the class's own processor."""
    return model.to_model(AutoProcessor.from_pretrained(model.network.name_or_path)(
        images=image, text=text, return_tensors="pt"))


def dense(maps: Layers, score: Tensor, sites: Sequence[Site], size: int) -> dict[Site, Tensor]:
    """Eq. 5 of each; where the queries alone look, what stands behind them has rows of zeros."""
    gradients = torch.autograd.grad(score, [one for [one] in maps], retain_graph=True)
    found = {site: (map_[0].detach() * gradient[0]).clamp(min=0).mean(dim=0).double()
             for site, [map_], gradient in zip(sites, maps, gradients, strict=True)}
    return {site: torch.cat([one, one.new_zeros(size - len(one), one.shape[1])])
            if (site.rows, site.cols) == ("query", "image") else one for site, one in found.items()}


class QformerChecks:
    """Of a class with one kind of language model.

    Attributes:
        checkpoint: its fixture.
        form: what it is prompted with.
        speaks: the attentions of the language model.
        exact: to which it is computed: the softmax of some language models is in float32.
    """

    checkpoint: ClassVar[str]
    form: ClassVar[str]
    speaks: ClassVar[Schedule]
    exact: ClassVar[float] = 1e-5

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> Model:
        return mmx.load(request.getfixturevalue(cls.checkpoint), dtype="float64")

    @pytest.fixture(scope="class")
    @classmethod
    def asked(cls, model: Model) -> Inputs:
        return asked_of(model, picture(SHOWN), cls.form.format(QUESTION))

    @pytest.fixture(scope="class")
    @classmethod
    def inputs(cls, model: Model, asked: Inputs) -> Inputs:
        return cls.with_answer(asked, model.tokenizer(f" {ANSWER}", add_special_tokens=False)["input_ids"][:4])

    @classmethod
    def with_answer(cls, asked: Inputs, ids: list[int]) -> Inputs:
        return behind(Written(cls.checkpoint, tower_layers=2), asked, ids)

    def first(self, asked: Inputs) -> int:
        """Where an answer starts."""
        return asked["input_ids"].shape[1]

    def ids(self, inputs: Inputs) -> Tensor:
        """In which it stands."""
        return inputs["input_ids"][0]

    def cut(self, inputs: Inputs, count: int) -> Inputs:
        return before(inputs, count)

    @property
    def reader(self) -> str:
        return sites_of(self.speaks)[-1].rows

    def seen(self, model: Model, inputs: Inputs) -> tuple[Tensor, Layers]:
        names = [site.module for site in sites_of((*LOWER, *self.speaks))]
        return maps_of(model.network, names, lambda: model.network(**inputs).logits[0])

    def by_hand(self, model: Model, inputs: Inputs, pick: Callable[[Tensor], Tensor],
                places: Sequence[int]) -> dict[str, Tensor]:
        """The sum of the rows at `places`, of each stream that is handed out."""
        logits, maps = self.seen(model, inputs)
        sites = sites_of((*LOWER, *self.speaks))
        sizes = {"image": 1 + PATCHES, "query": maps[2][0].shape[-1], "text": inputs["input_ids"].shape[1],
                 "answer": len(self.ids(inputs))}
        fused = dense(maps, pick(logits), sites, sizes["query"])
        lower, upper = (dense_walk(schedule, fused, sizes) for schedule in (LOWER, self.speaks))
        row = upper[self.reader, "text"][list(places)].sum(dim=0)
        answer = {"answer": upper["answer", "answer"][list(places)].sum(dim=0)} if self.reader == "answer" else {}
        return {**self.parts(model, inputs, row, lower["query", "image"], lower["query", "query"]), **answer}

    def parts(self, model: Model, inputs: Inputs, row: Tensor, looked: Tensor, own: Tensor) -> dict[str, Tensor]:
        """Of a row of the prompt's tokens, carried on from image tokens through the Q-Former's matrices."""
        is_image = inputs["input_ids"][0] == model.network.config.image_token_id
        question = {"question": row[is_image] @ own[:QUERIES, QUERIES:]} if "qformer_input_ids" in inputs else {}
        return {"text": row[~is_image], "image": row[is_image] @ looked[:QUERIES, 1:], **question}

    def same(self, found: dict[str, Tensor], number: int, expected: dict[str, Tensor]) -> None:
        assert found.keys() == expected.keys()
        for stream, row in expected.items():
            given = found[stream][number]
            close(given[:len(row)], row, self.exact)
            assert not given[len(row):].any(), "tokens that come later have no part in it"

    def test_each_token_has_the_row_of_a_forward_on_what_is_before_it(self, model: Model, asked: Inputs,
                                                                      inputs: Inputs) -> None:
        ids = self.ids(inputs)
        places = range(self.first(asked), len(ids))
        found = model.attribute(inputs, target=list(places))
        for number, place in enumerate(places):
            self.same(found, number, self.by_hand(
                model, self.cut(inputs, place), lambda logits, place=place: logits[-1, ids[place]], [place - 1]))

    def test_a_log_probability_is_explained(self, model: Model, asked: Inputs, inputs: Inputs) -> None:
        place = self.first(asked) + 1
        one = self.ids(inputs)[place]
        self.same(model.attribute(inputs, target=place, score="logprob"), 0, self.by_hand(
            model, inputs, lambda logits: logits[place - 1].log_softmax(-1)[one], [place - 1]))

    def test_tokens_in_a_row_are_explained_together(self, model: Model, asked: Inputs, inputs: Inputs) -> None:
        ids = self.ids(inputs)
        places = range(self.first(asked) - 1, len(ids) - 1)
        self.same(model.attribute(inputs, target=(places[0] + 1, len(ids))), 0, self.by_hand(
            model, inputs, lambda logits: torch.stack([
                logits[place].log_softmax(-1)[ids[place + 1]] for place in places]).sum(), places))

    def test_rollout_and_raw_attention_are_the_dense_calculation(self, model: Model, inputs: Inputs) -> None:
        """They go on from image tokens to the patches that the queries look at."""
        _, layers = self.seen(model, inputs)
        maps = [map_.detach().double() for [map_] in layers]
        place = len(self.ids(inputs)) - 2
        *tower, first, looks, last = maps[:5]
        nothing = torch.zeros(first.shape[-1], first.shape[-1], dtype=torch.float64)
        looked = torch.cat([dense_mean(looks), nothing[looks.shape[2]:, :1].expand(-1, 1 + PATCHES)])
        raw, rolled = self.language_rows(maps[5:], place)
        self.same(model.attribute(inputs, "raw-attention", target=place + 1), 0, {
            **self.parts(model, inputs, raw.pop("text"), looked, nothing), **raw})
        crossed = dense_rollout([first]).T @ looked @ dense_rollout(tower)
        self.same(model.attribute(inputs, "rollout", target=place + 1), 0, {
            **self.parts(model, inputs, rolled.pop("text"), crossed, dense_rollout([first, last])), **rolled})

    def language_rows(self, maps: list[Tensor], place: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Raw attention and rollout in the language model."""
        return {"text": dense_mean(maps[-1])[place]}, {"text": dense_rollout(maps)[place]}

    def test_it_encodes_as_the_class_does(self, model: Model, asked: Inputs) -> None:
        found = self.cut(model.encode(picture(SHOWN), QUESTION), self.first(asked))
        for name, value in asked.items():
            torch.testing.assert_close(found[name], value)
        assert model.family.inputs[1].form.format(question=QUESTION) == self.form.format(QUESTION)

    def test_the_captured_forward_gives_the_logits_of_the_class(self, model: Model, asked: Inputs,
                                                                inputs: Inputs) -> None:
        first, stop = self.first(asked), len(self.ids(inputs))
        found = attribute(model.described, inputs, [get_method("relevance")], (first, stop)).outputs["logits"]
        own = model.network(**inputs).logits
        close(found, own if found.shape[1] == stop else own[:, first - 1:stop - 1], self.exact)

    def test_its_own_answer_is_the_one_that_the_class_generates(self, model: Model, asked: Inputs) -> None:
        found = model.explain(picture(SHOWN), QUESTION)
        [ids] = model.network.generate(**asked, do_sample=False, max_new_tokens=32)
        told = model.tokenizer.decode(ids[self.first(asked):], skip_special_tokens=True).strip()
        assert found.predictions[0].label == told and len(told.split()) > 1
        assert [item.label for item in found] == told.split()
        given = model.explain(picture(SHOWN), QUESTION, answer=told, target="all")
        assert given[0].label == told

    def test_a_batch_is_what_each_is_alone(self, model: Model) -> None:
        """Questions and answers of two lengths."""
        pictures, questions = [picture(SHOWN), picture(SHOWN, seed=1)], [QUESTION, "how many?"]
        for answer in (None, ANSWER):
            together = model.explain(pictures, questions, answer=answer, target="all")
            for one, question, found in zip(pictures, questions, together, strict=True):
                assert_same_items(found, model.explain(one, question, answer=answer, target="all"), 1e-6)

    def test_words_are_the_tokens_that_they_stand_at(self, model: Model, inputs: Inputs) -> None:
        found = model.explain(picture(SHOWN), QUESTION, answer=ANSWER)
        assert [item.label for item in found] == ANSWER.split()
        words = {part: [block.text for block in blocks if isinstance(block, Words)]
                 for part, blocks in found.elements.items() if part != "image"}
        asked = {"question": [self.form.format(QUESTION)]} if "qformer_input_ids" in inputs else {}
        written = {"text": [QUESTION], "answer": [ANSWER]} if self.reader == "answer" else {"text": [QUESTION, ANSWER]}
        assert words == {**asked, **written}

    def test_a_caption_is_asked_for_in_other_words(self, model: Model) -> None:
        declared = model.family.inputs[1]
        found = model.explain(picture(SHOWN), answer=ANSWER, target="all")
        assert found.elements["text"][0].text == declared.caption
        inputs = asked_of(model, picture(SHOWN), declared.caption)
        whole = self.with_answer(inputs, model.tokenizer(f" {ANSWER}", add_special_tokens=False)["input_ids"])
        row = model.attribute(whole, target=(self.first(inputs), len(self.ids(whole))))
        close(torch.tensor(found[0].scores["image"]), row["image"][0], 1e-6)

    def test_patches_lie_where_the_tower_sees_them(self, model: Model) -> None:
        size = (64, 40)
        dark = Image.new("RGB", size, (40, 40, 40))
        [grid] = model.explain(dark, QUESTION, answer=ANSWER).elements["image"]
        assert grid == Patches(4, 4, (0, 0, *size))
        for number, box in enumerate(np.ndindex(4, 4)):
            bright = dark.copy()
            bright.paste((255, 255, 255), (box[1] * 16 + 4, box[0] * 10 + 2, box[1] * 16 + 12, box[0] * 10 + 8))
            found: list[Tensor] = []
            with hooked(model.network, ["vision_model.embeddings"], lambda *a, found=found: found.append(a[-1])):
                for image in (dark, bright):
                    model.network.vision_model(pixel_values=asked_of(model, image, QUESTION)["pixel_values"])
            assert int((found[1] - found[0]).abs().sum(-1)[0, 1:].argmax()) == number

    def test_there_is_no_other_level(self, model: Model, inputs: Inputs) -> None:
        for level in LEVELS[1:]:
            with pytest.raises(UsageError, match="level"):
                model.attribute(inputs, level=level)

    def test_every_method_explains_it(self, model: Model) -> None:
        def explained(methods: list[str]) -> list:
            return model.explain_methods(picture(SHOWN), QUESTION, methods, answer=ANSWER)

        names = [method.name for method in model.fitting_methods(["all"])[0]]
        found = explained(names)
        assert [one.method for one in found] == [name for name in names if name not in found[0].left_out]
        assert {"relevance", "relevance-no-norm", "rollout", "raw-attention"} <= {one.method for one in found}
        for one in found:
            assert all({"text", "image"} <= item.scores.keys() for item in one)

    def test_the_network_is_left_as_it_was(self, model: Model, inputs: Inputs) -> None:
        assert_left_alone(model, inputs, model.network.language_model.lm_head)


def layers(name: str, stream: str, count: int) -> Schedule:
    return tuple((Site(name.format(i), stream, stream),) for i in range(count))


class TestBlip2(QformerChecks):
    checkpoint = "tiny_blip_2"
    form = "Question: {} Answer:"
    speaks = layers("language_model.model.decoder.layers.{}.self_attn", "text", 3)


class TestInstructBlip(QformerChecks):
    """The Q-Former reads the question too, by words of its own."""

    checkpoint = "tiny_instructblip"
    form = "{}"
    speaks = layers("language_model.model.layers.{}.self_attn", "text", 3)


class TestBlip2T5(QformerChecks):
    """The encoder reads, the decoder writes."""

    checkpoint = "tiny_blip_2_t5"
    exact = 1e-9
    form = "Question: {} Answer:"
    speaks = (*layers("language_model.encoder.block.{}.layer.0.SelfAttention", "text", 2),
              *((Site(f"language_model.decoder.block.{i}.layer.{name}", "answer", cols),) for i in range(2)
                for name, cols in (("0.SelfAttention", "answer"), ("1.EncDecAttention", "text"))))

    @classmethod
    def with_answer(cls, asked: Inputs, ids: list[int]) -> Inputs:
        written = torch.tensor([[0, *ids]])
        return {**asked, "decoder_input_ids": written, "decoder_attention_mask": torch.ones_like(written)}

    def first(self, asked: Inputs) -> int:
        return 1

    def ids(self, inputs: Inputs) -> Tensor:
        return inputs["decoder_input_ids"][0]

    def cut(self, inputs: Inputs, count: int) -> Inputs:
        return {name: value[:, :count] if name.startswith("decoder") else value for name, value in inputs.items()}

    def language_rows(self, maps: list[Tensor], place: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        *encoder, first, _, second, across = maps
        rolled = dense_rollout([first, second])
        return ({"answer": dense_mean(second)[place], "text": dense_mean(across)[place]},
                {"answer": rolled[place], "text": (rolled.T @ dense_mean(across) @ dense_rollout(encoder))[place]})


class TestInstructBlipT5(TestBlip2T5):
    """Both: the Q-Former reads the question too, and an encoder reads what a decoder answers."""

    checkpoint = "tiny_instructblip_t5"
    form = "{}"
