"""Removing words, regions and patches from encoded inputs, and what the model says then (ICCV 2021, section 5.1)."""
