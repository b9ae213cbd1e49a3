"""The prompt of a language model: its tokens without those that stand for pictures, and which are the question's."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from mmx.arrays import Shaped
from mmx.capture import Outputs
from mmx.elements.base import Located, Prepared
from mmx.elements.prompt_pixels import NOISE, PreparedPictures, of_tokens
from mmx.elements.prompting import Prompting, Rendered
from mmx.elements.text import TokenEncoder, positions, unknown_words
from mmx.errors import CheckpointError, UsageError
from mmx.results import Asked, Token, Words
from mmx.wiring import Inputs, config_at


@dataclass(frozen=True)
class PreparedPrompt(Prepared):
    """A prompt as it was written out before its pictures were put into it."""

    rendered: Rendered = field(kw_only=True)


class PromptEncoder(TokenEncoder):
    about = "tokenizer"

    @cached_property
    def prompting(self) -> Prompting:
        """What it shares with the pictures."""
        return Prompting.of(self.context)

    @cached_property
    def tokenizer(self) -> Any:
        return self.prompting.tokenizer

    @property
    def longest(self) -> int:
        """Tokens that the model's positions allow."""
        return positions(config_at(self.context.config, self.declared.config))

    def load(self) -> str:
        self._rendered("a")
        return f"{len(self.tokenizer)} tokens"

    def check(self, asked: Asked) -> None:
        self._rendered(asked.question)

    def _rendered(self, question: str | None, pictures: int = 1) -> Rendered:
        form = self.declared.form if question else self.declared.captioned or self.declared.form
        return self.prompting.rendered(question or self.declared.caption, pictures, form, self.declared.ends)

    def prepare(self, given: Sequence[str]) -> list[Prepared]:
        raise UsageError(f"A prompt of {self.context.source.name} needs its pictures.")

    def prepare_about(self, given: Sequence[str], pictures: Sequence[Prepared]) -> list[Prepared]:
        return [self._prepared(text, shown) for text, shown in zip(given, pictures, strict=True)]

    def _prepared(self, text: str, shown: Prepared) -> Prepared:
        assert isinstance(shown, PreparedPictures)
        rendered = self._rendered(text, len(shown.pictures))
        images = [one.image for one in shown.pictures if one.image is not None]
        encoded = self.prompting.encoded(images, rendered)
        tensors = {name: value[0] for name, value in encoded.items() if of_tokens(name, encoded)}
        if len(tensors["input_ids"]) > self.longest:
            raise UsageError(f"The prompt has {len(tensors['input_ids'])} tokens; {self.context.source.name} takes "
                             f"{self.longest} at most.", "Give fewer or smaller pictures, or a shorter question.")
        tokens = self._tokens(tensors["input_ids"].tolist(), rendered)
        words = Words(text or self.declared.caption, tokens)
        return PreparedPrompt(tensors, (words,), unknown_words(self.tokenizer, tokens), rendered=rendered)

    def _tokens(self, ids: Sequence[int], rendered: Rendered) -> tuple[Token, ...]:
        """Of the whole prompt but its pictures: those of the question by what was typed, the others special.

        Pictures stand before the question, so that from the end on both have the same tokens.
        """
        plain = self.tokenizer(rendered.text, return_offsets_mapping=True,
                               add_special_tokens=self.prompting.adds_special(rendered.text))
        asked = [(number, start, stop) for number, (start, stop) in enumerate(plain["offset_mapping"])
                 if start < rendered.stop and stop > rendered.start]
        count = len(plain["input_ids"])
        behind = count - asked[0][0]
        if list(ids[-behind:]) != list(plain["input_ids"][-behind:]):
            raise CheckpointError(f"The processor of {self.context.source.name} writes something else behind its "
                                  "pictures than its tokenizer.", "Look at its processor_config.json.")
        spans = {len(ids) - count + number: (max(start, rendered.start) - rendered.start,
                                             min(stop, rendered.stop) - rendered.start)
                 for number, start, stop in asked}
        question, image = rendered.text[rendered.start:rendered.stop], self.context.config.image_token_id
        pieces = self.tokenizer.convert_ids_to_tokens(list(ids))
        return tuple(Token(piece, piece, True, None) if place not in spans else
                     Token(question[slice(*spans[place])], piece, False, spans[place])
                     for place, (one, piece) in enumerate(zip(ids, pieces, strict=True)) if one != image)

    def collate(self, prepared: Sequence[Prepared]) -> dict[str, Shaped[Tensor, "batch ..."]]:
        """Padded in front, as a model that goes on writing needs it."""
        return {name: torch.nn.utils.rnn.pad_sequence(
            [one.tensors[name] for one in prepared], batch_first=True, padding_side="left",
            padding_value=(self.tokenizer.pad_token_id or 0) if name == "input_ids" else 0)
            for name in prepared[0].tensors}

    def located(self, prepared: Prepared, inputs: Inputs, outputs: Outputs, sample: int, asked: Asked) -> Located:
        """Without image tokens, and what its batch padded it by."""
        ids, mask = (inputs[name][sample].cpu() for name in self.declared.names)
        return Located(self.part, prepared.elements, mask[ids != self.context.config.image_token_id].bool(),
                       prepared.notes)

    def noise(self, generator: torch.Generator) -> dict[str, Shaped[Tensor, "1 ..."]]:
        encoded = self.prompting.encoded([NOISE], self._rendered("a"))
        return {name: value for name, value in encoded.items() if of_tokens(name, encoded)}


ENCODER = PromptEncoder
