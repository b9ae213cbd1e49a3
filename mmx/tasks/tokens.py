"""A text's tokens, each with what the reader typed."""

from typing import Any

from mmx.types import Token


def tokens_of(tokenizer: Any, question: str) -> tuple[tuple[Token, ...], tuple[str, ...]]:
    """The tokens of a text as it was typed, and a note on the words that the tokenizer does not know."""
    encoded = tokenizer(question, return_offsets_mapping=True, return_special_tokens_mask=True)
    pieces = tokenizer.convert_ids_to_tokens(encoded["input_ids"])
    tokens = tuple(
        Token(piece if special else question[start:end], piece, bool(special), None if special else (start, end))
        for piece, special, (start, end) in zip(pieces, encoded["special_tokens_mask"], encoded["offset_mapping"],
                                                strict=True))
    unknown = list(dict.fromkeys(token.text for token in tokens
                                 if token.piece == tokenizer.unk_token and not token.special))
    return tokens, (f"words that the model does not know: {', '.join(unknown)}",) if unknown else ()
