"""What an attention map is made of, seen where an unmodified model mixes its values by it.

Classes that mix by SDPA make no map: its query and key are kept, and rows are made of them when they are read. Classes
with a softmax of their own make theirs anyway: it is kept beside the values that it is multiplied with.
"""

from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.overrides import TorchFunctionMode

from mmx.arrays import Float, Shaped
from mmx.capture.choice import Places
from mmx.capture.windows import Windows

MATMULS = frozenset({torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm})
SDPA = torch.nn.functional.scaled_dot_product_attention

# Numbers of a block of rows, of one item: what the caches of a CPU hold, and what keeps a GPU busy.
_CPU_BLOCK, _GPU_BLOCK = 2**19, 2**24
_REHEARSED_BLOCKS = 8


@dataclass(frozen=True)
class Mixed:
    """One attention of a forward, in the graph where one was asked for: output = map · value.

    Attributes:
        map: where the model made it itself; else it is softmax(scale · query keyᵀ + mask).
        value, output: None of a map whose product with its values was not seen.
        mask: True where a row may look, or what is added; over all heads and rows where these axes are 1.
        causal: no row looks behind its own place.
        windows: where tokens attend to their own window alone: each is an entry of the batch.
        outputs: of each call, where every window was one of its own: `output` is what they gave, put together.
    """

    query: Float[Tensor, "batch heads rows width"] | None = None
    key: Float[Tensor, "batch _heads cols width"] | None = None
    value: Float[Tensor, "batch _heads cols _width"] | None = None
    output: Float[Tensor, "batch heads rows _width"] | None = None
    map: Float[Tensor, "batch heads rows cols"] | None = None
    mask: Shaped[Tensor, "#batch #heads #rows cols"] | None = None
    causal: bool = False
    scale: float = 1.0
    windows: Windows | None = None
    outputs: tuple[Float[Tensor, "1 heads _rows _width"], ...] = ()

    @property
    def tokens(self) -> tuple[int, int]:
        """Rows and columns of the streams."""
        return self.shape[2:] if self.windows is None else (self.windows.size, self.windows.size)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Batch, heads, rows, cols, of each window where there are some."""
        if self.map is not None:
            batch, heads, rows, cols = self.map.shape
            return batch, heads, rows, cols
        assert self.query is not None and self.key is not None
        batch, heads, rows, _ = self.query.shape
        return batch, heads, rows, self.key.shape[2]

    def map_rows(self, rows: slice, key: Float[Tensor, "batch heads cols width"],
                 ) -> Float[Tensor, "batch heads _rows cols"]:
        """Some rows of a map that is made of queries and keys; the keys are given for each head."""
        assert self.query is not None
        mask = self.mask if self.mask is None or self.mask.shape[2] == 1 else self.mask[:, :, rows]
        return attention_rows(self.query[:, :, rows], key, self.scale, mask, rows.start if self.causal else None)

    def departure(self) -> float | None:
        """How far map · value is from the output at most, beside its largest entry; None where either is not known."""
        if self.value is None or self.output is None:
            return None
        heads, rows = self.shape[1:3]
        map_ = self.map
        if map_ is None:
            assert self.key is not None
            map_ = self.map_rows(slice(0, rows), of_all_heads(self.key, heads))
        output = self.output.detach()
        apart = (map_.detach() @ of_all_heads(self.value.detach(), heads) - output).abs()
        real = None if self.windows is None else self.windows.valid(None, len(apart) // self.windows.count)
        apart = apart.max() if real is None else (apart * real[:, None, :, None]).max()
        return float(apart / output.abs().max().clamp(min=torch.finfo(output.dtype).tiny))

    def outside_the_graph(self) -> "Mixed":
        """The same for those who take no gradient of it."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return replace(self, outputs=(), **{name: value.detach() for name, value in values.items()
                                            if isinstance(value, Tensor)})

    @property
    def reached(self) -> Tensor:
        """What the score is differentiated by: d score / d map = d score / d output · valueᵀ."""
        found = self.map if self.output is None else self.output
        assert found is not None
        return found

    @property
    def in_graph(self) -> tuple[Tensor, ...]:
        """The same as it is in the graph: of every call."""
        return self.outputs or (self.reached,)

    def of_items(self, gradients: list[Tensor], places: Places,
                 batched: bool) -> Float[Tensor, "_items heads _rows _any"]:
        """The gradient of each item, of that of each turn where several were `batched`; of each window by itself."""
        gradient = gradients[0] if len(gradients) == 1 else joined_calls(gradients, self.shape[2])
        within = places.within(self.windows)
        if batched:
            return gradient[places.turn_index.repeat_interleave(self.windows.count if self.windows else 1),
                            within.index]
        return gradient if within.are_all(len(gradient)) else gradient[within.index]


def mixed_by_sdpa(output: Tensor, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None,
                  dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None,
                  enable_gqa: bool = False) -> Mixed:
    """Of the arguments of a call of SDPA, and what it gave."""
    mask = attn_mask if attn_mask is None else attn_mask[(None,) * (4 - attn_mask.dim())]
    return Mixed(query, key, value, output, mask=mask, causal=is_causal,
                 scale=query.shape[-1]**-0.5 if scale is None else scale)


