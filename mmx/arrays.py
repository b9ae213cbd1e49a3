"""Shapes in signatures: `Float[Tensor, "heads rows columns"]` is a tensor, and says which.

The words are jaxtyping's (`...` for any axes, `_name` for an axis that is only told, `1`, `4`); a leading space tells
ruff that a single one is no name. Tests put jaxtyping in their place, which checks every call (tests/conftest.py).
"""

from typing import Annotated as Bool
from typing import Annotated as Float
from typing import Annotated as Int
from typing import Annotated as Shaped

__all__ = ["Bool", "Float", "Int", "Shaped"]
