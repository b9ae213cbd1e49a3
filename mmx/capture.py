"""One forward of an unmodified model, with its attention maps and what the explained scores make of them.

The only place with hooks and the only call of autograd. Maps are taken where the model computes them, since
`output_attentions=True` yields 19 of the 32 maps of LXMERT. Parameters stay out of the graph: it starts at the
modules that a family names as its roots.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmx.errors import CaptureError
from mmx.lrp import RuleMode
from mmx.schedule import Schedule, Site, sites_of

_ROW_SUM_TOLERANCE = {torch.float64: 1e-5, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 5e-2}


@dataclass(frozen=True)
class Readout:
    """Which row of a stream's relevance is read, `index` (items,)."""

    stream: str
    index: Tensor


@dataclass(frozen=True)
class Capture:
    """What methods read. An item is one (sample, target); numbers are float32 at least.

    Attributes:
        attention, gradient, lrp: (items, heads, rows, cols) by site; the latter two for the sites that were asked
            for and from which a path leads to the target.
        valid: the tokens that count, (items, tokens) bool by stream.
        seeds: a number for each item, for what is random.
        rollout_normalizes: whether rollout divides the rows of A + I by their sums, as a family has it.
    """

    schedule: Schedule
    readouts: tuple[Readout, ...]
    sizes: Mapping[str, int]
    valid: Mapping[str, Tensor]
    attention: Mapping[Site, Tensor]
    gradient: Mapping[Site, Tensor]
    lrp: Mapping[Site, Tensor]
    seeds: Sequence[int]
    rollout_normalizes: bool = True

    @property
    def dtype(self) -> torch.dtype:
        return next(iter(self.attention.values())).dtype

    @property
    def streams(self) -> tuple[str, ...]:
        return tuple(self.sizes)


class Recording:
    """The attention maps of one forward, by module and call."""

    def __init__(self) -> None:
        self._maps: dict[str, list[Tensor]] = defaultdict(list)

    def store(self, module: str, output: Tensor | tuple) -> None:
        self._maps[module].append(output if isinstance(output, Tensor) else output[1])

    def maps(self, schedule: Schedule) -> dict[Site, Tensor]:
        """One checked map per site, (batch, heads, rows, cols), still in the graph."""
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

    def _one(self, site: Site) -> Tensor:
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
    handles = []
    try:
        network.eval()
        for parameter in unfrozen:
            parameter.requires_grad = False
        for name in {site.module: None for site in sites_of(schedule)}:
            module = _submodule(network, name)
            handles.append(module.register_forward_hook(
                lambda _module, _inputs, output, name=name: record.store(name, output)))
        for name in graph_roots:
            handles.append(_submodule(network, name).register_forward_hook(_start_graph))
        yield record
    finally:
        for handle in handles:
            handle.remove()
        for module in training:
            module.training = True
        for parameter in unfrozen:
            parameter.requires_grad = True


def _submodule(network: nn.Module, name: str) -> nn.Module:
    try:
        return network.get_submodule(name)
    except AttributeError as error:
        raise CaptureError(f"{type(network).__name__} has no module {name}.",
                           "The checkpoint is not of the family that its config names.") from error


def _start_graph(_module: nn.Module, _inputs: tuple, output: Tensor) -> None:
    if torch.is_grad_enabled() and not output.requires_grad:
        output.requires_grad_()


def gradients(scores: Tensor, samples: Tensor, maps: Mapping[Site, Tensor]) -> dict[Site, Tensor]:
    """d score / d map of every item, (items, heads, rows, cols), zero-cost for sites without a path.

    Args:
        scores: explained scores, (items,).
        samples: the sample that each item belongs to, (items,).
        maps: (batch, heads, rows, cols) each, in the graph of `scores`.

    Raises:
        CaptureError: a map that should reach the target has no gradient; the message names its module.
    """
    turns = _turns(samples)
    shared = bool(turns.max() > 0)
    weights = _one_per_turn(scores, turns) if shared else torch.ones_like(scores)
    inside = [site for site, map_ in maps.items() if map_.requires_grad]
    # The graph is kept for a second pass by other rules; it goes with the last reference to the maps.
    found = torch.autograd.grad(scores, [maps[site] for site in inside], weights, is_grads_batched=shared,
                                allow_unused=True, retain_graph=True) if inside else ()
    by_site = dict(zip(inside, found, strict=True))
    kept = {}
    for site in maps:
        gradient = by_site.get(site)
        if gradient is not None:
            kept[site] = gradient[turns, samples] if shared else of_items(gradient, samples)
        elif site.reaches_target:
            raise CaptureError(f"No gradient reaches the attention map of {site.module} (call {site.call + 1}).",
                               "It is computed but not used, or the graph does not start before it.")
    return kept


