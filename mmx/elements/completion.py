"""Answers that a language model writes behind its prompt, or that are put there."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig

from mmx.arrays import Shaped
from mmx.elements.base import Prepared
from mmx.elements.prompt import PreparedPrompt
from mmx.elements.prompting import Prompting
from mmx.elements.written import MOST_WRITTEN, WrittenEncoder
from mmx.results import Token, Words
from mmx.wiring import Inputs


class CompletionEncoder(WrittenEncoder):
    @cached_property
    def tokenizer(self) -> Any:
        return Prompting.of(self.context).tokenizer

    def load(self) -> str:
        return f"{MOST_WRITTEN} tokens at most"

    def prepare_about(self, given: Sequence[str], pictures: Sequence[Prepared]) -> list[Prepared]:
        """Answers as they go on from prompts, which are given in the place of pictures."""
        return [self._behind(answer, prompt) for answer, prompt in zip(given, pictures, strict=True)]

    def _behind(self, answer: str, prompt: Prepared) -> Prepared:
        assert isinstance(prompt, PreparedPrompt)
        before, answer = prompt.rendered.text, answer.strip()
        space = "" if not before or before[-1].isspace() else " "
        encoded = self.tokenizer(before + space + answer, return_offsets_mapping=True,
                                 add_special_tokens=Prompting.of(self.context).adds_special(before))
        start = len(before) + len(space)
        found = [(one, max(0, begin - start), end - start) for one, (begin, end) in zip(
            encoded["input_ids"], encoded["offset_mapping"], strict=True) if end > start]
        pieces = self.tokenizer.convert_ids_to_tokens([one for one, *_ in found])
        tokens = [Token(answer[begin:end], piece, False, (begin, end))
                  for piece, (_, begin, end) in zip(pieces, found, strict=True)]
        return self._prepared([one for one, *_ in found], answer, tokens)

    @torch.no_grad()
    def written(self, network: Any, inputs: Inputs, most: int | None = None) -> list[Prepared]:
        own = network.generation_config
        ends = own.eos_token_id if own.eos_token_id is not None else self.tokenizer.eos_token_id
        settings = GenerationConfig(do_sample=False, max_new_tokens=most or MOST_WRITTEN, eos_token_id=ends,
                                    pad_token_id=self.tokenizer.pad_token_id, bos_token_id=own.bos_token_id,
                                    decoder_start_token_id=own.decoder_start_token_id)
        network.generation_config = settings  # transformers would fill it up from the checkpoint's
        try:
            found = network.generate(**inputs, generation_config=settings)[:, inputs["input_ids"].shape[1]:]
        finally:
            network.generation_config = own
        ends = set(ends if isinstance(ends, list | tuple) else [ends])
        answers = [ids[:next((place for place, one in enumerate(ids) if one in ends), len(ids))]
                   for ids in found.tolist()]
        return [self._prepared(ids, self._decoded(ids), self._tokens(ids)) for ids in answers]

    def prompt_length(self, prompt: Prepared) -> int:
        return len(prompt.tensors[self.declared.names[0]])

    def collate_behind(self, answers: Sequence[Prepared],
                       prompts: Sequence[Prepared]) -> dict[str, Shaped[Tensor, "batch ..."]]:
        """Prompts and answers in one, padded behind, where a model that looks back alone sees nothing of it."""
        return {name: torch.nn.utils.rnn.pad_sequence(
            [torch.cat([prompt.tensors[name], self._at_answer(name, answer, prompt.tensors)])
             for answer, prompt in zip(answers, prompts, strict=True)], batch_first=True)
            for name in prompts[0].tensors}

    def _at_answer(self, name: str, answer: Prepared, prompt: Mapping[str, Tensor]) -> Tensor:
        ids, mask = self.declared.names
        if name == ids:
            return answer.tensors[ids]
        value = 1 if name == mask else self.declared.constants.get(name, 0)
        return torch.full_like(answer.tensors[ids], value, dtype=prompt[name].dtype)

    def noise(self, generator: torch.Generator) -> dict[str, Shaped[Tensor, "1 ..."]]:
        return {}

    def _prepared(self, ids: Sequence[int], text: str, tokens: Sequence[Token],
                  notes: tuple[str, ...] = ()) -> Prepared:
        return Prepared({self.declared.names[0]: torch.tensor(ids, dtype=torch.long)},
                        (Words(text, tuple(tokens)),), notes)


ENCODER = CompletionEncoder
