"""LLaVA-OneVision: as LLaVA-NeXT, without a class token, and with fewer tokens where they are too many."""

from written_checks import Written, WrittenChecks


class TestLlavaOnevision(WrittenChecks):
    case = Written("tiny_llava_onevision", tower_layers=2)
