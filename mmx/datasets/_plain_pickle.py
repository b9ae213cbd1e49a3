"""Unpickling that runs nothing: numpy arrays and plain values, as MMF writes them, and refused otherwise."""

import io
import pickle
from math import prod
from typing import Any

import numpy as np

_NUMPY = "numpy._core" if hasattr(np, "_core") else "numpy.core"
_ARRAYS = {("_reconstruct", "multiarray"), ("scalar", "multiarray"), ("_frombuffer", "numeric")}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        package, _, last = module.rpartition(".")
        if package in ("numpy.core", "numpy._core") and (name, last) in _ARRAYS:
            return super().find_class(f"{_NUMPY}.{last}", name)
        raise ValueError(f"it holds {module}.{name}, and unpickling that could run code")


def plain_unpickled(content: bytes) -> Any:
    """Raises ValueError where the bytes hold anything but arrays and plain values."""
    try:
        return _Unpickler(io.BytesIO(content)).load()
    except ValueError:
        raise
    except Exception as error:  # a damaged pickle raises whatever it likes
        raise ValueError(f"it is damaged: {error}") from error


def read_npy(content: bytes) -> np.ndarray:
    """An array out of a .npy file, one that holds pickled plain values too. Raises ValueError."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, columns_first, dtype = read_header(file)
    except Exception as error:  # numpy parses a header as Python
        raise ValueError(f"its header is damaged: {error}") from error
    if dtype.hasobject:
        return np.asarray(plain_unpickled(file.read()), dtype=object)
    if dtype.itemsize * prod(shape) != len(content) - file.tell():
        raise ValueError(f"it has {len(content) - file.tell()} bytes for {dtype} of shape {shape}")
    return np.frombuffer(bytearray(file.read()), dtype=dtype).reshape(shape, order="F" if columns_first else "C")
