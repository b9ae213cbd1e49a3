"""Numbers of the tokens of a grid, row by row: in windows, and merged."""

from typing import Any


def in_windows(grid: tuple[int, int], size: int, shift: int = 0) -> Any:
    """The tokens of each window of `size` x `size`, (windows, size²), -1 for padding.

    The grid is padded to whole windows at the right and below, then rolled to the left and up by `shift`.
    """
    import torch
    from torch.nn.functional import pad

    rows, columns = grid
    places = pad(torch.arange(rows * columns).view(grid), (0, -columns % size, 0, -rows % size), value=-1)
    rolled = places.roll((-shift, -shift), (0, 1))
    return rolled.unflatten(1, (-1, size)).unflatten(0, (-1, size)).transpose(1, 2).flatten(2).flatten(0, 1)


def merged(grid: tuple[int, int], by: int = 2) -> Any:
    """The token of a grid `by` times as coarse, rounded up, that each becomes a part of, (1, tokens)."""
    import torch

    rows, columns = (torch.arange(side) // by for side in grid)
    return (rows[:, None] * -(-grid[1] // by) + columns).view(1, -1)
