"""Benchmarks: times and memory beside the least work that must be done, taken side by side in one run."""