def in_windows_of_their_own(calls: Sequence[Mixed]) -> Mixed:
    """Several calls of one attention, each for one window of one sample, as a batch of windows of one width."""
    width = max(one.shape[2] for one in calls)

    def together(name: str) -> Tensor:
        return joined_calls([getattr(one, name).detach() for one in calls], width)

    real = torch.tensor([one.shape[2] for one in calls], device=calls[0].reached.device)
    mask = torch.arange(width, device=real.device) < real[:, None]
    return Mixed(together("query"), together("key"), together("value"), together("output"),
                 mask=None if mask.all() else mask[:, None, None], scale=calls[0].scale,
                 outputs=tuple(one.reached for one in calls))


def joined_calls(values: Sequence[Float[Tensor, "*turns 1 heads _rows any"]],
                 width: int) -> Float[Tensor, "*turns calls heads {width} any"]:
    """What calls gave, each padded to one number of rows."""
    return torch.cat([pad(one, (0, 0, 0, width - one.shape[-2])) for one in values], dim=-4)


def of_all_heads(values: Float[Tensor, "batch _heads *rest"], heads: int) -> Float[Tensor, "batch {heads} *rest"]:
    """Keys or values of grouped queries, each as often as heads share it."""
    shared = heads // values.shape[1]
    return values if shared == 1 else values.repeat_interleave(shared, dim=1)


Inside = Callable[[int], None]
"""Is told by how much larger what is made now is than it would be, were it not rehearsed."""
REHEARSED: ContextVar[Inside | None] = ContextVar("REHEARSED", default=None)
"""Set while a call is rehearsed, where an operation takes long however small it is: many blocks are fewer there."""


def row_blocks(rows: int, numbers_a_row: int, device: torch.device, times: int = 1) -> Iterator[slice]:
    """All rows of a map, as many at a time as suit the device, or `times` as many, however many items there are."""
    step = times * _rows_at_once(numbers_a_row, device)
    return (slice(start, min(rows, start + step)) for start in range(0, rows, step))


def passing_blocks(rows: int, numbers_a_row: int, device: torch.device) -> Iterator[slice]:
    """The same where nothing of the size of a block is kept: in a rehearsal larger ones, that count as these."""
    alone = REHEARSED.get() is None
    times = 1 if alone else max(1, rows // _rows_at_once(numbers_a_row, device) // _REHEARSED_BLOCKS)
    for block in row_blocks(rows, numbers_a_row, device, times):
        with made_larger(times):
            yield block


def _rows_at_once(numbers_a_row: int, device: torch.device) -> int:
    return max(1, (_CPU_BLOCK if device.type == "cpu" else _GPU_BLOCK) // numbers_a_row)


@contextmanager
def made_larger(times: int) -> Iterator[None]:
    """What is made inside is larger by this than it would be, were it not rehearsed."""
    inside = REHEARSED.get()
    if inside is None:
        yield
        return
    inside(times)
    try:
        yield
    finally:
        inside(1)


def attention_rows(query: Float[Tensor, "#batch heads rows width"], key: Float[Tensor, "#batch heads cols width"],
                   scale: float, mask: Shaped[Tensor, "#batch #heads #rows cols"] | None,
                   last: Shaped[Tensor, "*#rows_of_items"] | int | None) -> Float[Tensor, "#batch heads rows cols"]:
    """Some rows of softmax(scale · query keyᵀ + mask), a row that may look nowhere at all being even.

    Args:
        query, mask: of those rows alone.
        last: the last column that each row may look at, broadcast to (batch, heads, rows), or that of the first of
            rows that follow each other; None if any.
    """
    scores = (query * scale) @ key.mT
    lowest = torch.finfo(scores.dtype).min
    if mask is not None:
        scores = scores.masked_fill_(~mask, lowest) if mask.dtype == torch.bool else scores + mask
    if isinstance(last, int):
        behind = scores[..., last:]
        behind.masked_fill_(torch.ones(behind.shape[-2:], dtype=torch.bool, device=key.device).triu_(1), lowest)
    elif last is not None:
        scores.masked_fill_(torch.arange(key.shape[2], device=key.device) > last.unsqueeze(-1), lowest)
    return scores.softmax(dim=-1)


class Watching(TorchFunctionMode):
    """Tells of each call of SDPA, and of each product with a tensor that is waited for.

    Args:
        on_sdpa: given what was mixed.
        on_product: given the first factor, the second one and their product.
        waited: ids of the first factors that are told of.
    """

    def __init__(self, on_sdpa: Callable[[Mixed], None], on_product: Callable[[Tensor, Tensor, Tensor], None],
                 waited: Container[int]) -> None:
        super().__init__()
        self._on_sdpa, self._on_product, self._waited = on_sdpa, on_product, waited

    def __torch_function__(self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None) -> Any:
        given = kwargs or {}
        output = func(*args, **given)
        if func is SDPA:
            self._on_sdpa(mixed_by_sdpa(output, *args, **given))
        elif func in MATMULS and len(args) == 2 and id(args[0]) in self._waited:
            self._on_product(args[0], args[1], output)
        return output
