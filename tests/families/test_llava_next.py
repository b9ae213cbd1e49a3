"""LLaVA-NeXT: the whole picture and tiles of it, whose tokens are read line by line across them."""

from written_checks import Written, WrittenChecks


class TestLlavaNext(WrittenChecks):
    case = Written("tiny_llava_next", tower_layers=2, class_tokens=1)
