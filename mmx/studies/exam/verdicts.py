"""What an exam finds of one thing that was asked, and what each method says of the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mmx.results import Explanation
from mmx.shapes.world import Picture
from mmx.studies.looked_at import LookedAt

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
    seen = LookedAt.of(found, [one[item] for one in found])
    return Verdict(picture, kind, is_right, evidence, seen.boxes_xyxy_px, seen.grids, seen.relevance, part)
