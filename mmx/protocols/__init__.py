"""Tests that score explanations: per-sample records, and what they come to."""
