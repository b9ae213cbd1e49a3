"""LLaVA-OneVision: as LLaVA-NeXT, without a class token, and with fewer tokens where they are too many."""

from written_checks import Written, WrittenChecks

FEWER = {"vision_aspect_ratio": "anyres_max_2"}


class TestLlavaOnevision(WrittenChecks):
    case = Written("tiny_llava_onevision", tower_layers=2)


class TestLlavaOnevisionOfFewerTokens(WrittenChecks):
    """Tokens that are interpolated, each of parts of several patches."""

    case = Written("tiny_llava_onevision", tower_layers=2, shared_behind="model.multi_modal_projector",
                   changes={"config.json": FEWER, "processor_config.json": FEWER})
