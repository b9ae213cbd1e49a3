"""What attention maps are made of, taken where an unmodified model mixes by them: the only hooks of mmx.

`output_attentions=True` would yield 19 of the 32 maps of LXMERT, and make classes that need no map make one. Parameters
stay out of the graph: it starts at the modules that a family names as its roots.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as run_again
from torch.utils.hooks import RemovableHandle

from mmx.arrays import Bool, Float, Int, Shaped
from mmx.capture.attention import SDPA, Mixed, Watching, in_windows_of_their_own
from mmx.capture.modules import layers_around, submodule
from mmx.capture.states import Alter, Kept, beginning, keeping_layers
from mmx.capture.windows import Windows
from mmx.errors import CaptureError
from mmx.schedule import Schedule, Site, sites_of

Hook = Callable[[nn.Module, tuple, Any], Any]
"""(module, its inputs, its output) → another output, or None."""

_ROW_SUM_TOLERANCE = {torch.float64: 1e-5, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 5e-2}


class Recording:
    """The attentions of one forward, by module and call, and the states of tokens that were asked for."""

    def __init__(self) -> None:
        self.kept = Kept()
        self._found: dict[str, list[Mixed | object]] = defaultdict(list)
        self._inside: list[tuple[str, int]] = []
        self._waited: dict[int, tuple[str, int]] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Sees the calls of a forward inside."""
        def mixed(one: Mixed) -> None:
            if self._inside:
                self._found[self._inside[-1][0]].append(one)

        def multiplied(map_: Tensor, value: Tensor, output: Tensor) -> None:
            name, call = self._waited.pop(id(map_))
            self._found[name][call] = Mixed(value=value, output=output, map=map_)

        with Watching(mixed, multiplied, self._waited):
            yield

    def hooks(self, module: nn.Module, name: str) -> list[RemovableHandle]:
        """What takes the attentions of a module as it runs: those inside it, or else the map that it gives."""
        def enter(_module: nn.Module, _inputs: tuple) -> None:
            self._inside.append((name, len(self._found[name])))

        def leave(_module: nn.Module, _inputs: tuple, output: Any) -> None:
            _, before = self._inside.pop()
            if len(self._found[name]) > before:
                return
            map_ = output[1] if isinstance(output, tuple) and len(output) > 1 else output
            if isinstance(map_, Tensor) and map_.dim() == 4:
                self._found[name].append(Mixed(map=map_))
                self._waited[id(map_)] = name, before
            else:
                self._found[name].append(map_)

        return [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]

    def of_sites(self, schedule: Schedule,
                 windows: Mapping[Site, Int[Tensor, "_windows _width"]] = MappingProxyType({})) -> dict[Site, Mixed]:
        """One checked attention per site, still in the graph; `windows`: the tokens of each, of the sites with some."""
        found = {site: self._one(site) for site in sites_of(schedule)}
        found |= {site: _windowed(site, found[site], tokens) for site, tokens in windows.items()}
        sizes: dict[str, int] = {}
        for site, one in found.items():
            for stream, size in tokens_of(site, one):
                if sizes.setdefault(stream, size) != size:
                    raise CaptureError(f"{site.module} has {size} {stream} tokens where others have {sizes[stream]}.")
        for site, one in found.items():
            if site.first_rows and one.tokens[0] > sizes[site.rows]:
                raise CaptureError(f"{site.module} has {one.tokens[0]} {site.rows} tokens, of {sizes[site.rows]}.")
        _check_row_sums(found)
        return found

    def _one(self, site: Site) -> Mixed:
        found = self._found[site.module]
        if site.windows is not None and len(found) > 1:
            return in_windows_of_their_own([one for one in found if isinstance(one, Mixed)])
        one = found[site.call] if len(found) > site.call else None
        if isinstance(one, Mixed):
            return one
        if isinstance(one, Tensor):
            raise CaptureError(f"{site.module} gives a map of {one.dim()} dimensions, expected "
                               "(batch, heads, rows, cols).")
        raise CaptureError(f"No attention map came out of {site.module} (call {site.call + 1}).",
                           "It neither gives one nor mixes by scaled_dot_product_attention.")


