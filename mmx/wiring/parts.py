"""Parts of a stream: which tokens each has, which of them count, and what is handed out of a row of their scores."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from mmx.arrays import Bool, Float, Int
from mmx.capture import Chosen, Outputs, Readout
from mmx.errors import CaptureError, UsageError
from mmx.families.base import Family, Input, Part, PatchedPixels, Pixels, Text, places
from mmx.schedule import Schedule, reached
from mmx.wiring.grids import Inputs, cells_shown

Rows = Mapping[tuple[str, str], Float[Tensor, "items _tokens"]]
"""(readout stream, stream that is read) → raw relevance of the tokens of the latter."""
Places = slice | Int[Tensor, "batch _tokens"]
"""Where in a stream the tokens of a part are: in a row, or of each sample in its own places."""


def parts_of(family: Family, stream: str, size: int, inputs: Inputs, config: Any) -> list[tuple[Part, slice]]:
    """The parts of a stream of `size` tokens that follow each other, with where each is."""
    parts, known = family.parts(stream), {}
    for part in parts:
        if isinstance(part.size, int):
            known[part.name] = part.size
        elif callable(part.size):
            known[part.name] = part.size(config, inputs)
        elif part.size is not None:
            known[part.name] = inputs[part.size].shape[1] if part.size in inputs else int(getattr(config, part.size))
    rest = size - sum(known.values())
    open_ones = [part.name for part in parts if part.name not in known]
    if rest < 0 or len(open_ones) > 1 or (rest and not open_ones):
        raise CaptureError(f"The {size} {stream} tokens cannot be told apart into "
                           f"{', '.join(part.name for part in parts)}.", "The family's file describes another model.")
    found, start = [], 0
    for part in parts:
        count = known.get(part.name, rest)
        found.append((part, slice(start, start + count)))
        start += count
    return found


def token_places(inputs: Inputs, config: Any, token: str) -> Int[Tensor, "batch _tokens"]:
    """Where in each sample's ids the token stands whose id the config has under this name.

    Raises:
        UsageError: not as often in all samples.
    """
    try:
        return places(inputs["input_ids"] == getattr(config, token))
    except ValueError as error:
        raise UsageError(f"The samples have different numbers of image tokens: {error}.", "Run them one by one.") \
            from error


def check_places(family: Family, inputs: Inputs, config: Any) -> None:
    """Raises UsageError where samples cannot run together, since some have more of such tokens than others."""
    for token in {part.token for parts in family.tokens.values() for part in parts if part.token}:
        token_places(inputs, config, token)


def places_of_parts(family: Family, stream: str, size: int, inputs: Inputs,
                    config: Any) -> Iterator[tuple[str, Places]]:
    """The parts of a stream by name, and where each is."""
    parts = family.parts(stream)
    scattered = [part for part in parts if part.token]
    if not scattered:
        yield from ((part.name, where) for part, where in parts_of(family, stream, size, inputs, config))
        return
    [rest] = [part for part in parts if not part.token]
    others = torch.ones_like(inputs["input_ids"], dtype=torch.bool)
    for part in scattered:
        where = token_places(inputs, config, part.token)
        others.scatter_(1, where, False)
        yield part.name, where
    yield rest.name, places(others)


def valid_tokens(family: Family, inputs: Inputs, outputs: Outputs,
                 sizes: Mapping[str, int]) -> dict[str, Bool[Tensor, "_entries _tokens"]]:
    """Which tokens of each stream are not padding; a stream whose tokens all count may lack.

    Args:
        sizes: tokens of each stream.
    """
    by_part = {one.part: mask for one in family.inputs
               if (mask := valid_part(one, inputs, outputs)) is not None}
    found = {}
    for stream, size in sizes.items():
        parts = family.parts(stream)
        masked = [by_part[part.name] for part in parts if part.name in by_part]
        if not masked:
            continue
        if any(part.token for part in parts):  # one mask is for all of them
            found[stream] = masked[0]
            continue
        device = outputs["logits"].device
        masks = [by_part.get(part.name, torch.ones(len(masked[0]), where.stop - where.start, dtype=torch.bool,
                                                   device=device))
                 for part, where in parts_of(family, stream, size, inputs, None)]
        found[stream] = torch.cat(masks, dim=1)
    return found


def valid_part(one: Input, inputs: Inputs, outputs: Outputs) -> Bool[Tensor, "batch tokens"] | None:
    """Which tokens of an input count; None where all do."""
    if isinstance(one, Text) and one.until is not None:
        places = torch.arange(inputs[one.names[0]].shape[1], device=outputs[one.until].device)
        return places <= outputs[one.until][:, None]
    if one.mask not in inputs or one.mask not in one.names:
        return None
    if isinstance(one, Pixels) and not isinstance(one, PatchedPixels):
        return cells_shown(one, inputs, outputs).flatten(1) if one.cells else None
    return inputs[one.mask].bool()


def handed_out(family: Family, rows: Rows, found: tuple[Readout, ...], inputs: Inputs, schedule: Schedule,
               config: Any, chosen: Chosen) -> dict[str, Float[Tensor, "items _tokens"]]:
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
            for name, where in places_of_parts(family, cols, row.shape[1], inputs, config):
                if name in given:
                    own = row[:, where] if isinstance(where, slice) else row.gather(1, where[chosen.samples])
                    own = own if read.share == 1 else read.share * own
                    scores[name] = scores[name] + own if name in scores else own
    return scores
