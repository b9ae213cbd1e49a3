"""A family's table applied to tensors: the model run, which tokens count, which rows explain, what is handed out."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from mmx.arrays import Bool, Float, Shaped
from mmx.capture import Chosen, Outputs, Readout
from mmx.capture.recording import silenced_calls
from mmx.devices import is_out_of_memory
from mmx.errors import CaptureError, CheckpointError, MmxError, UsageError
from mmx.families.base import Family, Input, Part, PatchedPixels, Pixels, Read, Regions, Text
from mmx.schedule import Schedule, from_layers, layers_of, reached

Inputs = Mapping[str, Shaped[Tensor, "_batch ..."]]
"""What the model's forward takes."""
Rows = Mapping[tuple[str, str], Float[Tensor, "items _tokens"]]
"""(readout stream, stream that is read) → raw relevance of the tokens of the latter."""

# Strides of backbones, the usual ones first.
_STRIDES = (32, 16, 8, 4, 64, 2, 1)


def run(network: nn.Module, family: Family, inputs: Inputs) -> Outputs:
    """Runs the model: "logits", (batch, ...), and what else is read of its output.

    Raises:
        CheckpointError: the model fails on the inputs, or its logits are not finite.
    """
    inputs = family.completed(inputs)
    arguments = {**family.arguments, **_resizing(family, network.config, inputs)}
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


def run_without(network: nn.Module, family: Family, inputs: Inputs) -> Outputs:
    """Runs the model on reduced inputs, which may have lost all of their regions."""
    masks = [one.mask for one in family.inputs if isinstance(one, Regions)]
    if family.without_regions is None or not masks:
        return run(network, family, inputs)
    blind = ~inputs[masks[0]].any(dim=1)
    with silenced_calls(network, family.without_regions(network.config), call=0, silent=blind):
        return run(network, family, inputs)


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


def valid_tokens(family: Family, inputs: Inputs, outputs: Outputs,
                 sizes: Mapping[str, int]) -> dict[str, Bool[Tensor, "_entries _tokens"]]:
    """Which tokens of each stream are not padding; a stream whose tokens all count may lack.

    Args:
        sizes: tokens of each stream.
    """
    by_part = {one.part: mask for one in family.inputs
               if (mask := _valid_part(one, inputs, outputs)) is not None}
    found = {}
    for stream, size in sizes.items():
        parts = family.parts(stream)
        if not any(part.name in by_part for part in parts):
            continue
        batch = next(len(by_part[part.name]) for part in parts if part.name in by_part)
        device = outputs["logits"].device
        masks = [by_part.get(part.name, torch.ones(batch, count, dtype=torch.bool, device=device))
                 for part, count in _sizes(family, stream, size, inputs, None)]
        found[stream] = torch.cat(masks, dim=1)
    return found


def _valid_part(one: Input, inputs: Inputs, outputs: Outputs) -> Bool[Tensor, "batch tokens"] | None:
    if isinstance(one, Text) and one.until is not None:
        places = torch.arange(inputs[one.names[0]].shape[1], device=outputs[one.until].device)
        return places <= outputs[one.until][:, None]
    if one.mask not in inputs or one.mask not in one.names:
        return None
    if isinstance(one, Pixels) and not isinstance(one, PatchedPixels):
        return cells_shown(one, inputs, outputs).flatten(1) if one.cells else None
    return inputs[one.mask].bool()


def cells_shown(one: Pixels, inputs: Inputs, outputs: Outputs) -> Bool[Tensor, "batch rows columns"]:
    """Which cells of the grid show the picture and not padding, as the model shrinks its mask."""
    assert one.cells is not None
    grid = grid_of(inputs["pixel_values"], outputs[one.cells].shape[1])
    if "pixel_mask" not in inputs:
        return torch.ones(len(inputs["pixel_values"]), *grid, dtype=torch.bool, device=inputs["pixel_values"].device)
    return nn.functional.interpolate(inputs["pixel_mask"][None].float(), size=grid).to(torch.bool)[0]


def config_at(config: Any, path: str) -> Any:
    """The config itself, or the one inside it of that name."""
    return getattr(config, path) if path else config


