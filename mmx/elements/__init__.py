"""What the tokens of a stream are in the world: one file for each kind of input, named as `kind` in the declaration."""

from collections.abc import Iterable
from contextlib import suppress

from mmx.elements.base import Context, Encoder, Given, Prepared
from mmx.elements.labels import Labels
from mmx.errors import MmxError
from mmx.families.base import Input
from mmx.registry import load_module

__all__ = ["Context", "Encoder", "Given", "Prepared", "beside_of", "encoder_of"]


def encoder_of(declared: Input, context: Context) -> Encoder:
    return load_module("elements", declared.kind).ENCODER(declared, context)


def beside_of(encoders: Iterable[Encoder], labels: Labels | None) -> dict[str, str]:
    """What decides a model's results and is no file of the checkpoint's; see `Encoder.beside`."""
    found = dict[str, str]()
    for one in (*encoders, *filter(None, [labels])):
        with suppress(MmxError):  # what cannot be read is told where it is needed
            found |= one.beside
    return found
