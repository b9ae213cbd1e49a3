"""Checkpoints by name: which there are, where they lie, fetching and loading them."""
