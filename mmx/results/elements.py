"""What the tokens of a stream are in the world: words, patches of a picture, regions of a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mmx.arrays import Float

Box = tuple[float, float, float, float]
"""left, top, right, bottom in the picture's pixels"""


@dataclass(frozen=True)
class Token:
    """One token of a text.

    Attributes:
        text: as the reader typed it; `piece`: as the tokenizer has it.
        special: the tokenizer added it, such as [CLS].
        span: where it begins and ends in the text, in characters; None of a special one.
    """

    text: str
    piece: str
    special: bool
    span: tuple[int, int] | None


@dataclass(frozen=True)
class Region:
    """A part of a picture: `box_xyxy_px` in its pixels, and, where the region provider says so, its `label`.

    `confidence` is how sure the provider is of that, from 0 to 1.
    """

    box_xyxy_px: Box
    label: str | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Words:
    """A `text` and its `tokens`, in order."""

    kind: ClassVar[str] = "words"
    text: str
    tokens: tuple[Token, ...]

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class Patches:
    """A grid of patches, `rows` x `columns`, row by row, over the part `box_xyxy_px` of a picture.

    That part may reach beyond the picture's edge. `picture` is the place among an explanation's pictures.
    """

    kind: ClassVar[str] = "patches"
    rows: int
    columns: int
    box_xyxy_px: Box
    picture: int = 0

    def __len__(self) -> int:
        return self.rows * self.columns

    @property
    def patch_area(self) -> float:
        """Of one patch, in square pixels; as it is drawn, so that none is of a part without width or height."""
        left, top, right, bottom = self.box_xyxy_px
        return max(right - left, 1) / max(1, self.columns) * max(bottom - top, 1) / max(1, self.rows)

    @property
    def boxes_xyxy_px(self) -> tuple[Box, ...]:
        """The box of each patch."""
        left, top, right, bottom = self.box_xyxy_px
        width, height = (right - left) / max(1, self.columns), (bottom - top) / max(1, self.rows)
        return tuple((left + column * width, top + row * height, left + (column + 1) * width, top + (row + 1) * height)
                     for row in range(self.rows) for column in range(self.columns))


@dataclass(frozen=True)
class Regions:
    """The `regions` of a picture, in any order; `provider` says who found them.

    `picture` is the place among an explanation's pictures.
    """

    kind: ClassVar[str] = "regions"
    regions: tuple[Region, ...]
    provider: str = ""
    picture: int = 0

    def __len__(self) -> int:
        return len(self.regions)

    @property
    def boxes_xyxy_px(self) -> tuple[Box, ...]:
        """The box of each region."""
        return tuple(region.box_xyxy_px for region in self.regions)


WRITTEN = "answer"
"""The stream of what the model itself wrote."""
Element = Words | Patches | Regions
Elements = Mapping[str, tuple[Element, ...]]
"""stream → what its tokens are, one block of them after another"""


@dataclass(frozen=True)
class Block:
    """Some consecutive tokens of a `stream`: the `element` that they are, and their raw `scores`, finite."""

    stream: str
    element: Element
    scores: Float[np.ndarray, " tokens"]

    def __repr__(self) -> str:
        return f"<Block of {len(self.element)} {self.element.kind}, {self.stream}>"


def evened(patches: Sequence[Patches], scores: Sequence[Float[np.ndarray, " tokens"]]
           ) -> list[Float[np.ndarray, " tokens"]]:
    """Scores of grids that lie over one another, made comparable: what of each falls on an area as large as the
    smallest patch of them, if it is spread evenly over its own patch.

    Where those of all grids are added, each token counts for as much as its score, whatever the size of its patch. A
    single grid's scores stay as they are.
    """
    smallest = min((grid.patch_area for grid in patches), default=0)
    return [values * (smallest / grid.patch_area) for grid, values in zip(patches, scores, strict=True)]
