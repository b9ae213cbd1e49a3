"""What running something takes: bytes that live at once, the work of each operation, and how long a device needs.

A rehearsal goes through the same lines as the thing itself, but its large tensors have shapes and no numbers.
"""

import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

Network = TypeVar("Network", bound=nn.Module)

_ATEN = torch.ops.aten
_SCALAR = _ATEN._local_scalar_dense.default
_INDEXED = {_ATEN.index.Tensor, _ATEN.index_put.default, _ATEN.index_put_.default}
# Small calls that are timed together, and how much longer a model's code takes around each.
_CALLS, _AROUND = 64, 12
# Attention on the CPU: where its query is among the arguments, and how many products with whole maps it makes.
_ON_CPU = {_ATEN._scaled_dot_product_flash_attention_for_cpu: (0, 2),
           _ATEN._scaled_dot_product_flash_attention_for_cpu_backward: (1, 5)}


class Counting(TorchDispatchMode):
    """Counts what the operations inside take.

    Attributes:
        peak: most bytes that lived at once, of tensors that were made inside.
        work: (floating point operations, bytes read and written) of each operation that is more than a view.
        times: how much larger what is made now is than it would be, if it were not rehearsed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self.times = 1
        self.work: list[tuple[int, int]] = []
        self._known: dict[int, weakref.ref] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if func.namespace == "prim":  # what is asked of a tensor without numbers about itself
            return func(*args, **kwargs)
        args, kwargs = self._taken(args, kwargs)
        leaves = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        output = self._run(func, args, kwargs, leaves)
        given = _by_storage(leaves)
        new = [one for key, one in _by_storage(tree_leaves(output)).items() if key not in given]
        for one in new:
            self._lives(one.untyped_storage())
        if new or func._schema.is_mutable:
            moved = sum(one.numel() * one.element_size() for one in (*given.values(), *new))
            self.work.append((_operations(func, args, kwargs, output), moved))
        return output

    def _taken(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        return args, kwargs

    def _run(self, func: Any, args: tuple, kwargs: dict, leaves: list[Tensor]) -> Any:
        return func(*args, **kwargs)

    def _lives(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes() // self.times
        if key in self._known:
            return

        def gone(_: object) -> None:
            del self._known[key]
            self.live -= size

        self._known[key] = weakref.ref(storage, gone)
        self.live += size
        self.peak = max(self.peak, self.live)


def _by_storage(values: list[Any]) -> dict[int, Tensor]:
    return {one.untyped_storage()._cdata: one for one in values if isinstance(one, Tensor)}


def _operations(func: Any, args: tuple, kwargs: Mapping[str, Any], output: Any) -> int:
    """Of matrix products, convolutions and attention, which the others are nothing beside."""
    packet = func.overloadpacket
    if packet in _ON_CPU:  # which PyTorch does not count
        first, times = _ON_CPU[packet]
        return times * 2 * args[first].numel() * args[first + 1].shape[-2]
    count = flop_registry.get(packet)
    return 0 if count is None else int(count(*args, **kwargs, out_val=output))


class Rehearsal(Counting):
    """Runs for real what is made of no large tensor, such as places and masks, whose numbers decide what follows."""

    def __init__(self, fake: FakeTensorMode) -> None:
        super().__init__()
        self._fake = fake

    def shaped(self, values: Tensor) -> Tensor:
        """A tensor of this shape, without numbers."""
        return values if isinstance(values, FakeTensor) else self._fake.from_tensor(values)

    def _taken(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """What a loaded model holds stands for its shape."""
        if not any(isinstance(one, nn.Parameter) for one in args):
            return args, kwargs
        return tuple(self.shaped(one) if isinstance(one, nn.Parameter) else one for one in args), kwargs

    def _run(self, func: Any, args: tuple, kwargs: dict, leaves: list[Tensor]) -> Any:
        shaped = next((one for one in leaves if isinstance(one, FakeTensor)), None)
        if shaped is not None and func is _SCALAR:
            return _said_of(shaped, Tensor.item)
        if shaped is not None and func is _ATEN.nonzero.default:
            with unset_fake_temporarily():
                return torch.ones(shaped.shape, device=shaped.device).nonzero()
        if shaped is not None:
            return func(*args[:1], _as_places(args[1]), *args[2:], **kwargs) if func in _INDEXED else func(
                *args, **kwargs)
        with unset_fake_temporarily():
            return func(*args, **kwargs)


def _as_places(indices: list[Tensor | None]) -> list[Tensor | None]:
    """Masks whose numbers are there tell how many places they pick."""
    with unset_fake_temporarily():
        return [place for one in indices for place in (
            one.nonzero().unbind(1) if one is not None and one.dtype == torch.bool and not isinstance(one, FakeTensor)
            else [one])]


class _Said(TorchFunctionMode):
    """What is read out of a tensor without numbers."""

    def __torch_function__(self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func in (Tensor.tolist, Tensor.item) and isinstance(args[0], FakeTensor):
            return _said_of(args[0], func)
        return func(*args, **(kwargs or {}))


def _said_of(shaped: Tensor, read: Callable[[Tensor], Any]) -> Any:
    """Conditions hold, numbers are 0: the first class is the predicted one."""
    with unset_fake_temporarily():
        return read(torch.full(shaped.shape, shaped.dtype == torch.bool, dtype=shaped.dtype))


@contextmanager
def rehearsal(network: nn.Module) -> Iterator[Rehearsal]:
    """What runs on the network inside, on tensors of `Rehearsal.shaped`, takes neither memory nor time there."""
    first = next(network.parameters())
    fake = first.fake_mode if isinstance(first, FakeTensor) else FakeTensorMode(allow_non_fake_inputs=True)
    with fake, Rehearsal(fake) as counted, _Said():
        yield counted


def without_numbers(make: Callable[[], Network]) -> Network:
    """A network that takes no memory, for rehearsals."""
    with FakeTensorMode(allow_non_fake_inputs=True), _Said():
        return make()


@dataclass(frozen=True)
class Speed:
    """What a device does in a second, and how long any operation takes."""

    operations: float
    bytes: float
    call: float

    def seconds(self, work: list[tuple[int, int]]) -> float:
        """Of all operations, one after another."""
        return sum(self.call + done / self.operations + moved / self.bytes for done, moved in work)


def speed_of(device: str, dtype: torch.dtype) -> Speed:
    """Measured, in less than half a second on a CPU."""
    on = torch.device(device)
    side, count = (512, 2**22) if on.type == "cpu" else (4096, 2**26)
    square, small = (torch.ones(size, size, device=on, dtype=dtype) for size in (side, 4))
    long = torch.ones(count, device=on, dtype=dtype)
    call = _AROUND * _seconds(lambda: _small_calls(small), on) / _CALLS
    return Speed(2 * side**3 / _seconds(lambda: square @ square, on),
                 2 * count * long.element_size() / _seconds(lambda: long.neg(), on), call)




def _small_calls(small: Tensor) -> None:
    for _ in range(_CALLS // 2):
        small = nn.functional.linear(small, small).relu()


def _seconds(run: Callable[[], object], device: torch.device) -> float:
    taken = []
    for _ in range(6):
        started = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - started)
    return sorted(taken)[1]
