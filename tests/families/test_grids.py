"""Numbers of tokens in windows of a grid, and of those that are merged."""

from types import SimpleNamespace

import pytest
import torch

from mmx.families._grids import in_windows, merged
from mmx.families.base import Pixels
from mmx.wiring import patch_grid


def test_windows_of_a_grid_in_order() -> None:
    assert in_windows((2, 4), 2).tolist() == [[0, 1, 4, 5], [2, 3, 6, 7]]


def test_a_grid_is_padded_to_whole_windows() -> None:
    assert in_windows((3, 2), 2).tolist() == [[0, 1, 2, 3], [4, 5, -1, -1]]
    assert in_windows((1, 2), 3).tolist() == [[0, 1, -1, -1, -1, -1, -1, -1, -1]]


def test_a_grid_is_rolled_after_it_is_padded() -> None:
    assert in_windows((3, 3), 2, shift=1).tolist() == [[4, 5, 7, 8], [-1, 3, -1, 6], [-1, -1, 1, 2], [-1, -1, -1, 0]]


@pytest.mark.parametrize(("grid", "into"), [((2, 4), [0, 0, 1, 1, 0, 0, 1, 1]), ((3, 3), [0, 0, 1, 0, 0, 1, 2, 2, 3]),
                                            ((1, 3), [0, 0, 1])])
def test_two_by_two_tokens_become_one_and_fewer_at_odd_edges(grid: tuple[int, int], into: list[int]) -> None:
    assert merged(grid).tolist() == [into]


def test_a_picture_that_is_padded_to_whole_patches_has_one_more() -> None:
    config = SimpleNamespace(patch_size=[4, 8])
    pixels = torch.zeros(1, 3, 13, 16)
    assert patch_grid(Pixels(), pixels, config) == (3, 2)
    assert patch_grid(Pixels(pads=True), pixels, config) == (4, 2)
