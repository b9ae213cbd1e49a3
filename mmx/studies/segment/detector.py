"""The reference's way to size a picture for DETR, where the checkpoint's own processor goes another.

Both scale the short side, within a limit for the long one; the reference rounds the scaled short side before it
takes the long one from it, so some pictures come out a pixel smaller than transformers makes them.
"""

from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from mmx.explainer import Model


def with_reference_sizes(model: "Model") -> "Model":
    """The same model, whose pictures are sized as the reference sizes them; one with a fixed size stays as it is."""
    if not getattr(model.processor, "do_resize", False) or _edges(model.processor) is None:
        return model
    twin = copy(model)
    twin.processor = ReferenceSizes(model.processor)  # type: ignore[assignment]
    return twin


class ReferenceSizes:
    """A processor that finds its pictures sized already."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        edges = _edges(processor)
        assert edges is not None
        self._short, self._long = edges

    def __call__(self, images: Sequence[Image.Image], **options: Any) -> Any:
        sized = [image.resize(reference_size(image.size, self._short, self._long), Image.Resampling.BILINEAR)
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


def _edges(processor: Any) -> tuple[int, int] | None:
    size = getattr(processor, "size", None) or {}
    short, long = (size.get(name) for name in ("shortest_edge", "longest_edge"))
    return (short, long) if short and long else None
