"""A loaded checkpoint that explains, in batches, and looking one over."""

from mmx.model.batching import Job
from mmx.model.by_name import load, outline
from mmx.model.model import Model

__all__ = ["Job", "Model", "load", "outline"]
