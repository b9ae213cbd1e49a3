"""A family's table applied to tensors: the model run, the sites that are read, which rows explain."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from mmx.arrays import Float
from mmx.capture import Chosen, Outputs, Readout
from mmx.capture.recording import silenced_calls
from mmx.devices import is_out_of_memory
from mmx.errors import CheckpointError, MmxError, UsageError
from mmx.families.base import Family, Pixels, Read, Regions
from mmx.schedule import Schedule, from_layers, layers_of
from mmx.wiring.grids import Inputs, can_resize, config_at, pair
from mmx.wiring.parts import check_places, parts_of, valid_tokens


def run(network: nn.Module, family: Family, inputs: Inputs, more: Mapping[str, Any] = MappingProxyType({})) -> Outputs:
    """Runs the model: "logits", (batch, ...), and what else is read of its output.

    Args:
        more: arguments of its forward beside the inputs and the family's own.

    Raises:
        CheckpointError: the model fails on the inputs, or its logits are not finite.
        UsageError: samples have different numbers of image tokens.
    """
    inputs = family.completed(inputs)
    check_places(family, inputs, network.config)
    arguments = {**family.arguments, **more, **_resizing(family, network.config, inputs)}
    with family.around(network) if family.around else nullcontext(), _outputs_of(network, family.output_of) as inside:
        found = _forward(network, inputs, arguments)
    found = inside[-1] if inside else found
    outputs = family.outputs(found, network, inputs)
    if not torch.isfinite(outputs["logits"]).all():
        raise _not_finite(network, inputs, outputs["logits"].dtype)
    return outputs


def _forward(network: nn.Module, inputs: Inputs, arguments: Mapping[str, Any]) -> Any:
    try:
        return network(**inputs, **arguments, return_dict=True)
    except MmxError:
        raise
    except (RuntimeError, ValueError, IndexError) as error:
        if is_out_of_memory(error):
            raise
        given = ", ".join(f"{name} ({' x '.join(map(str, value.shape))})" for name, value in inputs.items())
        raise CheckpointError(f"{type(network).__name__} fails on {given}: {' '.join(str(error).split()).rstrip('.')}.",
                              "Its config.json does not fit its weights, its tokenizer or its image processor.") \
            from error


@contextmanager
def _outputs_of(network: nn.Module, module: str) -> Iterator[list[Any]]:
    """The outputs of a module of the network, if one is named."""
    found: list[Any] = []
    handles = [network.get_submodule(module).register_forward_hook(
        lambda _module, _inputs, output: found.append(output))] if module else []
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _not_finite(network: nn.Module, inputs: Inputs, dtype: torch.dtype) -> MmxError:
    broken = [name for name, value in inputs.items() if value.is_floating_point() and not torch.isfinite(value).all()]
    if broken:
        return MmxError(f"The inputs {', '.join(broken)} are not finite (NaN or infinite).", "Look at what made them.")
    said = f"The outputs of {type(network).__name__} are not finite (NaN or infinite)"
    if dtype in (torch.float16, torch.bfloat16):
        return CheckpointError(f"{said} in {str(dtype).removeprefix('torch.')}: numbers overflow.",
                               'Take `dtype="float32"`.')
    return CheckpointError(f"{said}.", "Its weights are damaged or far too large: get the checkpoint again.")


def run_without(network: nn.Module, family: Family, inputs: Inputs,
                more: Mapping[str, Any] = MappingProxyType({})) -> Outputs:
    """Runs the model on reduced inputs, which may have lost all of their regions; see `run`."""
    masks = [one.mask for one in family.inputs if isinstance(one, Regions)]
    if family.without_regions is None or not masks or masks[0] not in inputs:
        return run(network, family, inputs, more)
    blind = ~inputs[masks[0]].any(dim=1)
    with silenced_calls(network, family.without_regions(network.config), call=0, silent=blind):
        return run(network, family, inputs, more)


def schedule_from(family: Family, config: object, start_layers: Mapping[str, int], name: str) -> Schedule:
    """The sites that are read: each stream's from the layer that is asked for, or else from its default, on.

    Raises:
        UsageError: a stream has no such layer, or none can be chosen.
    """
    schedule = family.schedule(config)
    for stream, start in start_layers.items():
        count = len(layers_of(schedule, stream))
        if stream not in family.start_layers:
            why = f"always reads all its {stream} layers" if count else f"has no {stream} layers of its own"
            raise UsageError(f"{name} {why}: no start layer fits them.", "Leave it out.")
        if not -count <= start < count:
            raise UsageError(f"There is no {stream} layer {start}; the model has {count} (0 to {count - 1}, or -1 "
                             "for the last).")
    return from_layers(schedule, {**family.start_layers, **start_layers})


def _resizing(family: Family, config: Any, inputs: Inputs) -> dict[str, bool]:
    """The argument without which a model takes no pictures of another size than its config's."""
    return {one.resized_by: True for one in family.inputs
            if isinstance(one, Pixels) and one.resized_by is not None and can_resize(one, config)
            and tuple(inputs["pixel_values"].shape[-2:]) != pair(config_at(config, one.config).image_size)}


def readouts(family: Family, inputs: Inputs, outputs: Outputs, chosen: Chosen, sizes: Mapping[str, int],
             config: object) -> tuple[Readout, ...]:
    """The rows that explain the items."""
    inputs = family.completed(inputs)
    return tuple(_readout(family, read, inputs, outputs, chosen, sizes[read.stream], config) for read in family.reads)


def _readout(family: Family, read: Read, inputs: Inputs, outputs: Outputs, chosen: Chosen, size: int,
             config: object) -> Readout:
    entries = chosen.entries_of(read.stream)
    if read.row is None:
        assert chosen.positions is not None
        before = itertools.takewhile(lambda sized: sized[0].name != read.part,
                                     parts_of(family, read.stream, size, inputs, config) if read.part else ())
        index = chosen.positions + sum(where.stop - where.start for _, where in before)
    elif isinstance(read.row, int):
        index = torch.full_like(entries, read.row % size)
    else:
        index = read.row(inputs, outputs)[entries]
    of_parts = read.parts(config)
    if not of_parts:
        return Readout(read.stream, index, chosen.weights if read.row is None else None, read.omits_identity)
    weights = _shared_out(family, read.stream, of_parts, inputs, outputs, size, config)
    weights = weights if len(weights) == 1 else weights[entries]
    if read.row is None:
        own = index.unsqueeze(1) == torch.arange(size, device=index.device)
        weights = weights + own * (1 - sum(of_parts.values()))
    return Readout(read.stream, index, weights, read.omits_identity)


def _shared_out(family: Family, stream: str, of_parts: Mapping[str, float], inputs: Inputs, outputs: Outputs,
                size: int, config: object) -> Float[Tensor, "#entries {size}"]:
    """The weight of each part, equally among its tokens, without those that are padding."""
    sizes = [where.stop - where.start for _, where in parts_of(family, stream, size, inputs, config)]
    logits = outputs["logits"]
    valid = valid_tokens(family, inputs, outputs, {stream: size}).get(stream, torch.ones(1, size, device=logits.device))
    parts = valid.to(torch.promote_types(logits.dtype, torch.float32)).split(sizes, dim=1)
    return torch.cat([of_parts.get(part.name, 0.0) * tokens / tokens.sum(dim=1, keepdim=True).clamp(min=1)
                      for part, tokens in zip(family.parts(stream), parts, strict=True)], dim=1)
