"""Classes without attention maps are refused by name, with the reason and a model that does the same."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import transformers

import mmx
from mmx.checkpoints import families
from mmx.checkpoints.families import family_of
from mmx.checkpoints.refused import REFUSED
from mmx.errors import UsageError
from mmx.families.base import Checkpoint, Classes, Family, Pixels, Read

NAMES = [(architecture, one) for one in REFUSED for architecture in one.architectures]
LONG_THERE = ("DeformableDetrForObjectDetection", "RTDetrForObjectDetection", "GroundingDinoForObjectDetection",
              "AlignModel", "ConvNextForImageClassification", "ResNetForImageClassification",
              "EfficientNetForImageClassification", "PoolFormerForImageClassification",
              "SwiftFormerForImageClassification", "Florence2ForConditionalGeneration")


def config_of(*architectures: str) -> SimpleNamespace:
    return SimpleNamespace(architectures=list(architectures), model_type="whatever")


@pytest.mark.parametrize(("architecture", "refused"), NAMES)
def test_each_is_told_with_its_reason_and_a_way_out(architecture: str, refused: object) -> None:
    with pytest.raises(UsageError) as caught:
        family_of(config_of(architecture), "mine")
    article = "an" if architecture[0] in "AEIOU" else "a"
    assert caught.value.message == (f"mine is {article} {architecture}, which cannot be explained: "
                                    f"it {refused.reason}.")  # type: ignore[attr-defined]
    instead = {"queries": "facebook/detr-resnet-50", "texts": "openai/clip-vit-base-patch32",
               "targets": "google/vit-base-patch16-224", "question": "unc-nlp/lxmert-vqa-uncased"}[refused.instead]  # type: ignore[attr-defined]
    assert caught.value.hint == f"Load another, such as {instead}."


def test_no_class_is_both_refused_and_explained_or_refused_twice() -> None:
    explained = {name for _, family in families.all_families() for name in family.architectures}
    refused = [name for name, _ in NAMES]
    assert explained.isdisjoint(refused) and len(set(refused)) == len(refused)


@pytest.mark.parametrize("name", LONG_THERE)
def test_the_names_are_those_of_transformers(name: str) -> None:
    assert hasattr(transformers, name) and name in dict(NAMES)


def test_a_family_of_another_package_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Family(("ConvNextForImageClassification",), Classes(), (Pixels(),), lambda config: (), (), (Read("image"),),
                 checkpoints=(Checkpoint("mine"),))
    monkeypatch.setattr(families, "all_families", lambda: (("mine", own),))
    assert family_of(config_of("ConvNextForImageClassification"), "mine") == (
        "mine", own, "ConvNextForImageClassification")


def test_a_checkpoint_of_such_a_class_is_one_line(tmp_path: Path) -> None:
    settings = {"model_type": "convnext", "architectures": ["ConvNextForImageClassification"]}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    with pytest.raises(UsageError, match="is a ConvNextForImageClassification, which cannot be explained: it mixes"):
        mmx.load(tmp_path)
