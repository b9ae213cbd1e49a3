"""Explanation methods: one file each, a pure function from a capture to rows of relevance.

What they are is told without torch, which is imported only where rows are computed.
"""

from mmx.methods._defined import defined_on
from mmx.methods.base import (
    GROUPS,
    KINDS,
    Layout,
    Method,
    Rows,
    all_methods,
    by_reason,
    get_method,
    left_out_notes,
    method_names,
    named_methods,
    with_samples,
)

__all__ = ["GROUPS", "KINDS", "Layout", "Method", "Rows", "all_methods", "by_reason", "defined_on", "get_method",
           "left_out_notes", "method_names", "named_methods", "with_samples"]
