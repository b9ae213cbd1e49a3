"""Where the reference's code departs from its paper, in one place (hila-chefer/Transformer-MM-Explainability, 58eaea8).

Under a reference name (`ours_no_lrp`) and in the protocol `iccv21` mmx does as the reference does; under its own names
it computes the sound form and asks for nothing here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

LXMERT_STEPS = (0, 0.25, 0.5, 0.75, 0.8, 0.85, 0.9, 0.95, 1)


@dataclass(frozen=True)
class Reference:
    """How the reference treats one family otherwise than the others.

    Attributes:
        conserve_in_linear: its LRP keeps the sum in linear layers.
        rollout_normalizes: its rollout divides the rows of A + I by their sums; where it does not, a row is
            2^layers as large and its shape is the same.
        drops_undefined_layers: where eq. 8 and 9 are 0/0 in any row, the whole addition of eq. 10 is dropped.
        sizes_pictures: it sizes pictures itself, a pixel otherwise at times than the model's own image processor.
        steps: the shares that its perturbation test removes, by modality.
        padded_words_count: padding of the text counts as words to remove.
        unmasks_regions: where regions are removed, padded ones that stay are looked at like any other.
        takes_one_more: one sample more than asked for is summed up, but not divided by.
    """

    conserve_in_linear: bool = False
    rollout_normalizes: bool = True
    drops_undefined_layers: bool = False
    sizes_pictures: bool = False
    steps: Mapping[str, tuple[float, ...]] = field(
        default_factory=lambda: {"text": LXMERT_STEPS, "image": LXMERT_STEPS})
    padded_words_count: bool = True
    unmasks_regions: bool = False
    takes_one_more: bool = False


class ReferenceSizes:
    """A processor that finds its pictures sized already."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        edges = edges_of(processor)
        assert edges is not None
        self._short, self._long = edges

    def __call__(self, images: Sequence["Image"], **options: Any) -> Any:
        from PIL.Image import Resampling

        sized = [image.resize(reference_size(image.size, self._short, self._long), Resampling.BILINEAR)
                 for image in images]
        return self._processor(sized, do_resize=False, **options)


def reference_size(size: tuple[int, int], short: int, long: int) -> tuple[int, int]:
    """Width and height after scaling, out of those before."""
    width, height = size
    least, most = min(size), max(size)
    if most / least * short > long:
        short = round(long * least / most)
    if least == short:
        return width, height
    return (short, int(short * height / width)) if width < height else (int(short * width / height), short)


def edges_of(processor: Any) -> tuple[int, int] | None:
    """Shortest and longest edge that a processor resizes to, where it does so."""
    size = getattr(processor, "size", None) or {}
    short, long = (size.get(name) for name in ("shortest_edge", "longest_edge"))
    return (short, long) if short and long else None
