"""Gemma 3: image tokens see each other; in two of three layers tokens see what is near alone."""

from written_checks import Written, WrittenChecks


class TestGemma3(WrittenChecks):
    case = Written("tiny_gemma3", tower_layers=2)
