"""`mmx models new`: drafts of families that mmx has are those families, as far as a trial of the class can say."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest
import torch
import transformers
from transformers import ResNetConfig

from mmx.checkpoints.families import family_of_architecture
from mmx.drafts import draft
from mmx.drafts.building import _BACKBONE, build, class_named
from mmx.drafts.inputs import END, inputs_of
from mmx.drafts.trial import tried
from mmx.errors import MmxError, UsageError
from mmx.families.base import Family
from mmx.schedule import sites_of

DEFAULT = "mmx.drafts.building._default"
SIZES = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
KNOWN = ("ViTForImageClassification", "CLIPModel", "DetrForObjectDetection", "ViltForQuestionAnswering")
SMALL: dict[str, Mapping[str, Any]] = {
    "CLIPModel": {"text_config": {"vocab_size": 99, "bos_token_id": 2, "eos_token_id": 3, **SIZES},
                  "vision_config": {"image_size": 64, "patch_size": 16, **SIZES}},
    "ViltForQuestionAnswering": {"vocab_size": 99, "image_size": 64, **SIZES}}
"""Of classes whose own configs are large; the others are drafted as a user would."""


@cache
def drafted(name: str) -> Family:
    """The family that a draft is, its questions left as they are."""
    found: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patched:
        if name in SMALL:
            patched.setattr(DEFAULT, lambda model_class: model_class.config_class(**SMALL[name]))
        exec(compile(draft(name), name, "exec"), found)
    return found["FAMILY"]


def own(name: str) -> Family:
    found = family_of_architecture(name)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("name", KNOWN)
def test_a_draft_finds_the_attention_of_a_class_where_it_begins_and_what_is_asked(name: str) -> None:
    found, family = drafted(name), own(name)
    config = getattr(transformers, name).config_class()
    assert found.architectures == family.architectures == (name,)
    assert found.schedule(config) == tuple(family.schedule(config))
    assert len(sites_of(found.schedule(config))) >= 12
    assert found.roots == family.roots
    assert found.tokens == family.tokens
    assert {type(one) for one in found.inputs} == {type(one) for one in family.inputs}
    assert type(found.score) is type(family.score)
    assert found.needs == family.needs
    assert [one.stream for one in found.reads] == [one.stream for one in family.reads]


def test_rows_are_read_where_the_score_depends_on_them() -> None:
    assert drafted("ViTForImageClassification").reads == own("ViTForImageClassification").reads
    assert drafted("DetrForObjectDetection").reads == own("DetrForObjectDetection").reads
    assert drafted("ViltForQuestionAnswering").reads == own("ViltForQuestionAnswering").reads
    assert [one.row for one in drafted("CLIPModel").reads] == [0, END]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Classes are tried at these sizes, where their config's own are large."""
    return lambda **sizes: monkeypatch.setattr(DEFAULT, lambda model_class: model_class.config_class(**sizes))


def test_a_mean_of_patches_and_registers_are_seen(small: Callable[..., None]) -> None:
    small(hidden_size=16, num_attention_heads=2, mlp_ratio=2, image_size=48)
    text = draft("Dinov2WithRegistersForImageClassification")
    assert 'Part("cls", 1), Part("registers", "num_register_tokens"), Part("image")' in text
    assert 'Read("image", weights={"cls": 0.5, "image": 0.5})' in text
    assert "rows of cls and image were read: how much is each one's?" in text
    assert "Pixels(any_size=True)" in text  # tried, too
    small(image_size=48, **SIZES)
    assert 'Pixels(any_size=True, resized_by="interpolate_pos_encoding")' in draft("ViTForImageClassification")


def test_regions_and_modules_that_are_called_twice_are_seen(small: Callable[..., None]) -> None:
    small(vocab_size=60, visual_feat_dim=12, num_qa_labels=9, l_layers=9, x_layers=4, r_layers=5,
          **SIZES)
    text = draft("LxmertForQuestionAnswering")
    assert 'Regions("visual_feats", "visual_attention_mask", "visual_feat_dim", boxes="visual_pos")' in text
    assert '("visual_attention.att.dropout", "image", "text", 1)' in text
    assert "These belong into one step" in text
    assert 'Classes(noun="answer", count="num_qa_labels")' in text and "found.question_answering_score" in text
    assert 'roots={"text": "lxmert.embeddings", "image": "lxmert.encoder.visn_fc"}' in text


