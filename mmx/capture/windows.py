"""Tokens of a stream in windows, each of which attends within itself."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from mmx.arrays import Bool, Int, Shaped
from mmx.errors import CaptureError


class Windows:
    """The windows of a stream, and the way there and back.

    Args:
        tokens: of each window, in its own order; -1 for padding. Every token of the stream is in one window.
        device: where the maps are.
    """

    def __init__(self, tokens: Int[Tensor, "windows width"], device: torch.device) -> None:
        self.device, (self.count, self.width) = device, tokens.shape
        flat, real = tokens.flatten(), tokens >= 0
        order = flat.argsort()[int((~real).sum()):]
        self.size = len(order)
        if not torch.equal(flat[order], torch.arange(self.size)):
            raise CaptureError(f"The windows of {self.size} tokens do not have each of them once.",
                               "The family's file describes another model.")
        self._tokens = torch.where(real, tokens, self.size).flatten().to(device, non_blocking=True)
        self._order = order.to(device, non_blocking=True)
        self._real = None if bool(real.all()) else real.to(device, non_blocking=True)

    def split(self, rows: Shaped[Tensor, "items k {self.size}"]) -> Shaped[Tensor, "windows k {self.width}"]:
        """What belongs to the tokens, for each window of each item; 0 for padding."""
        taken = pad(rows, (0, 1))[..., self._tokens]
        return taken.unflatten(-1, (self.count, self.width)).transpose(1, 2).flatten(0, 1)

    def joined(self, rows: Shaped[Tensor, "windows k {self.width}"]) -> Shaped[Tensor, "items k {self.size}"]:
        """The way back: of each token."""
        return rows.unflatten(0, (-1, self.count)).transpose(1, 2).flatten(2)[..., self._order]

    def valid(self, tokens: Bool[Tensor, "items {self.size}"] | None,
              items: int) -> Bool[Tensor, "windows {self.width}"] | None:
        """Which places of each window count, of the tokens that do, or of all; None where all places do."""
        if tokens is not None:
            return self.split(tokens.unsqueeze(1)).squeeze(1)
        return None if self._real is None else self._real.repeat(items, 1)

    def together(self, values: Shaped[Tensor, " windows *rest"]) -> Shaped[Tensor, " windows *rest"]:
        """For each window, the sum over all windows of its item."""
        return values.unflatten(0, (-1, self.count)).sum(dim=1).repeat_interleave(self.count, dim=0)

    def row_of_each(self, index: Int[Tensor, " items"]) -> tuple[Int[Tensor, " windows"],
                                                                 Bool[Tensor, "windows 1 1"]]:
        """For each window of each item the place of a token in its window, and whether that is this window."""
        places = self._order[index]
        here = (places // self.width).unsqueeze(1) == torch.arange(self.count, device=places.device)
        return (places % self.width).repeat_interleave(self.count), here.view(-1, 1, 1)
