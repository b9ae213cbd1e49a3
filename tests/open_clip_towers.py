"""open_clip's CLIP a second time, in plain PyTorch: modules of the same names, and every attention map kept."""

from collections import OrderedDict

import torch
from torch import Tensor, nn


class QuickGELU(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return values * torch.sigmoid(1.702 * values)


def mixed(attention: nn.MultiheadAttention, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None,
          maps: list[Tensor]) -> Tensor:
    """What the module gives, by one map for each head, which is kept in the graph; batch first."""
    biases = attention.in_proj_bias.chunk(3)
    width = attention.head_dim
    query, key, value = (
        (one @ weight.T + bias).unflatten(2, (attention.num_heads, width)).transpose(1, 2)
        for one, weight, bias in zip((query, key, value), attention.in_proj_weight.chunk(3), biases, strict=True))
    scores = query @ key.mT / width**0.5
    maps.append((scores if mask is None else scores + mask).softmax(-1))
    return attention.out_proj((maps[-1] @ value).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """One residual layer, whose attention has one matrix for queries, keys and values."""

    def __init__(self, width: int, heads: int, act: nn.Module, eps: float = 1e-5) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_1, self.ln_2 = nn.LayerNorm(width, eps), nn.LayerNorm(width, eps)
        self.mlp = nn.Sequential(OrderedDict(c_fc=nn.Linear(width, 4 * width), gelu=act,
                                             c_proj=nn.Linear(4 * width, width)))

    def forward(self, states: Tensor, mask: Tensor | None, maps: list[Tensor]) -> Tensor:
        states = states + mixed(self.attn, *(self.ln_1(states),) * 3, mask, maps)
        return states + self.mlp(self.ln_2(states))


class Transformer(nn.Module):
    def __init__(self, width: int, layers: int, heads: int, act: nn.Module, eps: float = 1e-5) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, heads, act, eps) for _ in range(layers))

    def forward(self, states: Tensor, mask: Tensor | None, maps: list[Tensor]) -> Tensor:
        for block in self.resblocks:
            states = block(states, mask, maps)
        return states


class Visual(nn.Module):
    """CLIP's ViT, which ends at [CLS]."""

    def __init__(self, width: int, layers: int, heads: int, patch: int, patches: int, embed: int,
                 act: nn.Module) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.empty(patches + 1, width))
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = Transformer(width, layers, heads, act)
        self.proj = nn.Parameter(torch.empty(width, embed))

    def forward(self, pixels: Tensor, maps: list[Tensor]) -> Tensor:
        patches = self.conv1(pixels).flatten(2).mT
        states = torch.cat([self.class_embedding.expand(len(patches), 1, -1), patches], 1) + self.positional_embedding
        return self.ln_post(self.transformer(self.ln_pre(states), None, maps)[:, 0]) @ self.proj


class Text(nn.Module):
    """A text tower: CLIP's, causal and read at the largest id or at the first `end`; or SigLIP's, at its last place."""

    def __init__(self, width: int, layers: int, heads: int, words: int, length: int, embed: int, act: nn.Module, *,
                 of_siglip: bool = False, end: int | None = None) -> None:
        super().__init__()
        eps = 1e-6 if of_siglip else 1e-5
        self.token_embedding = nn.Embedding(words, width)
        self.positional_embedding = nn.Parameter(torch.empty(length, width))
        self.transformer = Transformer(width, layers, heads, act, eps)
        self.ln_final = nn.LayerNorm(width, eps)
        self.of_siglip, self.end = of_siglip, end
        self.text_projection = nn.Linear(width, embed) if of_siglip else nn.Parameter(torch.empty(width, embed))

    def forward(self, ids: Tensor, maps: list[Tensor]) -> Tensor:
        length = ids.shape[1]
        causal = torch.full((length, length), -torch.inf, dtype=self.positional_embedding.dtype).triu_(1)
        states = self.token_embedding(ids) + self.positional_embedding[:length]
        states = self.ln_final(self.transformer(states, None if self.of_siglip else causal, maps))
        if self.of_siglip:
            return self.text_projection(states[:, -1])
        ends = (ids if self.end is None else (ids == self.end).int()).argmax(dim=1)
        return states[torch.arange(len(ids)), ends] @ self.text_projection


class OpenClip(nn.Module):
    """Two towers under one score. As open_clip saves them, a CLIP's text tower has no name of its own."""

    def __init__(self, visual: nn.Module, text: Text, bias: bool = False) -> None:
        super().__init__()
        self.visual, self.text = visual, text
        self.logit_scale = nn.Parameter(torch.tensor(1.2))
        self.logit_bias = nn.Parameter(torch.tensor(-0.7)) if bias else None

    def logits(self, image: Tensor, text: Tensor) -> Tensor:
        """(pictures, texts), out of what the towers give."""
        cosines = nn.functional.normalize(image, dim=-1) @ nn.functional.normalize(text, dim=-1).T
        return cosines * self.logit_scale.exp() + (0 if self.logit_bias is None else self.logit_bias)

    def saved(self, custom_text: bool) -> dict[str, Tensor]:
        """Its weights as open_clip names them."""
        return {name if custom_text else name.removeprefix("text."): value.detach().clone()
                for name, value in self.state_dict().items()}