def pair(size: int | Sequence[int]) -> tuple[int, int]:
    """Height and width of what a config has as one number or as two."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def patch_grid(one: Pixels, pixel_values: Float[Tensor, "batch channels height width"],
               config: Any) -> tuple[int, int]:
    """Rows and columns of the patches of pictures, by the config's patch size."""
    height, width = pair(config_at(config, one.config).patch_size)
    down, across = pixel_values.shape[-2:]
    return (-(-down // height), -(-across // width)) if one.pads else (down // height, across // width)


def can_resize(one: Pixels, config: Any) -> bool:
    """Whether position embeddings can be interpolated: transformers takes those of a square grid for granted."""
    if one.resized_by is None:
        return False
    vision = config_at(config, one.config)
    height, width = pair(vision.image_size)
    return height == width and isinstance(vision.patch_size, int)


def _resizing(family: Family, config: Any, inputs: Inputs) -> dict[str, bool]:
    """The argument without which a model takes no pictures of another size than its config's."""
    return {one.resized_by: True for one in family.inputs
            if isinstance(one, Pixels) and one.resized_by is not None and can_resize(one, config)
            and tuple(inputs["pixel_values"].shape[-2:]) != pair(config_at(config, one.config).image_size)}


def grid_of(pixel_values: Float[Tensor, "batch channels height width"], cells: int) -> tuple[int, int]:
    """Rows and columns of a backbone's grid, out of the picture's size and the number of cells."""
    height, width = pixel_values.shape[-2:]
    for stride in _STRIDES:
        rows, columns = -(-height // stride), -(-width // stride)
        if rows * columns == cells:
            return rows, columns
    raise UsageError(f"A picture of {height} x {width} pixels does not give {cells} cells at any known stride.")


def _sizes(family: Family, stream: str, size: int, inputs: Inputs, config: object) -> list[tuple[Part, int]]:
    """The parts of a stream of `size` tokens with how many tokens each has."""
    parts, known = family.parts(stream), {}
    for part in parts:
        if isinstance(part.size, int):
            known[part.name] = part.size
        elif part.size is not None:
            known[part.name] = inputs[part.size].shape[1] if part.size in inputs else int(getattr(config, part.size))
    rest = size - sum(known.values())
    open_ones = [part.name for part in parts if part.name not in known]
    if rest < 0 or len(open_ones) > 1 or (rest and not open_ones):
        raise CaptureError(f"The {size} {stream} tokens cannot be told apart into "
                           f"{', '.join(part.name for part in parts)}.", "The family's file describes another model.")
    return [(part, known.get(part.name, rest)) for part in parts]


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
                                     _sizes(family, read.stream, size, inputs, config) if read.part else ())
        index = chosen.positions + sum(count for _, count in before)
    elif isinstance(read.row, int):
        index = torch.full_like(entries, read.row % size)
    else:
        index = read.row(inputs, outputs)[entries]
    if read.weights is None:
        return Readout(read.stream, index, chosen.weights if read.row is None else None, read.omits_identity)
    of_parts = read.weights(config) if callable(read.weights) else read.weights
    weights = _shared_out(family, read.stream, of_parts, inputs, outputs, size, config)
    weights = weights if len(weights) == 1 else weights[entries]
    if read.row is None:
        own = index.unsqueeze(1) == torch.arange(size, device=index.device)
        weights = weights + own * (1 - sum(of_parts.values()))
    return Readout(read.stream, index, weights, read.omits_identity)


def _shared_out(family: Family, stream: str, of_parts: Mapping[str, float], inputs: Inputs, outputs: Outputs,
                size: int, config: object) -> Float[Tensor, "#entries {size}"]:
    """The weight of each part, equally among its tokens, without those that are padding."""
    sizes = [count for _, count in _sizes(family, stream, size, inputs, config)]
    logits = outputs["logits"]
    valid = valid_tokens(family, inputs, outputs, {stream: size}).get(stream, torch.ones(1, size, device=logits.device))
    parts = valid.to(torch.promote_types(logits.dtype, torch.float32)).split(sizes, dim=1)
    return torch.cat([of_parts.get(part.name, 0.0) * tokens / tokens.sum(dim=1, keepdim=True).clamp(min=1)
                      for part, tokens in zip(family.parts(stream), parts, strict=True)], dim=1)


def handed_out(family: Family, rows: Rows, found: tuple[Readout, ...], inputs: Inputs, schedule: Schedule,
               config: object) -> dict[str, Float[Tensor, "items _tokens"]]:
    """What is given to users of a method's rows: the scores of each part that is asked with."""
    given = {one.part for one in family.inputs}
    scores: dict[str, Tensor] = {}
    for read, readout in zip(family.reads, found, strict=True):
        for cols in reached(schedule, read.stream):
            if (read.stream, cols) not in rows:
                continue
            row = rows[read.stream, cols]
            if read.omits_itself and cols == read.stream:
                row = row.scatter(1, readout.index.unsqueeze(1), 0)
            start = 0
            for part, count in _sizes(family, cols, row.shape[1], inputs, config):
                if part.name in given:
                    own = row[:, start:start + count] if read.share == 1 else read.share * row[:, start:start + count]
                    scores[part.name] = scores[part.name] + own if part.name in scores else own
                start += count
    return scores