def test_maps_that_a_class_gives_away_only_where_it_is_asked_for_them_are_seen(small: Callable[..., None]) -> None:
    small(backbone_config=ResNetConfig(**_BACKBONE), d_model=16, encoder_ffn_dim=16, decoder_ffn_dim=16,
          encoder_attention_heads=2, decoder_attention_heads=2)
    text = draft("TableTransformerForObjectDetection")
    assert 'arguments={"output_attentions": True},' in text
    assert '("encoder_attn", "query", "image")' in text


def test_questions_stand_where_nothing_is_known(small: Callable[..., None]) -> None:
    small(embed_dim=8, depths=[1, 1], num_heads=[1, 2], image_size=28, patch_size=2, window_size=7)
    text = draft("SwinForImageClassification")
    assert "TODO: what are the tokens of stream_49? Windows and other resolutions are no plain stream" in text
    assert "TODO: where does the config say how many these are?" in text


def test_detection_tokens_among_patches_and_scores_without_a_class_for_no_object_are_seen(
        small: Callable[..., None]) -> None:
    small(image_size=[32, 48], patch_size=16, num_detection_tokens=9, **SIZES)
    text = draft("YolosForObjectDetection")
    assert 'tokens={"image": (Part("cls", 1), Part("image"), Part("query", "num_detection_tokens"))}' in text
    assert 'Read("image", row=None, part="query")' in text
    assert "score=Queries(queries=lambda config: config.num_detection_tokens)," in text
    small(backbone_config=ResNetConfig(**_BACKBONE), d_model=16, encoder_ffn_dim=16, decoder_ffn_dim=16,
          encoder_attention_heads=2, decoder_attention_heads=2)
    assert 'score=Queries(unit="sigmoid"),' in draft("ConditionalDetrForObjectDetection")


@pytest.mark.parametrize(("name", "error", "message"), [
    ("VitForImageClasification", UsageError, "no class named 'VitForImageClasification'. Did you mean "
                                             "ViTForImageClassification, "),
    ("zzz", UsageError, "no class named 'zzz'. Give one such as"),
    ("ViTConfig", UsageError, "ViTConfig of transformers is no class of models"),
    ("AutoModel", UsageError, "AutoModel of transformers is no class of models")])
def test_what_is_no_class_is_one_line(name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        draft(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "sizes", "message"), [
    ("BertModel", {"vocab_size": 20, **SIZES}, "BertModel looks at no picture: its forward takes input_i"),
    ("ResNetForImageClassification", {"embedding_size": 8, "hidden_sizes": [8, 8], "depths": [1, 1],
                                      "layer_type": "basic"}, "has no attention that can be read"),
    ("BlipForQuestionAnswering", {
        "text_config": {"vocab_size": 60, **SIZES}, "vision_config": {"image_size": 32, **SIZES}},
     "fails on input_ids, attention_mask, pixel_values: ValueError: Either `decoder_input_ids`"),
    ("ViTForImageClassification", {"hidden_size": 2**14, "num_attention_heads": 2},
     r"has \d+\.\d G parameters by the defaults of its config")])
def test_what_cannot_be_tried_is_one_line(small: Callable[..., None], name: str,
                                          sizes: dict[str, Any], message: str) -> None:
    small(**sizes)
    with pytest.raises(MmxError, match=message):
        draft(name)


def test_a_trial_changes_neither_random_numbers_nor_hooks() -> None:
    before = torch.get_rng_state()
    built = build(class_named("ViTForImageClassification"))
    tried(built.network, inputs_of(built, (64, 96)).tensors)
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in built.network.modules())
    assert not any(parameter.requires_grad for parameter in built.network.parameters())
