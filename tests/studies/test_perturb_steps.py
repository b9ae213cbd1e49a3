"""What each step keeps, by hand."""

import pytest
import torch
from torch import Tensor, nn
from vqa_networks import family

from mmx.perturbation.protocol import TENTHS, drawn_ties, kept_by_step, protocol_named
from mmx.perturbation.removal import Parts, Removal

LXMERT, VISUAL_BERT = (Removal(nn.Identity(), family(f"{name}ForQuestionAnswering"))
                       for name in ("Lxmert", "VisualBert"))


def parts(present: Tensor, removable: Tensor) -> Parts:
    return Parts({"text": present, "image": present}, {"text": removable, "image": removable})


def kept(scores: list[float], sign: str, steps: list[float], ties: Tensor | None = None) -> list[list[int]]:
    row = torch.tensor([scores], dtype=torch.float32)
    everything = torch.ones_like(row, dtype=torch.bool)
    protocol = protocol_named("clean", LXMERT.reference, steps)
    found = kept_by_step(row, "image", sign, protocol, parts(everything, everything), ties)
    return [torch.nonzero(step).flatten().tolist() for step in found[0]]


@pytest.mark.parametrize(("count", "expected"), [
    (36, [36, 27, 18, 9, 7, 5, 3, 1, 0]), (20, [20, 15, 10, 5, 3, 3, 1, 1, 0]), (5, [5, 3, 2, 1, 0, 0, 0, 0, 0]),
])
def test_the_reference_cuts_floats_off(count: int, expected: list[int]) -> None:
    assert protocol_named("iccv21", LXMERT.reference).kept_counts("image", torch.tensor([count])).tolist() == [expected]


def test_visual_bert_has_steps_of_its_own_for_regions() -> None:
    protocol = protocol_named("iccv21", VISUAL_BERT.reference)
    assert protocol.kept_counts("image", torch.tensor([100])).tolist() == [[100, 50, 25, 5, 4, 3, 2, 1, 0]]
    assert protocol.steps["text"] == protocol_named("iccv21", LXMERT.reference).steps["text"]
    assert protocol.takes_one_more and protocol.unmasks_regions
    assert not protocol_named("clean", VISUAL_BERT.reference).takes_one_more


def test_clean_rounds_to_the_nearest() -> None:
    protocol = protocol_named("clean", LXMERT.reference)
    assert protocol.steps["image"] == TENTHS == (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)
    assert protocol.kept_counts("text", torch.tensor([5, 10, 0])).tolist() == [
        [5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0], [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0], [0] * 11]


def test_positive_drops_the_most_relevant_first_and_negative_the_least() -> None:
    scores = [0.2, -0.1, 0.9, 0.5]
    assert kept(scores, "positive", [0, 0.5, 0.75, 1]) == [[0, 1, 2, 3], [0, 1], [1], []]
    assert kept(scores, "negative", [0, 0.5, 0.75, 1]) == [[0, 1, 2, 3], [2, 3], [2], []]


def test_ties_are_settled_by_drawn_numbers_and_else_the_first_stays() -> None:
    assert kept([1, 1, 1, 1], "positive", [0, 0.5]) == [[0, 1, 2, 3], [0, 1]]
    drawn = torch.tensor([[0.3, 0.1, 0.9, 0.2]])
    assert kept([1, 1, 1, 1], "positive", [0, 0.5], drawn) == kept([1, 1, 1, 1], "negative", [0, 0.5], drawn) == [
        [0, 1, 2, 3], [1, 3]]
    assert kept([1, 1, 2, 1], "negative", [0, 0.5], drawn) == [[0, 1, 2, 3], [1, 2]]


def test_ties_depend_on_the_seed_alone() -> None:
    assert torch.equal(drawn_ties([7, 8], 20)[1, :5], drawn_ties([8], 5)[0])
    assert not torch.equal(drawn_ties([7], 5), drawn_ties([8], 5))


def text_inputs() -> dict[str, Tensor]:
    return {"input_ids": torch.ones(2, 6, dtype=torch.long), "visual_feats": torch.ones(2, 3, 4),
            "visual_embeds": torch.ones(2, 3, 4),
            "attention_mask": torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])}


def test_words_that_stay() -> None:
    assert LXMERT.parts(text_inputs(), padding_counts=False).removable["text"].int().tolist() == [
        [0, 1, 1, 1, 1, 0], [0, 1, 1, 0, 0, 0]]
    assert LXMERT.parts(text_inputs(), padding_counts=True).removable["text"].int().tolist() == [
        [0, 1, 1, 1, 1, 0]] * 2
    for counts in (True, False):  # [CLS], the last word, where the answer is read, and [SEP]
        assert VISUAL_BERT.parts(text_inputs(), counts).removable["text"].int().tolist() == [
            [0, 1, 1, 1, 0, 0], [0, 1, 0, 0, 0, 0]]


def test_padded_scores_are_never_kept() -> None:
    found = LXMERT.parts(text_inputs(), padding_counts=False)
    mask = kept_by_step(torch.rand(2, 6), "text", "negative", protocol_named("clean", LXMERT.reference), found)
    assert not (mask & ~found.present["text"][:, None]).any()
    assert mask[:, 0].equal(found.present["text"])
