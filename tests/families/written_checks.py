"""What the tests of every family ask whose answers a language model writes behind a prompt with image tokens in it.

A test of one is a class, `class TestName(WrittenChecks): case = Written(...)`; the truth is in written_truth.py.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from family_checks import Inputs, assert_left_alone, assert_same_items, close, picture
from PIL import Image
from torch import Tensor
from written_truth import Written, before, behind, by_hand, changed, encoded, lit, parts_of_tokens, seen

import mmx
from mmx.elements.prompt_pixels import PreparedPictures
from mmx.engine import attribute
from mmx.families._tilings import Placed
from mmx.families.base import LEVELS, Tiling
from mmx.images import open_picture
from mmx.methods import get_method
from mmx.model import Model
from mmx.model.batching import Job
from mmx.results import Asked, Patches, Words

__all__ = ["Written", "WrittenChecks"]

QUESTION, ANSWER = "what color is the circle?", "two red circles"
TOLERANCE = 3e-5
"""These classes take softmax and norms through float32 even in a float64 model."""
SHOWN = (70, 50)


def found_by(model: Model, inputs: Inputs, **asked: Any) -> dict[str, dict[str, Tensor]]:
    return {level: model.attribute(inputs, level=level, **asked) for level in LEVELS}


def same_rows(found: dict[str, dict[str, Tensor]], number: int, expected: dict[str, dict[str, Tensor]]) -> None:
    for level, streams in expected.items():
        assert found[level].keys() == streams.keys()
        for stream, row in streams.items():
            given = found[level][stream][number]
            close(given[:len(row)], row, TOLERANCE)
            assert not given[len(row):].any(), "tokens that come later have no part in it"


def boxes_of(placed: Placed) -> Iterator[tuple[Patches, np.ndarray, list[int]]]:
    """Each grid, the boxes of its cells (cells, 4), and their numbers."""
    start = 0
    for grid in placed.grids:
        left, top, right, bottom = grid.box_xyxy_px
        row, column = (one.flatten() for one in np.mgrid[:grid.rows, :grid.columns])
        across, down = (right - left) / grid.columns, (bottom - top) / grid.rows
        boxes = np.stack([left + column * across, top + row * down, left + (column + 1) * across,
                          top + (row + 1) * down], axis=1)
        yield Patches(*grid), boxes, list(placed.order[start:start + len(boxes)])
        start += len(boxes)


def tiling_of(model: Model, image: Image.Image) -> Tiling:
    [prepared] = model.parts.pictures.prepare([open_picture(image)])
    assert isinstance(prepared, PreparedPictures)
    return prepared.tilings[0]


class WrittenChecks:
    """Of one family."""

    case: ClassVar[Written]

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
        folder = request.getfixturevalue(cls.case.checkpoint)
        return mmx.load(changed(cls.case, folder, tmp_path_factory.mktemp("changed") / "copy"), dtype="float64")

    @pytest.fixture(scope="class")
    @classmethod
    def asked(cls, model: Model) -> Inputs:
        return encoded(cls.case, model, picture(SHOWN), QUESTION)

    @pytest.fixture(scope="class")
    @classmethod
    def inputs(cls, model: Model, asked: Inputs) -> Inputs:
        """With an answer of some tokens."""
        ids = model.tokenizer(f" {ANSWER}", add_special_tokens=False)["input_ids"]
        return behind(cls.case, asked, ids[:4])

    @pytest.fixture(scope="class")
    @classmethod
    def parts(cls, model: Model, asked: Inputs) -> Tensor:
        return parts_of_tokens(cls.case, model, asked)

    def test_it_encodes_as_the_class_does(self, model: Model, asked: Inputs) -> None:
        found = before(model.encode(picture(SHOWN), QUESTION), asked["input_ids"].shape[1])
        assert found.keys() == asked.keys()
        for name, value in asked.items():
            torch.testing.assert_close(found[name], value)

    def test_each_token_has_the_row_of_a_forward_on_what_is_before_it(self, model: Model, asked: Inputs,
                                                                      inputs: Inputs, parts: Tensor) -> None:
        """One forward explains all of an answer's tokens; by the dense calculation each takes one of its own."""
        start, stop = asked["input_ids"].shape[1], inputs["input_ids"].shape[1]
        ids = inputs["input_ids"][0]
        found = found_by(model, inputs, target=list(range(start, stop)))
        for number, place in enumerate(range(start, stop)):
            expected = by_hand(self.case, model, before(inputs, place), lambda logits, place=place:
                               logits[-1, ids[place]], [place - 1], parts)
            same_rows(found, number, expected)

    def test_a_log_probability_is_explained(self, model: Model, asked: Inputs, inputs: Inputs, parts: Tensor) -> None:
        place = asked["input_ids"].shape[1] + 1
        one = inputs["input_ids"][0, place]
        found = found_by(model, inputs, target=place, score="logprob")
        same_rows(found, 0, by_hand(self.case, model, inputs, lambda logits: logits[place - 1].log_softmax(-1)[one],
                                    [place - 1], parts))

    def test_tokens_in_a_row_are_explained_together(self, model: Model, asked: Inputs, inputs: Inputs,
                                                    parts: Tensor) -> None:
        start, stop = asked["input_ids"].shape[1], inputs["input_ids"].shape[1]
        places, ids = list(range(start - 1, stop - 1)), inputs["input_ids"][0]
        found = found_by(model, inputs, target=(start, stop))
        same_rows(found, 0, by_hand(self.case, model, inputs, lambda logits: torch.stack([
            logits[place].log_softmax(-1)[ids[place + 1]] for place in places]).sum(), places, parts))

    def test_two_pictures_of_a_prompt_are_explained(self, model: Model) -> None:
        """Of two shapes, which one may cut into more tiles than the other."""
        asked = encoded(self.case, model, [picture(SHOWN), picture((40, 90), seed=1)], QUESTION)
        place, one = asked["input_ids"].shape[1], int(asked["input_ids"][0, -1])
        parts = parts_of_tokens(self.case, model, asked)
        found = found_by(model, behind(self.case, asked, [one]), target=place)
        same_rows(found, 0, by_hand(self.case, model, asked, lambda logits: logits[-1, one], [place - 1], parts))

    def test_rollout_and_raw_attention_are_the_dense_calculation(self, model: Model, inputs: Inputs) -> None:
        place = inputs["input_ids"].shape[1] - 1
        is_image = inputs["input_ids"][0] == model.network.config.image_token_id
        means = [map_[0].detach().mean(dim=0).double() for map_ in seen(self.case, model, inputs)[1]]
        rolled = torch.eye(len(means[0]), dtype=torch.float64)
        for mean in means:
            rolled = (mean + torch.eye(len(mean))) / 2 @ rolled
        for method, matrix in (("raw-attention", means[-1]), ("rollout", rolled)):
            found = model.attribute(inputs, method, target=place)
            close(found["image"][0], matrix[place - 1, is_image], TOLERANCE)
            close(found["text"][0], matrix[place - 1, ~is_image], TOLERANCE)

    def test_the_captured_forward_gives_the_logits_of_the_class(self, model: Model, asked: Inputs,
                                                                inputs: Inputs) -> None:
        found = attribute(model.described, inputs, [get_method("relevance")],
                                     (asked["input_ids"].shape[1], inputs["input_ids"].shape[1])).outputs["logits"]
        own = model.network(**inputs).logits
        first = asked["input_ids"].shape[1] - 1
        close(found, own[:, first:first + found.shape[1]], TOLERANCE)

    def test_its_own_answer_is_the_one_that_the_class_generates(self, model: Model, asked: Inputs) -> None:
        """And its scores are those of a forward over what the class was asked and wrote."""
        found = model.explain(picture(SHOWN), QUESTION, target="all")
        [ids] = model.network.generate(**asked, do_sample=False, max_new_tokens=32, repetition_penalty=1.0)
        start = asked["input_ids"].shape[1]
        ends = model.network.generation_config.eos_token_id
        stop = next((place for place in range(start, len(ids)) if ids[place] in torch.tensor(ends)), len(ids))
        told = model.tokenizer.decode(ids[start:stop], skip_special_tokens=True).strip()
        assert [item.label for item in found] == [told] and len(told.split()) > 1
        whole = behind(self.case, asked, ids[start:stop].tolist())
        rows, order = model.attribute(whole, target=(start, stop)), list(tiling_of(model, picture(SHOWN)).tokens.order)
        close(torch.tensor(found[0].scores["image"]), rows["image"][0, order], TOLERANCE)
        close(torch.tensor(found[0].scores["text"]), rows["text"][0], TOLERANCE)
        logs = model.network(**whole).logits[0].log_softmax(-1)
        log = sum(float(logs[one - 1, ids[one]]) for one in range(start, stop))
        assert found.predictions[0].score == pytest.approx(np.exp(log), rel=1e-3)
        assert model.explain(picture(SHOWN), QUESTION, answer=told, target="all")[0].label == told

    def test_words_are_the_tokens_that_they_stand_at(self, model: Model, asked: Inputs) -> None:
        found = model.explain(picture(SHOWN), QUESTION, answer=ANSWER)
        assert [item.label for item in found] == ANSWER.split()
        question, answer = (block for block in found.elements["text"] if isinstance(block, Words))
        assert (question.text, answer.text) == (QUESTION, ANSWER)
        assert len(question) == int((asked["input_ids"] != model.network.config.image_token_id).sum())
        assert "".join(token.text for token in question.tokens if not token.special) in (QUESTION, QUESTION.replace(
            " ", ""))

    def test_a_batch_is_what_each_is_alone(self, model: Model) -> None:
        """Questions and answers of two lengths, one of them the model's own."""
        pictures, questions = [picture(SHOWN), picture(SHOWN, seed=1)], [QUESTION, self.case.shorter]
        for answer in (None, ANSWER):
            together = model.explain(pictures, questions, answer=answer, target="all")
            for one, question, found in zip(pictures, questions, together, strict=True):
                assert_same_items(found, model.explain(one, question, answer=answer, target="all"), TOLERANCE)

    @pytest.mark.parametrize("size", [SHOWN, (40, 90), (48, 48)], ids=str)
    def test_a_bright_square_is_where_the_elements_say(self, model: Model, size: tuple[int, int]) -> None:
        dark, found = Image.new("RGB", size, (40, 40, 40)), 0
        tiling = tiling_of(model, dark)
        told = {level: model.explain_batch([Job(open_picture(dark), Asked(
            question=QUESTION, answer=ANSWER, level=level))], [get_method("random")])[0][0].elements["image"]
            for level in ("tokens", "tower")}
        for level, placed in (("tokens", tiling.tokens), ("tower", tiling.patches)):
            assert told[level] == tuple(grid for grid, *_ in boxes_of(placed))
        plain = encoded(self.case, model, dark, QUESTION)
        smallest = min((box[2:] - box[:2]).min() for _, boxes, _ in boxes_of(tiling.patches) for box in boxes[:1])
        random = np.random.default_rng(sum(size))
        for middle in random.uniform(0.1, 0.9, (6, 2)) * size:
            left, top = (middle - smallest / 4).round().astype(int)
            wide = max(1, round(smallest / 2))
            bright = dark.copy()
            bright.paste((255, 255, 255), (left, top, left + wide, top + wide))
            middle = np.array([left + wide / 2, top + wide / 2])
            changes = lit(self.case, model, plain, encoded(self.case, model, bright, QUESTION))
            for change, placed in zip(changes, (tiling.patches, tiling.tokens), strict=True):
                assert len(change) == placed.count
                for _, boxes, numbers in boxes_of(placed):
                    if not ((boxes[:, :2] <= middle) & (boxes[:, 2:] >= middle)).all(axis=1).any():
                        continue  # it lies beside what these see
                    found += 1
                    box = boxes[int(change[numbers].argmax())]
                    blur = wide / 2 + 0.5 + bool(self.case.shared_behind) * (box[2:] - box[:2]).max() / 2
                    assert (box[:2] <= middle + blur).all() and (box[2:] >= middle - blur).all()
        assert found >= 6

    def test_the_network_is_left_as_it_was(self, model: Model, inputs: Inputs) -> None:
        assert_left_alone(model, inputs, model.network.lm_head)
