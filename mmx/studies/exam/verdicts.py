"""What an exam finds of one thing that was asked, and what each method says of the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mmx.results import Block, Explanation, Patches, Regions, evened
from mmx.shapes.world import Picture

GROUPS = {
    "one object": "right answers that depend on one object", "all": "right answers that depend on any objects",
    "words": "colours and shapes that right descriptions name, each at its own object",
    "color words": "colours that right descriptions name", "shape words": "shapes that right descriptions name"}
"""What explanations are measured on."""


@dataclass(frozen=True)
class Verdict:
    """One thing that was asked, and what each method says of the answer.

    Attributes:
        evidence: indices of the picture's things that the answer depends on.
        boxes_xyxy_px: the regions or patches that were scored, (n, 4).
        grids: of patches, the number of their grid, (n,), where several lie over one another; else all are 0.
        relevance: by method, (n,), of all grids for areas of one size.
        part: "color" or "shape" of a word of an answer, whose answer is counted by a verdict of its own.
    """

    picture: Picture
    kind: str
    is_right: bool
    evidence: tuple[int, ...] = ()
    boxes_xyxy_px: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))
    grids: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    relevance: Mapping[str, np.ndarray] = field(default_factory=dict)
    part: str = ""

    @property
    def groups(self) -> tuple[str, ...]:
        if self.part:
            return "words", f"{self.part} words"
        return ("one object", "all") if len(self.evidence) == 1 else ("all",)


def verdict_of(picture: Picture, kind: str, is_right: bool, evidence: tuple[int, ...], found: Sequence[Explanation],
               item: int = 0, part: str = "") -> Verdict:
    """What each method says of one item, over the regions or patches of its picture."""
    by_method = {one.method: _looked_at(one.blocks(one[item])) for one in found}
    first = next(iter(by_method.values()))
    boxes = np.array([box for element, _, _ in first for box in element.boxes_xyxy_px])
    grids = np.concatenate([np.full(len(element), number) for element, number, _ in first])
    relevance = {name: np.concatenate([scores for _, _, scores in parts]) for name, parts in by_method.items()}
    return Verdict(picture, kind, is_right, evidence, boxes, grids, relevance, part)


def _looked_at(blocks: Sequence[Block]) -> list[tuple[Patches | Regions, int, np.ndarray]]:
    """The regions of each stream, and its grids of patches, each with its number and its scores made comparable."""
    found: list[tuple[Patches | Regions, int, np.ndarray]] = []
    for stream in dict.fromkeys(block.stream for block in blocks):
        own = [block for block in blocks if block.stream == stream]
        found += [(block.element, 0, block.scores) for block in own if isinstance(block.element, Regions)]
        grids = [(block.element, block.scores) for block in own if isinstance(block.element, Patches)]
        scores = evened([patches for patches, _ in grids], [values for _, values in grids])
        found += [(patches, number, values) for number, ((patches, _), values) in enumerate(
            zip(grids, scores, strict=True))]
    return found
