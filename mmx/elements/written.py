"""Answers that a model writes: its own, token after token, or one that is given."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmx.arrays import Shaped
from mmx.elements.base import Prepared
from mmx.elements.text import TokenEncoder, positions, tokens_of
from mmx.errors import CheckpointError, UsageError
from mmx.results import Asked, Token, Words
from mmx.wiring import Inputs, config_at

MOST_WRITTEN = 32
"""Tokens of an answer, where nothing ends it before."""
_PLAIN = {"add_special_tokens": False}


class WrittenEncoder(TokenEncoder):
    about = "answers"

    def load(self) -> str:
        for name in (self.declared.start, self.declared.end):
            if getattr(self._config, name) is None:
                raise CheckpointError(f"The config.json of {self.context.source.name} has no {name}, so that it cannot "
                                      "write an answer.", "Write the token's number there.")
        return f"{min(MOST_WRITTEN, self._longest)} tokens at most"

    def check(self, asked: Asked) -> None:
        for one, instead in ((asked.answer, "the model's own is explained"), (asked.against, "nothing is compared")):
            if one is None:
                continue
            given = str(one)
            if not given.strip():
                raise UsageError("The answer is empty.", f"Write one, or leave it out: then {instead}.")
            self.check_length(given)

    def check_length(self, answer: str) -> None:
        """Raises UsageError for an answer that the model's positions do not allow."""
        count = len(self._ids_of(answer))
        if count > self._longest:
            raise UsageError(f"The answer has {count} tokens; {self.context.source.name} takes {self._longest} at "
                             "most.", "Say it in fewer words.")

    def prepare(self, given: Sequence[str]) -> list[Prepared]:
        return [self._prepared(self._ids_of(answer), answer, *tokens_of(self.tokenizer, answer, **_PLAIN))
                for answer in given]

    def ids(self, answer: Prepared) -> tuple[int, ...]:
        """The answer's, as the model is given them."""
        return tuple(answer.tensors[self.declared.names[0]].tolist())

    def prompt_length(self, prompt: Prepared) -> int:
        """How many tokens of a prompt stand before the answer in the ids that the model is given."""
        return 0

    @torch.no_grad()
    def written(self, network: Any, inputs: Inputs, most: int | None = None) -> list[Prepared]:
        """The most probable token after each one, until the one that ends an answer, or there are so many."""
        found = network.generate(**inputs, do_sample=False, num_beams=1,
                                 max_new_tokens=min(most or MOST_WRITTEN, self._longest))
        written = [self._until_end(ids) for ids in found[:, 1:].tolist()]
        return [self._prepared(ids, self._decoded(ids), self._tokens(ids)) for ids in written]

    def collate_behind(self, answers: Sequence[Prepared],
                       prompts: Sequence[Prepared]) -> dict[str, Shaped[Tensor, "batch ..."]]:
        """A batch of answers, each beside its prompt."""
        return self.collate(answers)

    def collate(self, prepared: Sequence[Prepared]) -> dict[str, Shaped[Tensor, "batch ..."]]:
        ids, mask = self.declared.names
        several = [one.tensors[ids] for one in prepared]
        return {ids: torch.nn.utils.rnn.pad_sequence(several, batch_first=True),
                mask: torch.nn.utils.rnn.pad_sequence([torch.ones_like(one) for one in several], batch_first=True)}

    def noise(self, generator: torch.Generator) -> dict[str, Shaped[Tensor, "1 ..."]]:
        ids = torch.randint(self._config.vocab_size - 2, (1, 4), generator=generator)
        return dict(zip(self.declared.names, (ids, torch.ones_like(ids)), strict=True))

    @property
    def _config(self) -> Any:
        return config_at(self.context.config, self.declared.config)

    @property
    def _longest(self) -> int:
        return positions(self._config) - 1

    def _ids_of(self, answer: str) -> list[int]:
        return self.tokenizer(answer, **_PLAIN)["input_ids"]

    def _until_end(self, ids: list[int]) -> list[int]:
        end = getattr(self._config, self.declared.end)
        return ids[:ids.index(end)] if end in ids else ids

    def _prepared(self, ids: list[int], text: str, tokens: Sequence[Token], notes: tuple[str, ...] = ()) -> Prepared:
        start = getattr(self._config, self.declared.start)
        piece = self.tokenizer.convert_ids_to_tokens(start)
        words = Words(text, (Token(piece, piece, True, None), *tokens))
        return Prepared({self.declared.names[0]: torch.tensor([start, *ids])}, (words,), notes)

    def _tokens(self, ids: list[int]) -> list[Token]:
        """Where each token's letters are is told by decoding one more at a time."""
        text, special = self._decoded(ids), set(self.tokenizer.all_special_ids)
        ends = [_shared(self._decoded(ids[:count]), text) for count in range(len(ids) + 1)]
        tokens = []
        for place, piece in enumerate(self.tokenizer.convert_ids_to_tokens(ids)):
            begin, end = ends[place], ends[place + 1]
            begin = end - len(text[begin:end].lstrip())
            tokens.append(Token(piece, piece, True, None) if ids[place] in special else
                          Token(text[begin:end], piece, False, (begin, end)))
        return tokens

    def _decoded(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False).strip()


def _shared(one: str, other: str) -> int:
    """How many letters both begin with."""
    return next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
                min(len(one), len(other)))


ENCODER = WrittenEncoder
