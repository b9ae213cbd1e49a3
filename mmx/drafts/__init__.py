"""A family's file for a class of `transformers`, filled in as far as a trial of the class says."""

from mmx.drafts.writing import draft

__all__ = ["draft"]
