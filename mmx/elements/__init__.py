"""What the tokens of a stream are in the world: one file for each kind of input, named as `kind` in the declaration."""

from mmx.elements.base import Context, Encoder, Given, Prepared
from mmx.families.base import Input
from mmx.registry import load_module

__all__ = ["Context", "Encoder", "Given", "Prepared", "encoder_of"]


def encoder_of(declared: Input, context: Context) -> Encoder:
    return load_module("elements", declared.kind).ENCODER(declared, context)
