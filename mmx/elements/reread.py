"""A prompt as another part of a model reads it, beside its language model and by a tokenizer of its own."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from mmx.arrays import Shaped
from mmx.elements.base import Prepared
from mmx.elements.prompt import PreparedPrompt
from mmx.elements.prompting import Prompting
from mmx.elements.text import TokenEncoder, positions, tokens_of
from mmx.errors import UsageError
from mmx.results import Words
from mmx.wiring import config_at


class RereadEncoder(TokenEncoder):
    about = "question's tokenizer"

    @cached_property
    def tokenizer(self) -> Any:
        return getattr(Prompting.of(self.context).processor, self.declared.tokenizer)

    def load(self) -> str:
        return f"{len(self.tokenizer)} tokens"

    def prepare(self, given: Sequence[str]) -> list[Prepared]:
        return [self._prepared(text) for text in given]

    def prepare_about(self, given: Sequence[str], pictures: Sequence[Prepared]) -> list[Prepared]:
        """Of prompts, which are given in the place of pictures."""
        return self.prepare([prompt.rendered.text for prompt in pictures if isinstance(prompt, PreparedPrompt)])

    def _prepared(self, text: str) -> Prepared:
        encoded = self.tokenizer(text, return_tensors="pt")
        tokens, notes = tokens_of(self.tokenizer, text)
        longest = positions(config_at(self.context.config, self.declared.config))
        if len(tokens) > longest:
            raise UsageError(f"The question has {len(tokens)} tokens; the {self.declared.part}'s reader in "
                             f"{self.context.source.name} takes {longest} at most.", "Say it in fewer words.")
        given = (encoded[name][0] for name in ("input_ids", "attention_mask"))
        return Prepared(dict(zip(self.declared.names, given, strict=True)), (Words(text, tokens),),
                        (*notes, f"{self.declared.part}: the prompt once more, as what looks at the picture reads it"))

    def collate(self, prepared: Sequence[Prepared]) -> dict[str, Shaped[Tensor, "batch ..."]]:
        """Padded behind."""
        ids, mask = self.declared.names
        return {name: torch.nn.utils.rnn.pad_sequence(
            [one.tensors[name] for one in prepared], batch_first=True,
            padding_value=self.tokenizer.pad_token_id if name == ids else 0) for name in (ids, mask)}

    def noise(self, generator: torch.Generator) -> dict[str, Shaped[Tensor, "1 ..."]]:
        return self.collate(self.prepare(["a"]))


ENCODER = RereadEncoder
