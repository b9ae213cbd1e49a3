"""Regions without a detector: a grid over the picture, each cell described by its own pixels."""

from collections.abc import Sequence
from math import isqrt
from typing import Any

import numpy as np
import torch
from PIL.Image import Image, Resampling

from mmx.elements.providers.base import RegionProvider, RegionSet
from mmx.errors import shown_value

_MOST = 64  # rows, and columns


class GridRegions:
    """`rows` × `columns` cells; features are each cell's shrunken RGB pixels in [-1, 1], padded with zeros."""

    def __init__(self, rows: int, columns: int, feature_size: int) -> None:
        self._rows, self._columns, self._size = rows, columns, feature_size
        self._side = max(1, isqrt(feature_size // 3))
        self.name = f"{rows}x{columns} grid of pixels"

    def regions(self, images: Sequence[Image]) -> list[RegionSet]:
        return [self._of(image) for image in images]

    def _of(self, image: Image) -> RegionSet:
        side, rows, columns = self._side, self._rows, self._columns
        small = image.convert("RGB").resize((columns * side, rows * side), Resampling.BOX)
        pixels = torch.from_numpy(np.asarray(small, dtype=np.float32) / 127.5 - 1)
        cells = pixels.reshape(rows, side, columns, side, 3).transpose(1, 2).reshape(rows * columns, -1)
        features = torch.nn.functional.pad(cells[:, :self._size], (0, max(0, self._size - cells.shape[1])))
        ys, xs = torch.meshgrid(torch.arange(rows) / rows, torch.arange(columns) / columns, indexing="ij")
        corner = torch.stack([xs, ys], dim=-1).reshape(-1, 2)
        boxes_xyxy_unit = torch.cat([corner, corner + torch.tensor([1 / columns, 1 / rows])], dim=1)
        return RegionSet(features, boxes_xyxy_unit, (None,) * len(cells), (None,) * len(cells))


def build(options: dict[str, Any], device: str, feature_size: int) -> RegionProvider:
    """`rows` and `columns`, 6 each unless given: 36 regions, as many as LXMERT was trained on.

    Raises ValueError where one of them is no number of rows.
    """
    rows, columns = (_checked(options.get(name, 6), name) for name in ("rows", "columns"))
    return GridRegions(rows, columns, feature_size)


def _checked(count: object, name: str) -> int:
    if type(count) is not int or not 1 <= count <= _MOST:
        raise ValueError(f"its {name} are {shown_value(count)}, and a grid has from 1 to {_MOST}")
    return count
