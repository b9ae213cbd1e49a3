"""The states of tokens, the gradient there, and the model run again on altered embeddings, on unmodified classes."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    CLIPConfig,
    CLIPModel,
    DetrConfig,
    DetrForObjectDetection,
    LxmertConfig,
    LxmertForQuestionAnswering,
    ResNetConfig,
    ViTConfig,
    ViTForImageClassification,
)

from mmx.bench.subjects import described
from mmx.capture import Capture
from mmx.engine import Described, attribute
from mmx.methods.base import Method, Rows

_STAGE: dict[str, Any] = {"out_features": ["stage2"]}
_NO_TIMM: dict[str, Any] = {"use_timm_backbone": False, "backbone": None, "use_pretrained_backbone": False}
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}


def _labels(count: int) -> dict[str, Any]:
    """Which a config takes though its signature does not name it."""
    return {"num_labels": count}


def _vit() -> tuple[Described, dict[str, Tensor], object]:
    config = ViTConfig(**SMALL, **_labels(5), image_size=16, patch_size=8)
    return described(ViTForImageClassification(config).double()), {"pixel_values": torch.randn(2, 3, 16, 16)}, [3, 1]


def _several() -> tuple[Described, dict[str, Tensor], object]:
    model, inputs, _ = _vit()
    return model, {"pixel_values": inputs["pixel_values"][:1]}, [3, 1, 4]


def _clip() -> tuple[Described, dict[str, Tensor], object]:
    config = CLIPConfig(text_config={**SMALL, "vocab_size": 30, "eos_token_id": 29, "max_position_embeddings": 8},
                        vision_config={**SMALL, "image_size": 16, "patch_size": 8}, projection_dim=8)
    ids = torch.tensor([[1, 4, 5, 29], [1, 6, 29, 29], [1, 7, 8, 29]])
    return described(CLIPModel(config).double()), {"pixel_values": torch.randn(2, 3, 16, 16), "input_ids": ids}, [
        (0, 1), (1, 0), (1, 2)]


def _lxmert() -> tuple[Described, dict[str, Tensor], object]:
    config = LxmertConfig(hidden_size=16, num_attention_heads=2, intermediate_size=24, l_layers=1, x_layers=2,
                          r_layers=1, visual_feat_dim=6, num_qa_labels=4, vocab_size=30)
    return described(LxmertForQuestionAnswering(config).double()), {
        "input_ids": torch.randint(1, 30, (2, 5)), "attention_mask": torch.ones(2, 5, dtype=torch.long),
        "visual_feats": torch.randn(2, 3, 6), "visual_pos": torch.rand(2, 3, 4)}, [1, 2]


def _detr() -> tuple[Described, dict[str, Tensor], object]:
    config = DetrConfig(d_model=16, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2,
                        decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24, num_queries=4, **_labels(3),
                        backbone_config=ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], **_STAGE),
                        **_NO_TIMM)
    return described(DetrForObjectDetection(config).double()), {
        "pixel_values": torch.randn(1, 3, 32, 48), "pixel_mask": torch.ones(1, 32, 48, dtype=torch.long)}, [
            (0, 1), (2, None)]


MODELS: dict[str, Callable[[], tuple[Described, dict[str, Tensor], object]]] = {
    "a classifier": _vit, "several classes of one picture": _several, "pairs": _clip, "two streams": _lxmert,
    "queries": _detr}


@cache
def ran(name: str) -> tuple[Described, dict[str, Tensor], object]:
    torch.manual_seed(0)
    model, inputs, target = MODELS[name]()
    return model, {key: value.double() if value.is_floating_point() else value for key, value in inputs.items()}, target


def seen(name: str) -> Capture:
    """What a method sees of states."""
    model, inputs, target = ran(name)
    found: list[Capture] = []

    def rows(capture: Capture) -> Rows:
        found.append(capture)
        return {(readout.stream, cols): torch.zeros(len(readout.index), size)
                for readout in capture.readouts for cols, size in capture.sizes.items()}

    attribute(model, inputs, [Method("seen", "", "", ("states", "further passes"), rows)], target)
    return found[0]


@pytest.mark.parametrize("name", MODELS)
def test_the_gradient_at_embeddings_is_how_the_score_changes_with_them(name: str) -> None:
    capture = seen(name)
    assert capture.again is not None
    step = 3e-8
    moved: set[str] = set()
    for stream, states in capture.embeddings.items():
        if states.gradient is None:
            continue
        direction = torch.randn(states.value.shape[1:], dtype=torch.float64)

        def both_ways(other: str, values: Tensor, numbers: range, stream: str = stream,
                      direction: Tensor = direction) -> Tensor:
            ways = torch.tensor([(-step, step)[number] for number in numbers], dtype=values.dtype)
            return values + ways[:, None, None, None] * (direction if other == stream else 0)

        runs = list(capture.again.on_embeddings(2, both_ways))
        before, after = torch.cat([run.scores for run in runs])
        torch.testing.assert_close((states.gradient * direction).sum(dim=(1, 2)), (after - before) / (2 * step),
                                   rtol=1e-3, atol=1e-6)
        moved.add(stream)
    assert moved


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_embeddings_that_are_given_on_as_they_are_change_nothing(name: str, at_once: int) -> None:
    capture = seen(name)
    assert capture.again is not None
    again = replace(capture.again, at_once=at_once)
    runs = list(again.on_embeddings(3, lambda _, values, numbers: values.expand(len(numbers), *values.shape),
                                    with_gradients=True))
    scores = torch.cat([run.scores for run in runs])
    torch.testing.assert_close(scores, capture.again.chosen.scores.detach().expand(3, -1))
    for stream, states in capture.embeddings.items():
        if states.gradient is not None:
            gradients = torch.cat([run.gradients[stream] for run in runs])
            torch.testing.assert_close(gradients, states.gradient.expand(3, *states.gradient.shape))


@pytest.mark.parametrize("name", MODELS)
def test_inputs_are_altered_each_by_itself(name: str) -> None:
    model, inputs, target = ran(name)
    capture = seen(name)
    assert capture.again is not None
    pixels = "visual_feats" if "visual_feats" in inputs else "pixel_values"
    runs = list(capture.again.on_inputs(3, lambda given, numbers: [
        {**given, pixels: given[pixels] * number} for number in numbers]))
    scores = torch.cat([run.scores for run in runs])
    for number, found in enumerate(scores):
        outputs = model.run({**inputs, pixels: inputs[pixels] * number}, target)
        assert capture.again.chosen.score_of is not None
        torch.testing.assert_close(found, capture.again.chosen.score_of(outputs).detach())


def test_the_states_behind_layers_lead_to_the_score() -> None:
    """The last layer's [CLS], through norm and head, is the logit."""
    model, _, _ = ran("a classifier")
    capture = seen("a classifier")
    *_, last = capture.layers.values()
    network: Any = model.network
    logits = network.classifier(network.vit.layernorm(last.value)[:, 0])
    assert capture.again is not None
    torch.testing.assert_close(logits[torch.arange(2), torch.tensor([3, 1])], capture.again.chosen.scores.detach())
    assert last.gradient is not None
    assert last.gradient[:, 0].abs().max() > 0
    assert last.gradient[:, 1:].abs().max() == 0
    assert len(capture.layers) == 2


def test_layers_that_several_streams_run_through_have_no_states() -> None:
    assert {site.module.split(".")[2] for site in seen("two streams").layers} == {"layer", "r_layers"}