def tokens_of(site: Site, found: Mixed) -> Iterator[tuple[str, int]]:
    """The streams whose tokens are all in a map, and how many these are."""
    rows, cols = found.tokens
    if not site.first_rows:
        yield site.rows, rows
    yield site.cols, cols


def _windowed(site: Site, one: Mixed, tokens: Int[Tensor, "windows width"]) -> Mixed:
    windows = Windows(tokens, one.reached.device)
    batch, _, *rest = one.shape
    if batch % windows.count or rest != [windows.width, windows.width]:
        raise CaptureError(f"{site.module} attends in {batch} windows of {rest[0]} tokens, where {windows.count} a "
                           f"picture of {windows.width} are expected.", "The family's file describes another model.")
    return replace(one, windows=windows)


def _check_row_sums(found: dict[Site, Mixed]) -> None:
    """Of the maps that a model makes itself; read from the device once for all of them."""
    made = {site: one.map for site, one in found.items() if one.map is not None}
    if not made:
        return
    off = torch.stack([(map_.detach().sum(dim=-1) - 1).abs().max() / _ROW_SUM_TOLERANCE[map_.dtype]
                       for map_ in made.values()]).tolist()
    for site, times in zip(made, off, strict=True):
        if not times <= 1:
            raise CaptureError(f"The rows of the attention map of {site.module} do not sum to 1.",
                               "The hook is at the wrong module.")


@contextmanager
def recording(network: nn.Module, schedule: Schedule, roots: Mapping[str, str], *, checkpoint: bool = False,
              keeps_layers: bool = False, alter: Alter | None = None) -> Iterator[Recording]:
    """Records every site of the forwards inside; hooks, training mode and parameters are as before afterwards.

    Args:
        roots: by stream, where the graph begins.
        checkpoint: layers keep no more than what they are given, and run again in a backward.
        keeps_layers: the states that leave the layers are kept.
        alter: what goes on in the place of the embeddings at the roots.
    """
    record, handles = Recording(), []
    sites = {name: submodule(network, name) for name in {site.module: None for site in sites_of(schedule)}}
    around = layers_around(network, sites).values() if checkpoint else ()
    layers = [network.get_submodule(layer) for layer in dict.fromkeys(around)]
    try:
        for name, module in sites.items():
            handles += record.hooks(module, name)
        with (explained(network, sites.values()), _checkpointed(network, layers, sites.values()),
              beginning(network, roots, record.kept, alter),
              keeping_layers(network, schedule, record.kept) if keeps_layers else nullcontext(), record.watching()):
            yield record
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def explained(network: nn.Module, attentions: Iterable[nn.Module]) -> Iterator[None]:
    """Inside, nothing is random, parameters have no part in the graph, and attentions mix by SDPA where they can."""
    training = [module for module in network.modules() if module.training]
    unfrozen = [parameter for parameter in network.parameters() if parameter.requires_grad]
    try:
        network.eval()
        for parameter in unfrozen:
            parameter.requires_grad = False
        with mixing_by_sdpa(network, attentions):
            yield
    finally:
        for module in training:
            module.training = True
        for parameter in unfrozen:
            parameter.requires_grad = True


