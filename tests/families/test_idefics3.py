"""Idefics3: tiles of a picture and the whole of it, in which nine patches are one token."""

from written_checks import Written, WrittenChecks


class TestIdefics3(WrittenChecks):
    case = Written("tiny_idefics3", tower_layers=2, tower="model.vision_model.encoder.layers.{}",
                   text_attention="model.text_model.layers.{}.self_attn")
