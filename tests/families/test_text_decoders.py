"""Language models that see nothing: relevance of their words in Python, and no place where a picture is asked with."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

import mmx
from mmx.checkpoints.families import all_families, family_of_architecture
from mmx.errors import UsageError
from mmx.families.text_decoders import FAMILY
from mmx.model import Model

SIZES: dict[str, Any] = {
    "vocab_size": 23, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 4, "max_position_embeddings": 32, "initializer_range": 0.3,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
IDS = torch.tensor([[5, 7, 11, 13, 17, 19]])


@pytest.fixture(scope="module", params=FAMILY.architectures)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    torch.manual_seed(0)
    kind = getattr(transformers, request.param)
    config = kind.config_class(**SIZES)
    folder: Path = tmp_path_factory.mktemp(request.param)
    kind(config).save_pretrained(folder)
    return mmx.load(folder, device="cpu", dtype="float64")


def by_dense_walk(model: Model, position: int) -> Tensor:
    """Eq. 5 and 6 on the class's own eager maps, in loops over layers and heads."""
    network = model.network
    network.set_attn_implementation("eager")
    embedded = network.get_input_embeddings()(IDS).detach().requires_grad_()
    found = network(inputs_embeds=embedded, use_cache=False, output_attentions=True)
    gradients = torch.autograd.grad(found.logits[0, position - 1, IDS[0, position]], found.attentions)
    network.set_attn_implementation("sdpa")
    relevance = torch.eye(IDS.shape[1], dtype=torch.float64)
    for map_, gradient in zip(found.attentions, gradients, strict=True):
        relevance = relevance + sum((map_[0, head] * gradient[0, head]).clamp(min=0)
                                    for head in range(map_.shape[1])) / map_.shape[1] @ relevance
    return relevance[position - 1].detach()


def test_relevance_of_a_word_is_that_of_a_dense_walk(model: Model) -> None:
    found = model.attribute({"input_ids": IDS}, "relevance", target=[4, 5])
    assert found.keys() == {"text"}
    expected = torch.stack([by_dense_walk(model, position) for position in (4, 5)])
    # These classes turn queries and keys, and take softmax, in float32.
    torch.testing.assert_close(found["text"], expected, rtol=0, atol=1e-5 * float(expected.max()))


def test_cp_lrp_hands_down_the_whole_logit(model: Model) -> None:
    """None of these has a bias that counts, but for Qwen2's, in values."""
    found = model.attribute({"input_ids": IDS}, "cp-lrp", target=[3, 5])["text"]
    with torch.no_grad():
        logits = model.network(IDS).logits[0]
    wanted = torch.stack([logits[position - 1, IDS[0, position]] for position in (3, 5)])
    torch.testing.assert_close(found.sum(1), wanted, rtol=0, atol=1e-4)
    assert not found[0, 3:].any() and found[0, :3].all()


def test_attn_lrp_of_several_words_at_once_is_that_of_each(model: Model) -> None:
    together = model.attribute({"input_ids": IDS}, "attn-lrp", target=[2, 4, 5])["text"]
    for row, position in zip(together, (2, 4, 5), strict=True):
        [alone] = model.attribute({"input_ids": IDS}, "attn-lrp", target=position)["text"]
        torch.testing.assert_close(row, alone, rtol=1e-9, atol=1e-9)
        assert alone[:position].all() and not alone[position:].any()


def test_it_takes_no_picture(model: Model) -> None:
    with pytest.raises(UsageError, match="takes no picture") as raised:
        model.load_all()
    assert "attribute" in str(raised.value.hint)


def test_what_asks_with_pictures_does_not_list_it() -> None:
    assert "text_decoders" not in {name for name, _ in all_families()}
    for architecture in FAMILY.architectures:
        assert family_of_architecture(architecture) == ("text_decoders", FAMILY)
