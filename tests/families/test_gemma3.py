"""Gemma 3: image tokens see each other; in two of three layers tokens see what is near alone."""

from written_checks import Written, WrittenChecks


class TestGemma3(WrittenChecks):
    case = Written("tiny_gemma3", tower_layers=2)


class TestGemma3WithCrops(WrittenChecks):
    """Of a long picture the whole, then crops of it, each behind words of its own."""

    case = Written("tiny_gemma3", tower_layers=2, changes={"processor_config.json": {"image_processor": {
        "do_pan_and_scan": True, "pan_and_scan_min_crop_size": 8, "pan_and_scan_max_num_crops": 3,
        "pan_and_scan_min_ratio_to_activate": 1.2}}})
