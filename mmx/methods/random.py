"""Random: the control that every comparison needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.methods.base import Method, Rows
from mmx.schedule import reached

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.arrays import Float
    from mmx.capture import Capture, Readout


def random(capture: Capture) -> Rows:
    return {(readout.stream, cols): _drawn(capture, readout, cols, number)
            for number, cols in enumerate(capture.streams)
            for readout in capture.readouts if cols in reached(capture.schedule, readout.stream)}


def _drawn(capture: Capture, readout: Readout, stream: str,
           number: int) -> Float[Tensor, "items {capture.sizes[stream]}"]:
    """Uniform in [0, 1) for each token that counts, from the item's seed and the row that is read; 0 for padding."""
    import numpy as np

    valid = capture.valid[stream].cpu().numpy()
    values = np.zeros(valid.shape)
    for row, mask, seed, index in zip(values, valid, capture.seeds, readout.index.tolist(), strict=True):
        row[mask] = np.random.default_rng([seed, number, index]).random(int(mask.sum()))
    return capture.valid[stream].new_tensor(values, dtype=capture.dtype)


METHOD = Method(
    name="random",
    summary="Uniform random scores, seeded by picture and question: what no explanation may fall below.",
    source="control; none in the paper",
    needs=(),
    rows=random,
    in_paper=True,
)
