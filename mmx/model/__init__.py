"""A loaded checkpoint that explains, in batches, and looking one over."""

from mmx.model.batching import Job
from mmx.model.by_name import load
from mmx.model.model import Model, starts_by_stream

__all__ = ["Job", "Model", "load", "starts_by_stream"]
