"""Where the host reads a tensor: on a GPU it would wait there for all that was queued. Found without a GPU."""

import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import mmx

_TORCH = Path(torch.__file__).parent
_ROOTS = (Path(mmx.__file__).parents[1], _TORCH.parent)
_ATEN = torch.ops.aten
_READING = {_ATEN._local_scalar_dense.default, _ATEN.nonzero.default, _ATEN.equal.default,
            _ATEN.masked_select.default, _ATEN._unique2.default, _ATEN.repeat_interleave.Tensor}
_INDEXING = {_ATEN.index.Tensor, _ATEN.index_put.default, _ATEN.index_put_.default}
_METHODS = {Tensor.tolist, Tensor.cpu, Tensor.numpy}
_MAKING = {torch.tensor, torch.as_tensor}

Found = Counter[tuple[str, str]]
"""("file:line in function", what reads or copies there) → how often"""


class _Operations(TorchDispatchMode):
    def __init__(self, found: Found) -> None:
        super().__init__()
        self._found = found

    def __torch_dispatch__(self, func: Any, types: tuple, args: tuple = (), kwargs: dict | None = None) -> Any:
        masked = func in _INDEXING and any(one is not None and one.dtype == torch.bool for one in args[1])
        if func in _READING or masked:
            _add(self._found, str(func).removeprefix("aten.").partition(".")[0] + (" by a mask" if masked else ""))
        return func(*args, **(kwargs or {}))


class _Calls(TorchFunctionMode):
    def __init__(self, found: Found) -> None:
        super().__init__()
        self._found = found

    def __torch_function__(self, func: Any, types: tuple, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func in _METHODS or (func in _MAKING and "device" in (kwargs or {})):
            _add(self._found, func.__name__)
        return func(*args, **(kwargs or {}))


def host_syncs(task: Callable[[], object]) -> Found:
    """Runs a task; copies by `.to(device)` of what was made on the CPU are not seen."""
    found: Found = Counter()
    with _Calls(found), _Operations(found):
        task()
    return found


def _add(found: Found, what: str) -> None:
    """At the innermost frame outside PyTorch."""
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        if path == Path(__file__) or frame.name == "__torch_function__" or path.is_relative_to(_TORCH):
            continue
        place = path.relative_to(next((root for root in _ROOTS if path.is_relative_to(root)), Path(path.anchor)))
        found[f"{place}:{frame.lineno} in {frame.name}", what] += 1
        return
