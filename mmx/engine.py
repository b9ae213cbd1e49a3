"""From encoded inputs to raw scores: one forward, then every method on what it left."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from mmx.capture import ForwardPass, Outputs, capture_items, run_forward, turns_of
from mmx.families.base import Family, Inputs
from mmx.lrp import RuleMode
from mmx.methods.base import Method
from mmx.schedule import Site

# What a backward keeps of each map: the gradient, its product with the map, and room for the rules.
_COPIES = 3
# On the CPU a backward of several large targets at once is slower than one after another: it misses every cache.
_CPU_BYTES = 2**28

Scores = dict[str, dict[str, Tensor]]
"""method name → stream → scores (items, tokens)"""


@torch.inference_mode(False)  # which enables gradients as well, whatever the caller has disabled
def attribute(
    network: nn.Module,
    family: Family,
    inputs: Inputs,
    methods: Sequence[Method],
    target: object = None,
    *,
    ignore_padding: bool = False,
    seeds: Sequence[int] | None = None,
    max_memory: int | None = None,
    start_layers: Mapping[str, int] | None = None,
) -> tuple[Scores, Outputs]:
    """Scores of every method, out of one forward, at most one backward and at most one LRP pass.

    Args:
        inputs: what the model's forward takes, batched, on its device and in its dtype.
        target: what is explained, in the family's terms; None is the model's own prediction.
        ignore_padding: whether padded tokens are left out altogether (the reference counts them).
        seeds: a number for each sample that the random control is drawn from; its place in the batch by default.
        max_memory: bytes that gradients may take. Where one sample has more targets than fit, they take several
            backwards. By default 256 MiB on the CPU and half of what is free on a GPU.
        start_layers: the first layer that is read, by stream; see `Family.schedule_from`.

    Returns:
        The scores, and what the model gave, detached.
    """
    schedule = family.schedule_from(network.config, start_layers or {})
    gradient_sites, lrp_sites = (tuple(dict.fromkeys(
        site for method in methods for site in method.sites(need, schedule, family.readout_streams)))
        for need in ("gradient", "lrp"))
    rules = RuleMode(family.reference.conserve_in_linear) if lrp_sites else None
    passed = run_forward(network, schedule, family.graph_roots, lambda: family.run(network, inputs),
                         in_graph=bool(gradient_sites or lrp_sites), rules=rules)
    chosen = family.choose(passed.outputs, target)
    valid = _padded_streams(family.valid(inputs, passed.outputs)) if ignore_padding else {}
    seeds = range(len(passed.outputs["logits"])) if seeds is None else seeds
    chunks = _chunks(chosen.samples, _bytes_a_turn(passed, (*gradient_sites, *lrp_sites)), max_memory)
    parts: dict[str, list[Mapping[str, Tensor]]] = {method.name: [] for method in methods}
    for items in chunks:
        part = chosen[items]
        captured = capture_items(passed, schedule, part, family.readouts(inputs, part), valid=valid, seeds=seeds,
                                 gradient_sites=gradient_sites, lrp_sites=lrp_sites, reference=family.reference)
        for method in methods:
            parts[method.name].append(family.scores(method.rows(captured), inputs, part))
    return ({name: _joined(found, chunks) for name, found in parts.items()},
            {name: value.detach() for name, value in passed.outputs.items()})


def _padded_streams(valid: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the streams whose tokens all count: masking maps as large as a detector's costs a backward's fifth."""
    return {stream: mask for stream, mask in valid.items() if not mask.all()}


def _bytes_a_turn(passed: ForwardPass, sites: Sequence[Site]) -> int:
    return _COPIES * sum(passed.maps[site].numel() * passed.maps[site].element_size() for site in sites)


def _chunks(samples: Tensor, bytes_a_turn: int, max_memory: int | None) -> list[Tensor]:
    """Items that go through one backward together; one item of every sample makes a turn."""
    if not len(samples):
        return []
    allowed = max_memory if max_memory is not None else _default_memory(samples.device)
    turns_at_once = max(1, allowed // max(1, bytes_a_turn))
    chunk_of = turns_of(samples) // turns_at_once
    return [torch.nonzero(chunk_of == number).flatten() for number in range(int(chunk_of.max()) + 1)]


def _default_memory(device: torch.device) -> int:
    return torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else _CPU_BYTES


def _joined(parts: Sequence[Mapping[str, Tensor]], chunks: Sequence[Tensor]) -> dict[str, Tensor]:
    """The chunks' scores by stream, in the order of the items."""
    if len(parts) < 2:
        return dict(parts[0]) if parts else {}
    order = torch.cat(list(chunks)).argsort()
    return {stream: torch.cat([part[stream] for part in parts])[order] for stream in parts[0]}
