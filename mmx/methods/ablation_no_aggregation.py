"""Ablation: every update replaces the relevance instead of adding to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmx.methods._propagation import fused_attention
from mmx.methods.base import Method, Rows
from mmx.schedule import Link, sites_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from mmx.arrays import Float, Matrix
    from mmx.capture import Capture, Readout


@dataclass(frozen=True)
class _Product:
    """A product of maps, each perhaps transposed, of which only rows are ever read. No factors: the identity."""

    factors: tuple[tuple[Matrix, bool], ...] = ()

    @property
    def transposed(self) -> _Product:
        return _Product(tuple((factor, not turned) for factor, turned in reversed(self.factors)))

    def __matmul__(self, other: _Product) -> _Product:
        return _Product(self.factors + other.factors)

    def row(self, readout: Readout, size: int, dtype: torch.dtype) -> Float[Tensor, "items cols"]:
        """That row of the product."""
        if not self.factors:
            return readout.unit(size, dtype).squeeze(1)
        (first, turned), *others = self.factors
        row = (first.times(readout.unit(size, dtype).mT).mT if turned else readout.of(first).unsqueeze(1))
        for factor, turned in others:
            row = factor.times(row.mT).mT if turned else factor.rows_times(row)
        return row.squeeze(1)


def ablation_no_aggregation(capture: Capture) -> Rows:
    fused = fused_attention(capture)
    # A pair of streams that is absent has no relevance.
    state: dict[tuple[str, str], _Product] = {(stream, stream): _Product() for stream in capture.streams}
    attended = {(site.rows, site.cols) for site in sites_of(capture.schedule)}
    for step in capture.schedule:
        before = dict(state)
        if isinstance(step, Link):
            shares = _Product(((capture.links[step], False),))
            state |= {(step.rows, cols): shares @ old for (rows, cols), old in before.items() if rows == step.cols}
            continue
        for site in step:
            if site not in fused:
                continue
            by = _Product(((fused[site], False),))
            if site.is_self:
                state |= {key: by @ old for key, old in before.items() if key[0] == site.rows}
                continue
            rows, cols = site.rows, site.cols
            own, other, back = before.get((rows, rows)), before.get((cols, cols)), before.get((cols, rows))
            if (cols, rows) in attended:  # eq. 11 is for streams that attend to each other
                state.pop((rows, rows), None)
                state |= {} if back is None else {(rows, rows): by @ back}
            state.pop((rows, cols), None)
            if own is not None and other is not None:
                state[rows, cols] = own.transposed @ by @ other
    return {(readout.stream, cols): _row(state.get((readout.stream, cols)), capture, readout, cols)
            for readout in capture.readouts for cols in capture.streams}


def _row(product: _Product | None, capture: Capture, readout: Readout,
         cols: str) -> Float[Tensor, "items {capture.sizes[cols]}"]:
    if product is None:
        return readout.index.new_zeros(len(readout.index), capture.sizes[cols], dtype=capture.dtype)
    return product.row(readout, capture.sizes[readout.stream], capture.dtype)


METHOD = Method(
    name="ablation-no-aggregation",
    summary="Relevance in which each layer replaces what came before instead of adding to it.",
    source="Chefer, Gur & Wolf 2021, ablation of the aggregation in eq. 6, 7, 10, 11",
    needs=("attention", "gradient"),
    rows=ablation_no_aggregation,
    in_paper=True,
    departs="As in the reference's code, without the identity and without normalisation. On LXMERT the relevance of "
            "one modality becomes exactly zero: the first cross-attention sets R[text,text] to Ā R[image,text] = 0.",
)
