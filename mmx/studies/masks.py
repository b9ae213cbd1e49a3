"""Masks out of relevance maps, by two protocols: what the reference computes, and what one would defend."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from mmx.arrays import Bool, Float, Int
from mmx.errors import UsageError

MaskProtocol = Literal["iccv21", "clean"]
_LEVELS = 256


def masks_from_relevance(relevance: Float[Tensor, "n rows columns"], *, input_size: tuple[int, int],
                         image_size: tuple[int, int],
                         protocol: MaskProtocol = "clean") -> Bool[Tensor, "n height width"]:
    """Masks from relevance maps.

    `iccv21` is what the reference computes: each map scaled to 0-255 and truncated, split by Otsu's threshold on
    the small map, the 0/255 mask upsampled to the model's input and cut at over 0 (which swells masks by about a
    third), then to the picture by nearest neighbour. `clean` upsamples the soft map to the picture first and splits
    that by Otsu's threshold. A constant map gives an empty mask.

    Args:
        relevance: one map per detection over the model's grid, padding left out.
        input_size: height and width of the picture as the model takes it.
        image_size: height and width of the picture itself.
    """
    if relevance.dim() != 3:
        raise UsageError(f"Relevance maps are (n, rows, cols), not {tuple(relevance.shape)}.")
    if len(relevance) == 0:
        return torch.zeros((0, *image_size), dtype=torch.bool, device=relevance.device)
    if protocol == "iccv21":
        small = _to_bytes(relevance)
        split = (small > otsu(small)[:, None, None]).float()[:, None]
        swollen = interpolate(split, input_size, mode="bilinear", align_corners=False) > 0
        return interpolate(swollen.float(), image_size, mode="nearest")[:, 0].bool()
    if protocol == "clean":
        large = interpolate(relevance.float()[:, None], image_size, mode="bilinear", align_corners=False)[:, 0]
        levels = _to_bytes(large)
        return levels > otsu(levels)[:, None, None]
    raise UsageError(f"There is no protocol '{protocol}'.", "There are: iccv21, clean.")


def otsu(levels: Int[Tensor, "n height width"]) -> Int[Tensor, " n"]:
    """Otsu's threshold of each uint8 map: the level that best parts what is over it from the rest."""
    flat = levels.flatten(1).long()
    counts = torch.zeros(len(flat), _LEVELS, dtype=torch.float64, device=levels.device)
    counts.scatter_add_(1, flat, torch.ones_like(flat, dtype=torch.float64))
    share = counts / flat.shape[1]
    below = share.cumsum(1)
    moment = (share * torch.arange(_LEVELS, device=levels.device)).cumsum(1)
    spread = (moment[:, -1:] * below - moment) ** 2 / (below * (1 - below)).clamp(min=1e-12)
    return spread.masked_fill((below <= 1e-7) | (below >= 1 - 1e-7), 0).argmax(1)


def _to_bytes(maps: Float[Tensor, "n height width"]) -> Int[Tensor, "n height width"]:
    """Each map from its least to its greatest as 0 to 255, truncated; a constant map is all 0."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    spread = high - low
    return ((maps - low) / torch.where(spread == 0, 1, spread) * 255).to(torch.uint8)
