"""Attention maps taken where an unmodified model computes them: the only hooks of mmx.

`output_attentions=True` would yield 19 of the 32 maps of LXMERT. Parameters stay out of the graph: it starts at the
modules that a family names as its roots.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mmx.arrays import Bool, Float
from mmx.errors import CaptureError
from mmx.schedule import Schedule, Site, sites_of

Hook = Callable[[nn.Module, tuple, Any], Any]
"""(module, its inputs, its output) → another output, or None."""

_ROW_SUM_TOLERANCE = {torch.float64: 1e-5, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 5e-2}


class Recording:
    """The attention maps of one forward, by module and call."""

    def __init__(self) -> None:
        self._maps: dict[str, list[Tensor]] = defaultdict(list)

    def hook(self, module: str) -> Hook:
        """What takes the maps of a module as it runs."""
        def store(_module: nn.Module, _inputs: tuple, output: Tensor | tuple) -> None:
            self._maps[module].append(output if isinstance(output, Tensor) else output[1])

        return store

    def maps(self, schedule: Schedule) -> dict[Site, Float[Tensor, "_batch _heads _rows _cols"]]:
        """One checked map per site, still in the graph."""
        maps = {site: self._one(site) for site in sites_of(schedule)}
        sizes: dict[str, int] = {}
        for site, found in maps.items():
            for stream, size in ((site.rows, found.shape[2]), (site.cols, found.shape[3])):
                if sizes.setdefault(stream, size) != size:
                    raise CaptureError(f"{site.module} has {size} {stream} tokens where others have {sizes[stream]}.")
            sums = found.detach().sum(dim=-1)
            if not (sums - 1).abs().max() <= _ROW_SUM_TOLERANCE[found.dtype]:
                raise CaptureError(f"The rows of the attention map of {site.module} do not sum to 1.",
                                   "The model is not run with eager attention, or the hook is at the wrong module.")
        return maps

    def _one(self, site: Site) -> Float[Tensor, "batch heads rows cols"]:
        found = self._maps[site.module]
        if len(found) <= site.call or not isinstance(found[site.call], Tensor):
            raise CaptureError(f"No attention map came out of {site.module} (call {site.call + 1}).",
                               "Is the model loaded with attn_implementation='eager'?")
        if found[site.call].dim() != 4:
            raise CaptureError(f"{site.module} gives a map of {found[site.call].dim()} dimensions, expected "
                               "(batch, heads, rows, cols).")
        return found[site.call]


@contextmanager
def recording(network: nn.Module, schedule: Schedule, graph_roots: Sequence[str]) -> Iterator[Recording]:
    """Records every site of the forwards inside; hooks, training mode and parameters are as before afterwards."""
    record = Recording()
    training = [module for module in network.modules() if module.training]
    unfrozen = [parameter for parameter in network.parameters() if parameter.requires_grad]
    handles, opened = [], []
    try:
        network.eval()
        for parameter in unfrozen:
            parameter.requires_grad = False
        for name in {site.module: None for site in sites_of(schedule)}:
            module = _submodule(network, name)
            if isinstance(module, nn.MultiheadAttention):
                opened.append((module, vars(module).get("forward")))
                module.forward = partial(attention_with_map, module)  # type: ignore[method-assign]
            handles.append(module.register_forward_hook(record.hook(name)))
        handles += [_start_graph_at(network, name) for name in graph_roots]
        yield record
    finally:
        for handle in handles:
            handle.remove()
        for module, own in opened:
            del module.forward
            if own is not None:
                module.forward = own
        for module in training:
            module.training = True
        for parameter in unfrozen:
            parameter.requires_grad = True


def attention_with_map(module: nn.MultiheadAttention, query: Float[Tensor, "batch rows width"],
                       key: Float[Tensor, "batch cols width"], value: Float[Tensor, "batch cols width"],
                       **_: object) -> tuple[Float[Tensor, "batch rows width"], Float[Tensor, "batch heads rows cols"]]:
    """What PyTorch's own attention module gives, and the map of each head that it is made of.

    The module itself hands out a mean over heads, aside from the graph. Without masks, batch first.
    """
    if not module.batch_first or module.bias_k is not None or module.in_proj_weight is None:
        raise CaptureError("A torch.nn.MultiheadAttention of this kind is not read.",
                           "It must be batch first, without biases of keys, with projections of one size.")
    weights, width = module.in_proj_weight.chunk(3), module.embed_dim
    biases = (None,) * 3 if module.in_proj_bias is None else module.in_proj_bias.chunk(3)
    heads, size = module.num_heads, width // module.num_heads
    q, k, v = (nn.functional.linear(one, weight, bias).view(len(one), -1, heads, size).transpose(1, 2)
               for one, weight, bias in zip((query, key, value), weights, biases, strict=True))
    attention = (torch.matmul(q, k.transpose(-1, -2)) * size**-0.5).softmax(dim=-1)
    mixed = torch.matmul(attention, v).transpose(1, 2).reshape(len(query), -1, width)
    return module.out_proj(mixed), attention


def _submodule(network: nn.Module, name: str) -> nn.Module:
    """The module of this name, or of the first that is there of "name|older name"."""
    for one in name.split("|"):
        try:
            return network.get_submodule(one)
        except AttributeError:
            continue
    raise CaptureError(f"{type(network).__name__} has no module {name.replace('|', ' or ')}.",
                       "The checkpoint is not of the family that its config names.")


def _start_graph_at(network: nn.Module, name: str) -> RemovableHandle:
    """At the (first) output of a module, "module", or at what it is given under a name, "module:argument"."""
    module, _, argument = name.partition(":")
    if not argument:
        return _submodule(network, module).register_forward_hook(
            lambda _module, _inputs, output: _start_graph(output if isinstance(output, Tensor) else output[0]))

    def start(_module: nn.Module, _args: tuple, given: dict) -> None:
        if argument not in given:
            raise CaptureError(f"{module} was not given {argument} by name, so the graph cannot start there.")
        _start_graph(given[argument])

    return _submodule(network, module).register_forward_pre_hook(start, with_kwargs=True)


def _start_graph(values: Tensor) -> None:
    if torch.is_grad_enabled() and not values.requires_grad:
        values.requires_grad_()


@contextmanager
def silenced_calls(network: nn.Module, modules: Sequence[str], call: int,
                   silent: Bool[Tensor, " batch"]) -> Iterator[None]:
    """The first output of each module's `call`-th call is zero for the samples that are `silent`."""
    calls: dict[str, int] = defaultdict(int)

    def silencing(name: str) -> Hook:
        def hook(_module: nn.Module, _inputs: tuple, output: tuple) -> tuple | None:
            calls[name] += 1
            if calls[name] != call + 1:
                return None
            return (output[0].masked_fill(silent[:, None, None], 0), *output[1:])

        return hook

    handles = [_submodule(network, name).register_forward_hook(silencing(name)) for name in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
