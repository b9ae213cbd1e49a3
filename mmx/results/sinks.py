"""Sinks: tokens that attention falls on whatever they show, a text's first one and the patches at a picture's border.

Trained transformers put attention there that has nowhere else to go: on the first token (Xiao et al. 2024, arXiv
2309.17453), and on patches of a picture's background (Darcet et al. 2024, arXiv 2309.16588), for which the border
stands here. A map that lies mostly on them says little.
"""

from collections.abc import Sequence

import numpy as np

from mmx.arrays import Bool
from mmx.results.elements import WRITTEN, Block, Element, Patches, Words


def sink_shares(blocks: Sequence[Block]) -> dict[str, float | None]:
    """By stream, the share of its positive relevance that lies on sinks, from 0 to 1; None where it has none.

    Streams of words and of patches; regions have no sinks, and of what the model wrote itself, early words see little
    else than its first token.
    """
    streams = dict.fromkeys(block.stream for block in blocks
                            if isinstance(block.element, Words | Patches) and block.stream != WRITTEN)
    return {stream: _share([block for block in blocks if block.stream == stream]) for stream in streams}


def _share(blocks: Sequence[Block]) -> float | None:
    relevance = np.concatenate([block.scores for block in blocks]).clip(min=0)
    sinks = np.concatenate([is_sink(block.element, first=not number) for number, block in enumerate(blocks)])
    total = relevance.sum()
    return float(min(1.0, relevance[sinks].sum() / total)) if total > 0 else None


def is_sink(element: Element, first: bool = True) -> Bool[np.ndarray, " tokens"]:
    """Of a grid the outermost patches, of words the first token.

    Args:
        first: it begins its stream.
    """
    found = np.zeros(len(element), dtype=bool)
    if isinstance(element, Patches) and len(element):
        grid = found.reshape(element.rows, element.columns)
        grid[[0, -1]] = grid[:, [0, -1]] = True
    elif isinstance(element, Words) and first:
        found[:1] = True
    return found
