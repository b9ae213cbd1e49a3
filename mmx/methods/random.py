"""Random: the control that every comparison needs."""

import numpy as np
import torch
from torch import Tensor

from mmx.capture import Capture, Readout
from mmx.methods.base import Method, Rows
from mmx.schedule import sites_of


def random(capture: Capture) -> Rows:
    attended = {(site.rows, site.cols): None for site in sites_of(capture.schedule)}
    return {(readout.stream, cols): _drawn(capture, readout, cols, number)
            for number, cols in enumerate(capture.streams)
            for readout in capture.readouts if (readout.stream, cols) in attended}


def _drawn(capture: Capture, readout: Readout, stream: str, number: int) -> Tensor:
    """Uniform in [0, 1) for each token that counts, from the item's seed and the row that is read; 0 for padding."""
    valid = capture.valid[stream].cpu().numpy()
    values = np.zeros(valid.shape)
    for row, mask, seed, index in zip(values, valid, capture.seeds, readout.index.tolist(), strict=True):
        row[mask] = np.random.default_rng([seed, number, index]).random(int(mask.sum()))
    return torch.from_numpy(values).to(capture.valid[stream].device, capture.dtype)


METHOD = Method(
    name="random",
    summary="Uniform random scores, seeded by picture and question: what no explanation may fall below.",
    source="control; none in the paper",
    needs=(),
    rows=random,
)
