"""InternVL: tiles of a picture and the whole of it, in which four patches are one token."""

from written_checks import Written, WrittenChecks


class TestInternVL(WrittenChecks):
    case = Written("tiny_internvl", tower_layers=2, tower="model.vision_tower.encoder.layer.{}", attention="attention",
                   class_tokens=1)
