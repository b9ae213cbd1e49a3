"""Questions and texts: what the checkpoint's tokenizer makes of them, each token with what the reader typed."""

import sys
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from mmx.arrays import Shaped
from mmx.capture import Outputs
from mmx.checkpoints.folders import PROCESSOR_FILES, text_files
from mmx.checkpoints.loading import load_tokenizer, tokenizer_elsewhere
from mmx.elements.base import Encoder, Located, Prepared
from mmx.errors import CheckpointError, UsageError, shown_value
from mmx.families.base import FORMER_END
from mmx.files import hash_of_files
from mmx.results import Asked, Token, Words
from mmx.wiring import Inputs, config_at

_LONGEST_SHOWN = 60
_KEEPS_CAPITALS = ("the model was trained on small letters alone, by its tokenizer's do_lower_case, and capitals are "
                   "read as they are: write small ones")
_WORD_START = "\u2581"
"""What sentencepiece has for a space."""


class TokenEncoder(Encoder):
    """Whatever the checkpoint's tokenizer makes tokens of."""

    @cached_property
    def tokenizer(self) -> Any:
        return load_tokenizer(self.context.source, self.context.given.processor)

    def located(self, prepared: Prepared, inputs: Inputs, outputs: Outputs, sample: int, asked: Asked) -> Located:
        """Without what its batch padded it by."""
        [words] = prepared.elements
        shown = torch.arange(inputs[self.declared.names[0]].shape[1]) < len(words)
        return Located(self.part, prepared.elements, shown, prepared.notes)


def positions(config: Any) -> int:
    """Tokens that a model has positions for: any number where they are told by how far apart two are (T5)."""
    return getattr(config, "max_position_embeddings", None) or sys.maxsize


