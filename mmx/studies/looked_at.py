"""The regions and patches of a picture that an item's relevance is of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmx.results import Block, Explanation, Item, Patches, Regions, evened


@dataclass(frozen=True)
class LookedAt:
    """What several methods say of one thing, over the regions or patches of its picture.

    Attributes:
        boxes_xyxy_px: the regions or patches that were scored, (n, 4).
        grids: of patches, the number of their grid, (n,), where several lie over one another; else all are 0.
        relevance: by method, (n,), of all grids for areas of one size.
    """

    boxes_xyxy_px: np.ndarray
    grids: np.ndarray
    relevance: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, found: Sequence[Explanation], items: Sequence[Item]) -> "LookedAt":
        """`found` by several methods, and the item of each."""
        by_method = {one.method: _looked_at(one.blocks(item)) for one, item in zip(found, items, strict=True)}
        first = next(iter(by_method.values()))
        boxes = np.array([box for element, _, _ in first for box in element.boxes_xyxy_px]).reshape(-1, 4)
        grids = np.concatenate([np.zeros(0, int), *(np.full(len(element), number) for element, number, _ in first)])
        relevance = {name: np.concatenate([np.zeros(0), *(scores for _, _, scores in parts)])
                     for name, parts in by_method.items()}
        return cls(boxes, grids, relevance)


def _looked_at(blocks: Sequence[Block]) -> list[tuple[Patches | Regions, int, np.ndarray]]:
    """The regions of each stream, and its grids of patches, each with its number and its scores made comparable."""
    found: list[tuple[Patches | Regions, int, np.ndarray]] = []
    for stream in dict.fromkeys(block.stream for block in blocks):
        own = [block for block in blocks if block.stream == stream]
        found += [(block.element, 0, block.scores) for block in own if isinstance(block.element, Regions)]
        grids = [(block.element, block.scores) for block in own if isinstance(block.element, Patches)]
        scores = evened([patches for patches, _ in grids], [values for _, values in grids])
        found += [(patches, number, values) for number, ((patches, _), values) in enumerate(
            zip(grids, scores, strict=True))]
    return found
