"""Masks out of a detector's relevance, scored against COCO annotations (ICCV 2021, section 5.3)."""