class TextEncoder(TokenEncoder):
    about = "tokenizer"

    @property
    def beside(self) -> dict[str, str]:
        folder = tokenizer_elsewhere(self.context.source, self.context.given.processor)
        files = [] if folder is None else [path for path in text_files(folder) if path.name not in PROCESSOR_FILES]
        return {"tokenizer": hash_of_files(files)} if files else {}

    @property
    def longest(self) -> int:
        """Tokens that the model's position embeddings allow, special ones included."""
        positions = config_at(self.context.config, self.declared.config).max_position_embeddings
        return positions - self.declared.first_position

    def load(self) -> str:
        if self.tokenizer.pad_token is None:
            raise CheckpointError(f"The tokenizer of {self.context.source.name} has no padding token.",
                                  "Write pad_token into its tokenizer_config.json.")
        self._check_ids("a", "Even the text 'a'")
        more = len(self.tokenizer) - self._embeddings
        beyond = f", {more} more than the model has embeddings for" if more > 0 else ""
        return f"{len(self.tokenizer)} tokens{beyond}"

    def check(self, asked: Asked) -> None:
        question = self.declared.ask == "question"
        for text in (asked.question or "",) if question else asked.texts:
            self._check_ids(text, "The question" if question else f"The text {shown_value(text)}")

    @property
    def _embeddings(self) -> int:
        return config_at(self.context.config, self.declared.config).vocab_size

    def _check_ids(self, text: str, what: str) -> None:
        """Raises UsageError for what is too long, CheckpointError where tokenizer and model do not go together."""
        name, ids = self.context.source.name, self.tokenizer(text)["input_ids"]
        if len(ids) > self.longest:
            raise UsageError(f"{what} has {len(ids)} tokens; {name} takes {self.longest} at most.",
                             "Say it in fewer words.")
        unknown = [one for one in ids if one >= self._embeddings]
        if unknown:
            [piece] = self.tokenizer.convert_ids_to_tokens(unknown[:1])
            raise CheckpointError(f"{what} has the token '{piece}', number {unknown[0]} of its tokenizer; {name} has "
                                  f"embeddings for {self._embeddings} tokens (from number 0).", "Give it the tokenizer "
                                  "that it was trained with, or save the model after resize_token_embeddings.")
        if self.declared.until is None:
            return
        end = config_at(self.context.config, self.declared.config).eos_token_id
        if end is None or (end not in ids and end != FORMER_END):
            where = ".".join(part for part in (self.declared.config, "eos_token_id") if part)
            raise CheckpointError(f"{name} reads a text at its end token, but {where} in its config.json is "
                                  f"{'not given' if end is None else f'{end}, which its tokenizer does not write'}.",
                                  f"Its tokenizer ends texts with {ids[-1]} ('{self.tokenizer.decode(ids[-1:])}').")

    def prepare(self, given: Sequence[str]) -> list[Prepared]:
        return [self._prepared(text) for text in given]

    def _prepared(self, text: str) -> Prepared:
        options = {"padding": "max_length", "max_length": self.longest} if self._fixed else {}
        tokens, notes = tokens_of(self.tokenizer, text, **options)
        encoded = self.tokenizer(text, return_tensors="pt", return_token_type_ids=self._types,
                                 return_attention_mask=True, **options)
        size = (len(tokens),) if self.declared.padding == "never" else ()
        notes += (_KEEPS_CAPITALS,) if self._keeps_capitals and text != text.lower() else ()
        return Prepared({name: encoded[name][0] for name in self.declared.names}, (Words(text, tokens),), notes, size)

    @cached_property
    def _keeps_capitals(self) -> bool:
        """Though its settings say that it makes small letters of them, which some classes do not know of."""
        found = self.tokenizer
        return bool(found.init_kwargs.get("do_lower_case")) and found("a")["input_ids"] != found("A")["input_ids"]

    def collate(self, prepared: Sequence[Prepared]) -> dict[str, Shaped[Tensor, "batch ..."]]:
        if self._fixed:
            return super().collate(prepared)
        padded = self.tokenizer.pad({name: [one.tensors[name].tolist() for one in prepared]
                                     for name in self.declared.names}, padding=True, return_tensors="pt")
        return {name: padded[name] for name in self.declared.names}

    @property
    def _fixed(self) -> bool:
        return self.declared.padding == "max_length"

    @property
    def _types(self) -> bool:
        return "token_type_ids" in self.declared.names

    def noise(self, generator: torch.Generator) -> dict[str, Shaped[Tensor, "1 ..."]]:
        config = config_at(self.context.config, self.declared.config)
        length = self.longest if self._fixed else min(6, self.longest)
        ids = torch.randint(config.vocab_size - 2, (1, length), generator=generator)
        if self.declared.until is not None:  # by the end token, or by the largest id where that is FORMER_END
            end = config.eos_token_id or 0
            ids[ids == end] = 0
            ids[0, -2], ids[0, -1] = ids.max(), end
        made = {"attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
        return {self.declared.names[0]: ids, **{name: made[name] for name in self.declared.names[1:]}}


def tokens_of(tokenizer: Any, text: str, **options: Any) -> tuple[tuple[Token, ...], tuple[str, ...]]:
    """The tokens of a text as it was typed, and a note on the words that the tokenizer does not know."""
    encoded = tokenizer(text, return_offsets_mapping=tokenizer.is_fast, return_special_tokens_mask=True, **options)
    pieces, special = tokenizer.convert_ids_to_tokens(encoded["input_ids"]), encoded["special_tokens_mask"]
    spans = encoded["offset_mapping"] if tokenizer.is_fast else _spans_found(tokenizer, text, special)
    tokens = tuple(
        Token(piece if is_special or span is None else text[slice(*span)], piece, bool(is_special),
              None if is_special or span is None else (span[0], span[1]))
        for piece, is_special, span in zip(pieces, special, spans, strict=True))
    return tokens, unknown_words(tokenizer, tokens)


def unknown_words(tokenizer: Any, tokens: Sequence[Token]) -> tuple[str, ...]:
    """A note on the words that the tokenizer does not know, if there are some."""
    unknown = list(dict.fromkeys(token.text for token in tokens
                                 if token.piece == tokenizer.unk_token and not token.special))
    shown = ", ".join(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..." for text in unknown)
    return (f"words that the model does not know: {shown}",) if unknown else ()


def _spans_found(tokenizer: Any, text: str, special: Sequence[int]) -> list[tuple[int, int] | None]:
    """Where each token's letters are, of a tokenizer that does not say so; None of a token that is not in the text.

    SigLIP's leaves out what is no letter and writes small ones.
    """
    typed, end = text if len(text.lower()) != len(text) else text.lower(), 0
    pieces = iter(tokenizer.tokenize(text))
    spans: list[tuple[int, int] | None] = []
    for is_special in special:
        letters = "" if is_special else next(pieces, "").replace(_WORD_START, "").lower()
        start = typed.find(letters, end) if letters else -1
        end = end if start < 0 else start + len(letters)
        spans.append(None if start < 0 else (start, end))
    return spans


ENCODER = TextEncoder
