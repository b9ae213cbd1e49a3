"""Benchmarks: scripts that print ratios of times taken side by side in one run."""
