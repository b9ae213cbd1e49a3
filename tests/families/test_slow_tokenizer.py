"""SigLIP's own tokenizer is one that says not where its tokens are in the text: they are found there."""

import re
import string

import pytest
from transformers import PreTrainedTokenizer

from mmx.elements.text import tokens_of
from mmx.results import Token

WORDS = ("<pad>", "</s>", "<unk>", "▁a", "▁red", "▁circ", "le", "▁", "▁dont", "▁a's")


class Slow(PreTrainedTokenizer):
    """Small letters, no punctuation, a mark in front of each word, the longest pieces that there are; no offsets."""

    def __init__(self, **options: object) -> None:
        self._ids = {word: number for number, word in enumerate(WORDS)}
        super().__init__(pad_token="<pad>", eos_token="</s>", unk_token="<unk>", **options)

    @property
    def vocab_size(self) -> int:
        return len(WORDS)

    def get_vocab(self) -> dict[str, int]:
        return dict(self._ids)

    def _tokenize(self, text: str, **_: object) -> list[str]:
        plain = text.lower().translate(str.maketrans("", "", string.punctuation))
        marked = "".join(f"▁{word}" for word in plain.split())
        return re.findall("|".join(map(re.escape, sorted(WORDS[3:], key=len, reverse=True))) + "|.", marked)

    def _convert_token_to_id(self, token: str) -> int:
        return self._ids.get(token, 2)

    def _convert_id_to_token(self, index: int) -> str:
        return WORDS[index]

    def build_inputs_with_special_tokens(self, ids: list[int], others: list[int] | None = None) -> list[int]:
        return [*ids, 1]

    def get_special_tokens_mask(self, ids: list[int], *_: object, **__: object) -> list[int]:
        return [0] * len(ids) + [1]


@pytest.fixture
def tokenizer() -> Slow:
    made = Slow(model_max_length=8)
    assert not made.is_fast
    return made


def test_tokens_are_found_in_the_text_as_it_was_typed(tokenizer: Slow) -> None:
    tokens, notes = tokens_of(tokenizer, "A  Red, CIRCLE!", padding="max_length", max_length=8)
    assert tokens[:5] == (Token("A", "▁a", False, (0, 1)), Token("Red", "▁red", False, (3, 6)),
                          Token("CIRC", "▁circ", False, (8, 12)), Token("LE", "le", False, (12, 14)),
                          Token("</s>", "</s>", True, None))
    assert [(token.text, token.special, token.span) for token in tokens[5:]] == [("<pad>", True, None)] * 3
    assert notes == ()


def test_of_two_equal_words_each_is_found_at_its_own_place(tokenizer: Slow) -> None:
    tokens, _ = tokens_of(tokenizer, "red a red")
    assert [token.span for token in tokens] == [(0, 3), (4, 5), (6, 9), None]


def test_a_token_that_is_not_in_the_text_has_no_place_and_those_behind_it_have_theirs(tokenizer: Slow) -> None:
    tokens, _ = tokens_of(tokenizer, "don't a")
    assert tokens[0] == Token("▁dont", "▁dont", False, None)
    assert tokens[1] == Token("a", "▁a", False, (6, 7))


def test_words_that_are_not_known_are_noted_as_typed(tokenizer: Slow) -> None:
    tokens, notes = tokens_of(tokenizer, "a Ü red")
    assert notes == ("words that the model does not know: Ü",)
    assert [token.span for token in tokens if token.text == "Ü"] == [(2, 3)]


def test_a_letter_that_is_two_in_small_leaves_all_places_right(tokenizer: Slow) -> None:
    tokens, _ = tokens_of(tokenizer, "İ a")
    assert tokens[-2] == Token("a", "▁a", False, (2, 3))
