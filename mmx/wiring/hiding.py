"""What hiding something is in what a model is given, whoever asks for it.

A patch takes the picture's mean colour, 0 after normalisation. A word or a region is left out, or masked.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

from mmx.arrays import Bool, Float, Int, Shaped
from mmx.families.base import Completion, Family, Pixels, Prompt, Regions, Text, Written
from mmx.wiring.grids import Inputs, config_at
from mmx.wiring.parts import valid_part


def only_kept(one: Text | Regions, inputs: Inputs, samples: Int[Tensor, " rows"], kept: Bool[Tensor, "rows tokens"],
              size: int) -> dict[str, Shaped[Tensor, "rows {size} ..."]]:
    """Rows of reduced inputs: what is kept of a sample moves up, in order, and the rest is padded and masked.

    Removing a region equals masking it, but removing a word shifts the positions behind it.

    Args:
        inputs: what the model's forward takes, (batch, tokens, ...) each.
        samples: the sample that each row is made of.
        kept: what is kept of it.
        size: tokens of the result, 1 at least; no row keeps more.
    """
    places = (~kept).to(torch.uint8).argsort(dim=1, stable=True)[:, :size]
    filled = torch.arange(size, device=kept.device) < kept.sum(dim=1, keepdim=True)
    reduced = {name: inputs[name][samples[:, None], places] for name in one.names if name in inputs}
    if one.mask in one.names:
        given = inputs.get(one.mask)
        seen = filled if given is None else filled & reduced[one.mask].bool()
        reduced[one.mask] = seen.to(torch.long if given is None else given.dtype)
    return reduced


def faded(pixels: Float[Tensor, "rows ..."], shown: Shaped[Tensor, "rows patches"],
          grid: tuple[int, int] | None = None, block: tuple[int, int] = (1, 1)) -> Float[Tensor, "rows ..."]:
    """Pictures of which so much of each patch is shown, from 0 to 1, and else the mean colour.

    All but 0, as a picture of nothing but 0 is padding to some classes (Idefics3, SmolVLM). What is 0 already stays, as
    padding must.

    Args:
        pixels: (rows, patches, numbers), or with a `grid` views, (rows, ..., channels, height, width), whose patches
            are numbered view by view.
        grid: rows and columns of the patches of a view; what lies beyond is shown.
        block: height and width of a patch in pixels.
    """
    share = shown.to(pixels.dtype)
    if grid is None:
        share = share.unsqueeze(2)
    else:
        *views, _, high, wide = pixels.shape
        share = share.view(*views, 1, *grid).repeat_interleave(block[0], -2).repeat_interleave(block[1], -1)
        share = share[..., :high, :wide]
        share = pad(share, (0, wide - share.shape[-1], 0, high - share.shape[-2]), value=1)
    return torch.where((share > 0) | (pixels == 0), pixels * share, torch.finfo(pixels.dtype).tiny)


def blank(family: Family, inputs: Inputs) -> Inputs:
    """The same with every pixel of the mean colour; see `faded`."""
    pixels = {one.names[0] for one in family.inputs if isinstance(one, Pixels)}
    return {name: torch.where(value == 0, value, torch.finfo(value.dtype).tiny) if name in pixels else value
            for name, value in inputs.items()}


def without_content(family: Family, inputs: Inputs, outputs: Inputs, config: object) -> Inputs:
    """The inputs with nothing in them, token by token: pictures blank, features 0, words the padding token.

    A text's first token and what the config has a name for (the end, what stands for a picture) stay, and so does the
    last one of a text that is no prompt.
    """
    found = dict(blank(family, inputs))
    for one in family.inputs:
        if isinstance(one, Regions):
            found[one.features] = torch.zeros_like(inputs[one.features])
        elif not isinstance(one, Pixels | Completion) and one.names[0] in inputs:
            ids, valid = inputs[one.names[0]], valid_part(one, inputs, outputs)
            there = torch.ones_like(ids, dtype=torch.bool) if valid is None else valid
            both = not isinstance(one, Prompt | Written)
            stays = ~there | named_tokens(family, ids, config) | ends_of(there, both)
            found[one.names[0]] = torch.where(stays, ids, padding_token(one, config))
    return found


def ends_of(there: Bool[Tensor, "batch tokens"], both: bool = True) -> Bool[Tensor, "batch tokens"]:
    """The first and, where `both` are meant, the last token that is there."""
    number = there.cumsum(dim=1)
    return there & ((number == 1) | ((number == number[:, -1:]) if both else False))


def named_tokens(family: Family, ids: Int[Tensor, "batch tokens"], config: object) -> Bool[Tensor, "batch tokens"]:
    """Those that the config has a name for."""
    names = {*vars(config), *(part.token for parts in family.tokens.values() for part in parts)}
    known = [value for name in names if name.endswith(("token_id", "token_index"))
             and isinstance(value := getattr(config, name), int)]
    return torch.isin(ids, torch.tensor(known, dtype=ids.dtype, device=ids.device))


def padding_token(one: Text | Written, config: object) -> int:
    """Its id, as the config has it, or else 0."""
    found = getattr(config_at(config, one.config), "pad_token_id", None)
    return found if isinstance(found, int) and found >= 0 else 0
