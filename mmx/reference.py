"""Where the reference's code departs from its paper, in one place (hila-chefer/Transformer-MM-Explainability, 58eaea8).

Under a reference name (`ours_no_lrp`) and in the protocol `iccv21` mmx does as the reference does; under its own names
it computes the sound form and asks for nothing here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

LXMERT_STEPS = (0, 0.25, 0.5, 0.75, 0.8, 0.85, 0.9, 0.95, 1)


@dataclass(frozen=True)
class Reference:
    """How the reference treats one family otherwise than the others.

    Attributes:
        conserve_in_linear: its LRP keeps the sum in linear layers.
        rollout_normalizes: its rollout divides the rows of A + I by their sums; where it does not, a row is
            2^layers as large and its shape is the same.
        drops_undefined_layers: where eq. 8 and 9 are 0/0 in any row, the whole addition of eq. 10 is dropped.
        steps: the shares that its perturbation test removes, by modality.
        padded_words_count: padding of the text counts as words to remove.
        unmasks_regions: where regions are removed, padded ones that stay are looked at like any other.
        takes_one_more: one sample more than asked for is summed up, but not divided by.
    """

    conserve_in_linear: bool = False
    rollout_normalizes: bool = True
    drops_undefined_layers: bool = False
    steps: Mapping[str, tuple[float, ...]] = field(
        default_factory=lambda: {"text": LXMERT_STEPS, "image": LXMERT_STEPS})
    padded_words_count: bool = True
    unmasks_regions: bool = False
    takes_one_more: bool = False
