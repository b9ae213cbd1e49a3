"""Many exchanges about one picture at once: the picture is read once for all of them.

Each exchange sees the picture and itself, at the positions that it would have alone, so what the model says of it is
what it says of that exchange alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention as attention
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from mmx.shapes.questions import Question
from mmx.shapes.train.vlm_model import ASSISTANT, BEGIN, END, IMAGE, PATCHES, USER

_NOTHING = -100
_PREFIX = 2 + PATCHES


@dataclass(frozen=True)
class Packed:
    """Exchanges about pictures, behind each other, (pictures, tokens).

    `exchange` counts over all pictures and is -1 in padding; `positions` counts from the picture's first token;
    `wanted` is the token that comes next where that is predicted, else -100. `prefix` is what stands before every
    exchange.
    """

    prefix: Tensor
    ids: Tensor
    exchange: Tensor
    positions: Tensor
    wanted: Tensor

    @property
    def is_predicted(self) -> Tensor:
        return self.wanted != _NOTHING

    @property
    def sees(self) -> Tensor:
        """Which token attends to which of the picture and of the exchanges: (pictures, 1, tokens, prefix + tokens)."""
        own = (self.exchange[:, :, None] == self.exchange[:, None, :]).tril()
        return torch.cat([own.new_ones(*own.shape[:2], len(self.prefix)), own], dim=2)[:, None]


def pack(tokenizer: PreTrainedTokenizerFast, exchanges: Sequence[Sequence[Question]]) -> Packed:
    """The questions about each picture, with their answers."""
    flat = [question for own in exchanges for question in own]
    texts = [f"{question.text} {ASSISTANT}" for question in flat] + [question.answer for question in flat]
    ids: Any = tokenizer(texts, add_special_tokens=False)["input_ids"]
    prefix: Any = tokenizer.convert_tokens_to_ids([BEGIN, USER, *[IMAGE] * PATCHES])
    end: Any = tokenizer.convert_tokens_to_ids(END)
    spoken = [_columns(number, prompt, answer, end) for number, (prompt, answer) in
              enumerate(zip(ids[:len(flat)], ids[len(flat):], strict=True))]
    rows, done = [], 0
    for own in exchanges:
        rows.append([column for one in spoken[done:done + len(own)] for column in one])
        done += len(own)
    padding, longest = (tokenizer.pad_token_id, -1, 0, _NOTHING), max(map(len, rows))
    table = torch.tensor([[*row, *[padding] * (longest - len(row))] for row in rows])
    return Packed(torch.tensor(prefix), *table.unbind(2))


def _columns(number: int, prompt: list[int], answer: list[int], end: int) -> list[tuple[int, ...]]:
    wanted = [*[_NOTHING] * (len(prompt) - 1), *answer, end]
    return [(token, number, _PREFIX + place, following)
            for place, (token, following) in enumerate(zip([*prompt, *answer], wanted, strict=True))]


def patches_of(model: LlavaForConditionalGeneration, pixels: Tensor) -> Tensor:
    """The image tokens of pictures (pictures, 3, H, W): (pictures, patches, d)."""
    seen: Any = model.get_image_features(pixel_values=pixels)  # type: ignore[arg-type]
    return torch.stack(list(seen.pooler_output))


def logits_of(model: LlavaForConditionalGeneration, packed: Packed, patches: Tensor) -> Tensor:
    """Of every token that is predicted, in the order of `packed`: (predicted, words)."""
    language: Any = model.model.language_model
    pictures, sees = len(patches), packed.sees
    before = language.embed_tokens(packed.prefix[:-PATCHES]).expand(pictures, -1, -1)
    states = torch.cat([before, patches, language.embed_tokens(packed.ids)], dim=1)
    positions = torch.cat([torch.arange(_PREFIX).expand(pictures, -1), packed.positions], dim=1)
    rotations = language.rotary_emb(states, position_ids=positions)
    *earlier, last = language.layers
    for layer in earlier:
        queries, keys, values = _heads(layer, states, rotations)
        first = [one[:, :, :_PREFIX] for one in (queries, keys, values)]
        picture = attention(first[0], first[1], first[2], is_causal=True)
        spoken = attention(queries[:, :, _PREFIX:], keys, values, sees)
        states = _after(layer, states, torch.cat([picture, spoken], dim=2).transpose(1, 2).flatten(2))
    # Of the last layer nothing else is read.
    queries, keys, values = _heads(last, states, rotations)
    spoken = attention(queries[:, :, _PREFIX:], keys, values, sees).transpose(1, 2).flatten(2)
    states = _after(last, states[:, _PREFIX:][packed.is_predicted], spoken[packed.is_predicted])
    return model.lm_head(language.norm(states))


def _heads(layer: Any, states: Tensor, rotations: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values, (pictures, heads, tokens, width of a head)."""
    own, normed = layer.self_attn, layer.input_layernorm(states)
    queries, keys, values = (projected(normed).unflatten(2, (-1, own.head_dim)).transpose(1, 2)
                             for projected in (own.q_proj, own.k_proj, own.v_proj))
    queries, keys = apply_rotary_pos_emb(queries, keys, *rotations)
    return queries, keys, values


def _after(layer: Any, states: Tensor, mixed: Tensor) -> Tensor:
    states = states + layer.self_attn.o_proj(mixed)
    return states + layer.mlp(layer.post_attention_layernorm(states))


def losses_of(logits: Tensor, packed: Packed) -> tuple[Tensor, Tensor]:
    """The cross entropy of every predicted token, and its exchange."""
    is_predicted = packed.is_predicted
    return (nn.functional.cross_entropy(logits, packed.wanted[is_predicted], reduction="none"),
            packed.exchange[is_predicted])


def are_right(logits: Tensor, packed: Packed) -> Tensor:
    """Whether each exchange's answer is what the model would say itself, word for word: (exchanges,) bool."""
    is_predicted = packed.is_predicted
    is_wrong = (logits.argmax(1) != packed.wanted[is_predicted]).long()
    count = int(packed.exchange.max()) + 1
    return torch.zeros(count, dtype=torch.long).index_add(0, packed.exchange[is_predicted], is_wrong) == 0
