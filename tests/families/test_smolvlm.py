"""SmolVLM: as Idefics3, with four patches in a token."""

from collections.abc import Iterator

import pytest
from written_checks import Written, WrittenChecks


class TestSmolVlm(WrittenChecks):
    case = Written("tiny_smolvlm", tower_layers=2, tower="model.vision_model.encoder.layers.{}",
                   text_attention="model.text_model.layers.{}.self_attn")

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _num2words(cls) -> Iterator[None]:
        """Asked for by its processor before it is made, and called for videos alone."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("transformers.models.smolvlm.processing_smolvlm.num2words", str)
            yield