@contextmanager
def mixing_by_sdpa(network: nn.Module, attentions: Iterable[nn.Module]) -> Iterator[None]:
    """Classes of transformers that can mix by SDPA do so inside, and PyTorch's own modules among `attentions` too."""
    configs: dict[int, tuple[Any, str, list[bool]]] = {}  # a config hands it on to those inside it, which come after it
    for module in network.modules():
        if (config := getattr(module, "config", None)) is not None and hasattr(config, "_attn_implementation"):
            *_, can = configs.setdefault(id(config), (config, config._attn_implementation, []))
            can += [module._supports_sdpa] if hasattr(module, "_supports_sdpa") else []
    opened = [(module, vars(module).get("forward")) for module in attentions
              if isinstance(module, nn.MultiheadAttention)]
    try:
        for config, before, can in configs.values():
            if can:
                config._attn_implementation = "sdpa" if all(can) else before
        for module, _ in opened:
            module.forward = partial(attention_of_heads, module)  # type: ignore[method-assign]
        yield
    finally:
        for config, before, _ in configs.values():
            config._attn_implementation = before
        for module, own in opened:
            del module.forward
            if own is not None:
                module.forward = own


@contextmanager
def _checkpointed(network: nn.Module, layers: Sequence[nn.Module], attentions: Iterable[nn.Module]) -> Iterator[None]:
    """What these layers make is not kept for a backward but made again in it (Chen et al. 2016, arXiv 1604.06174)."""
    attentions, before = list(attentions), [(layer, vars(layer).get("forward")) for layer in layers]

    def again() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        return nullcontext(), _Anew(lambda: explained(network, attentions))

    try:
        for layer in layers:
            layer.forward = partial(run_again, layer.forward, use_reentrant=False, preserve_rng_state=False,
                                    context_fn=again)  # type: ignore[method-assign]
        yield
    finally:
        for layer, own in before:
            if "forward" in vars(layer):
                del layer.forward
            if own is not None:
                layer.forward = own


class _Anew(AbstractContextManager[None]):
    """What is made anew each time it is entered: a layer runs again in every backward of a forward."""

    def __init__(self, make: Callable[[], AbstractContextManager[None]]) -> None:
        self._make, self._open = make, list[AbstractContextManager[None]]()

    def __enter__(self) -> None:
        self._open.append(self._make())
        self._open[-1].__enter__()

    def __exit__(self, *raised: Any) -> bool | None:
        return self._open.pop().__exit__(*raised)


def attention_of_heads(module: nn.MultiheadAttention, query: Float[Tensor, "... width"],
                       key: Float[Tensor, "... width"], value: Float[Tensor, "... width"],
                       key_padding_mask: Tensor | None = None, need_weights: bool = True,
                       attn_mask: Shaped[Tensor, "*_batch_and_heads rows cols"] | None = None,
                       **_: object) -> tuple[Float[Tensor, "... width"], None]:
    """What PyTorch's own attention module gives, by a call of SDPA that can be seen. Without masks of keys.

    Args:
        attn_mask: what is added to scores, or True where no row may look; of all, or of the heads of each sample.
    """
    if module.bias_k is not None or module.in_proj_weight is None or key_padding_mask is not None:
        raise CaptureError("A torch.nn.MultiheadAttention of this kind is not read.",
                           "It must be without biases or masks of keys, with projections of one size.")
    query, key, value = (one if module.batch_first else one.transpose(0, 1) for one in (query, key, value))
    weights, width = module.in_proj_weight.chunk(3), module.embed_dim
    biases = (None,) * 3 if module.in_proj_bias is None else module.in_proj_bias.chunk(3)
    q, k, v = (nn.functional.linear(one, weight, bias).view(len(one), -1, module.num_heads, width // module.num_heads)
               .transpose(1, 2) for one, weight, bias in zip((query, key, value), weights, biases, strict=True))
    mask = attn_mask
    if mask is not None:
        mask = ~mask if mask.dtype == torch.bool else mask  # SDPA's says where rows may look
        mask = mask[None, None] if mask.dim() == 2 else mask.view(len(query), module.num_heads, *mask.shape[1:])
    mixed = module.out_proj(SDPA(q, k, v, mask).transpose(1, 2).reshape(len(query), -1, width))
    return mixed if module.batch_first else mixed.transpose(0, 1), None


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

    handles = [submodule(network, name).register_forward_hook(silencing(name)) for name in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
