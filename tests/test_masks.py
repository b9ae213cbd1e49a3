"""Masks out of relevance maps: which side of Otsu's threshold the threshold's own level is on."""

import pytest
import torch
from torch import Tensor

import mmx

PROTOCOLS = ("iccv21", "clean")


def masks(relevance: Tensor, protocol: str) -> Tensor:
    """On a grid of the picture's own size, so that nothing is interpolated."""
    size = tuple(relevance.shape[1:])
    return mmx.masks_from_relevance(relevance, input_size=size, image_size=size, protocol=protocol)


def by_trying(levels: list[int]) -> list[bool]:
    """Of all ways to part the levels into lower and higher ones, the one whose means are farthest apart.

    That is Otsu's: most variance between the two. What is level with the highest of the lower ones is one of them.
    """
    best, parted = -1.0, [False] * len(levels)
    for threshold in sorted(set(levels))[:-1]:
        low = [level for level in levels if level <= threshold]
        high = [level for level in levels if level > threshold]
        between = len(low) * len(high) * (sum(high) / len(high) - sum(low) / len(low)) ** 2
        if between > best:
            best, parted = between, [level > threshold for level in levels]
    return parted


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_level_with_the_threshold_is_outside_the_mask(protocol: str) -> None:
    relevance = torch.tensor([[[0.0, 0.0, 1.0], [9.0, 10.0, 10.0]]])
    assert masks(relevance, protocol).tolist() == [[[False, False, False], [True, True, True]]]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_map_of_two_values_is_parted_between_them(protocol: str) -> None:
    relevance = torch.tensor([[[-2.0, 3.0], [3.0, -2.0], [3.0, 3.0]]])
    assert masks(relevance, protocol).tolist() == [[[False, True], [True, False], [True, True]]]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("seed", range(8))
def test_a_map_is_parted_where_trying_every_threshold_parts_it(protocol: str, seed: int) -> None:
    """Whole levels from 0 to 255, of which several pixels share each."""
    generator = torch.Generator().manual_seed(seed)
    few = torch.cat([torch.tensor([0, 255]), torch.randint(1, 255, (6,), generator=generator)])
    levels = few[torch.cat([torch.tensor([0, 1]), torch.randint(8, (28,), generator=generator)])]
    found = masks(levels.reshape(1, 5, 6).double(), protocol)
    assert found.flatten().tolist() == by_trying(levels.tolist())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_constant_map_gives_an_empty_mask(protocol: str) -> None:
    assert not masks(torch.full((1, 3, 4), 0.7), protocol).any()
