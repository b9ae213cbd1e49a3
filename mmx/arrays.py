"""Shapes in signatures: `Float[Tensor, "heads rows columns"]` is a tensor, and says which.

The words are jaxtyping's (`...` for any axes, `_name` for an axis that is only told, `1`, `4`); a leading space tells
ruff that a single one is no name. Tests put jaxtyping in their place, which checks every call (tests/conftest.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from typing import Annotated as Bool
from typing import Annotated as Float
from typing import Annotated as Int
from typing import Annotated as Shaped

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Bool", "Float", "Int", "Shaped"]


class Matrix(Protocol):
    """(batch, rows, cols), such as eq. 5 makes of an attention map."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Items, rows, cols."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Of its numbers."""
        ...

    def rows_at(self, index: Int[Tensor, " items"]) -> Float[Tensor, "items cols"]:
        """One row of each item."""
        ...

    def rows_times(self, rows: Float[Tensor, "batch k rows"]) -> Float[Tensor, "batch k cols"]:
        """rows · matrix."""
        ...

    def times(self, columns: Float[Tensor, "batch cols k"]) -> Float[Tensor, "batch rows k"]:
        """matrix · columns."""
        ...

    def sums(self) -> Float[Tensor, "batch rows"]:
        """Sums of rows."""
        ...

    def dense(self) -> Float[Tensor, "batch rows cols"]:
        """All of it."""
        ...
