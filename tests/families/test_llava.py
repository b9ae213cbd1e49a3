"""LLaVA: one view of a picture, read before the tower's last layer, without its class token or with it."""

from written_checks import Written, WrittenChecks

FULL = {"vision_feature_select_strategy": "full"}


class TestLlava(WrittenChecks):
    case = Written("tiny_llava", tower_layers=2, class_tokens=1)


class TestLlavaWithClassToken(WrittenChecks):
    """The class token is an image token of its own."""

    case = Written("tiny_llava", tower_layers=2, class_tokens=1,
                   changes={"config.json": FULL, "processor_config.json": FULL})
