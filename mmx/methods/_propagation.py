"""What several methods fold, and the walk over the whole schedule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mmx.methods.base import Layout, Rows, crossing_sites, last_sites
from mmx.schedule import Link, Site, links_of, self_sites, sites_of

if TYPE_CHECKING:
    from torch import Tensor

    from mmx.arrays import Float, Matrix
    from mmx.capture import Block, Capture

Within = Callable[[Link, "Tensor"], "Tensor"]
"""Given a link and rows of the tokens of its cols at the link, (items, 1, tokens), rows of those where they began."""
Across = Callable[[Site, "Tensor"], "Tensor"]
"""Given a map that crosses and rows of the tokens of its rows at its end, (items, 1, tokens), rows of its cols'."""


def fused_attention(capture: Capture) -> dict[Site, Matrix]:
    """Eq. 5 at every site that has a path to the target."""
    return capture.folded_where(lambda map_: map_.has_gradient, _fused)


def fused_lrp(capture: Capture) -> dict[Site, Matrix]:
    """Eq. 5 with the LRP relevance of the map in place of the map, as in transformer attribution."""
    return capture.folded_where(lambda map_: map_.has_relevance, _fused_lrp)


def _fused(block: Block) -> Float[Tensor, "items _rows _cols"]:
    from mmx.rules import fuse_heads

    return fuse_heads(block.attention, block.gradient)


def _fused_lrp(block: Block) -> Float[Tensor, "items _rows _cols"]:
    from mmx.rules import fuse_heads

    return fuse_heads(block.relevance, block.gradient)


def mean_over_heads(block: Block) -> Float[Tensor, "items _rows _cols"]:
    """The attention map, its heads alike."""
    return block.attention.mean(dim=1)


def nothing(block: Block) -> Float[Tensor, "items _rows _cols"]:
    """Zero, in the shape of the map, its heads in one."""
    return 0 * block.attention[:, 0]


def one_stream(layout: Layout) -> str:
    """Why a method is not defined that knows no attention across streams, as the end of a sentence; "" where it is.

    A row that pools a stream by attention, and is not attended to itself, is none across.
    """
    sites = sites_of(layout.schedule)
    crosses = any(not site.is_self and self_sites(layout.schedule, site.rows) for site in sites)
    return "it reads one stream, and here streams attend to each other" if crosses else ""


def one_row(layout: Layout) -> str:
    """Why a method is not defined that reads one row of a whole map, as the end of a sentence; "" where it is."""
    if layout.weighs:
        return "it reads one row, and here the score is read off several"
    windows = any(site.windows is not None for site in sites_of(layout.schedule) if site.rows in layout.reads)
    return "it reads whole maps, and here tokens attend within windows" if windows else ""


def propagated_rows(capture: Capture, fused: Mapping[Site, Matrix], *,
                    normalize: bool = True, self_in_cross: bool = True, as_reference: bool = False) -> Rows:
    """Eq. 6 to 11 over the schedule, then the rows that the readouts ask for.

    `as_reference`: 0/0 in eq. 8 is treated as the reference's code treats it in this family.
    """
    from mmx.rules import propagate

    drops = as_reference and capture.reference.drops_undefined_layers
    state = propagate(capture.schedule, fused, capture.sizes, normalize=normalize, self_in_cross=self_in_cross,
                      drop_undefined=capture.valid if drops else None, links=capture.links)
    return {(readout.stream, cols): row for readout in capture.readouts
            for cols, row in state.rows(readout, capture.dtype).items()}


def over_links(capture: Capture, rows: Rows, across: Across, within: Within = lambda link, row: row) -> Rows:
    """Rows, and what each holds of tokens that are made of others, shared out equally among those.

    Args:
        across: what the last map of each stream that a link's cols attend to makes of it.
        within: what the layers of a link's cols make of it.
    """
    for link in reversed(links_of(capture.schedule)):
        for readout in capture.readouts:
            row = rows.get((readout.stream, link.rows))
            if row is None:
                continue
            shared = capture.links[link].rows_times(row.unsqueeze(1))
            found = {link.cols: within(link, shared),
                     **{site.cols: across(site, shared) for site in crossing_sites(capture.schedule, link.cols)}}
            for cols, part in found.items():
                rows[readout.stream, cols] = part.squeeze(1) + rows.get((readout.stream, cols), 0)
    return rows


def of_last_maps(capture: Capture, matrix_of: Callable[[Site], Matrix]) -> Rows:
    """Rows of the last map of each pair of streams, and what they hold of tokens that are made of others."""
    rows = {(readout.stream, cols): readout.of(matrix_of(site))
            for readout in capture.readouts for cols, site in last_sites(capture.schedule, readout.stream).items()}
    return over_links(capture, rows, lambda site, row: matrix_of(site).rows_times(row))


def of_all_maps(capture: Capture, fold: Callable[[Site], Matrix]) -> Rows:
    """Means over the maps of each pair of streams, and what they hold of tokens that are made of others."""
    def mean(rows: str, cols: str, read: Callable[[Matrix], Tensor]) -> Tensor:
        sites = [site for site in sites_of(capture.schedule) if (site.rows, site.cols) == (rows, cols)]
        return sum((read(fold(site)) for site in sites[1:]), read(fold(sites[0]))) / len(sites)

    rows = {(readout.stream, cols): mean(readout.stream, cols, readout.of)
            for readout in capture.readouts for cols in last_sites(capture.schedule, readout.stream)}
    return over_links(capture, rows, lambda site, row: mean(site.rows, site.cols, lambda map_: map_.rows_times(row)))