def _turns(samples: Tensor) -> Tensor:
    """How many earlier items belong to the same sample: items of one turn share one backward."""
    return (samples[:, None] == samples[None]).tril(-1).sum(dim=1)


def _one_per_turn(scores: Tensor, turns: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(turns).T.to(scores.dtype)


def of_items(values: Tensor, samples: Tensor) -> Tensor:
    """Row `samples[i]` for every item; the tensor itself where that is each sample once, in order."""
    if len(samples) == len(values) and torch.equal(samples, torch.arange(len(values), device=samples.device)):
        return values
    if (samples == samples[0]).all():
        return values[samples[:1]].expand(len(samples), *values.shape[1:])
    return values[samples]


@torch.inference_mode(False)  # which enables gradients as well, whatever the caller has disabled
def capture(
    network: nn.Module,
    schedule: Schedule,
    graph_roots: Sequence[str],
    forward: Callable[[], Tensor],
    choose: Callable[[Tensor], tuple[Tensor, Tensor]],
    read: Callable[[Tensor], tuple[Readout, ...]],
    *,
    gradient_sites: Sequence[Site],
    lrp_sites: Sequence[Site],
    conserve_in_linear: bool,
    rollout_normalizes: bool,
    seeds: Sequence[int],
    valid: Mapping[str, Tensor],
    ignore_padding: bool,
) -> tuple[Capture, Tensor, Tensor]:
    """Runs the model once, backward once if a method reads gradients, and once by the LRP rules if one reads those.

    Args:
        forward: returns the model's logits, (batch, ...).
        choose: logits → explained scores and the sample of each item, (items,) both.
        read: samples of the items → the rows to read.
        gradient_sites, lrp_sites: the sites whose gradient, or LRP relevance, is asked for.
        seeds: a number for each sample, which the random control is drawn from.
        conserve_in_linear: LRP through a linear layer keeps the sum (the reference does so for DETR alone).
        valid: tokens that are not padding by stream, (batch, tokens) bool.
        ignore_padding: rows and columns of padding are taken out of the maps, and means run over valid tokens
            alone. The reference does neither, which lets padding into rollout and into the scale of Grad-CAM.

    Returns:
        The capture, the sample of each item, and the logits, detached.
    """
    mode = RuleMode(conserve_in_linear) if lrp_sites else None
    with (torch.set_grad_enabled(bool(gradient_sites or lrp_sites)),
          recording(network, schedule, graph_roots) as record, mode or nullcontext()):
        logits = forward()
    maps = record.maps(schedule)
    scores, samples = choose(logits)
    gradient = gradients(scores, samples, {site: maps[site] for site in gradient_sites}) if gradient_sites else {}
    lrp = {}
    if mode is not None:
        mode.relevance = True
        lrp = gradients(scores, samples, {site: maps[site] for site in lrp_sites})
    sizes = {stream: size for site, found in maps.items()
             for stream, size in ((site.rows, found.shape[2]), (site.cols, found.shape[3]))}
    attention = {site: of_items(_full(found.detach()), samples) for site, found in maps.items()}
    kept = {stream: torch.ones(len(samples), size, dtype=torch.bool, device=samples.device)
            for stream, size in sizes.items()}
    if ignore_padding:
        kept |= {stream: of_items(mask, samples) for stream, mask in valid.items()}
        attention, gradient, lrp = ({site: _without_padding(found, site, kept) for site, found in maps_of.items()}
                                    for maps_of in (attention, gradient, lrp))
    return Capture(schedule, read(samples), sizes, kept, attention,
                   {site: _full(found) for site, found in gradient.items()},
                   {site: _full(found) for site, found in lrp.items()},
                   [seeds[index] for index in samples.tolist()], rollout_normalizes), samples, logits.detach()


def _without_padding(values: Tensor, site: Site, valid: Mapping[str, Tensor]) -> Tensor:
    """Zero in rows and columns of padding; a gradient is not zero in its columns, though the map is."""
    return values * valid[site.rows][:, None, :, None] * valid[site.cols][:, None, None, :]


def _full(values: Tensor) -> Tensor:
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
