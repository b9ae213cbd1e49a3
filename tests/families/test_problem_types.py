"""What a classifier's numbers are: shares of one, probabilities of their own, or plain values, as its config says."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from family_checks import close, picture
from torch import Tensor

import mmx
from mmx.errors import CheckpointError
from mmx.results import Explanation, Unit

Values = Callable[[Tensor], Tensor]
KINDS: dict[str, tuple[dict, Unit, Values]] = {
    "nothing said": ({"num_labels": 3}, "softmax", lambda logits: logits.softmax(0)),
    "one of several": ({"num_labels": 3, "problem_type": "single_label_classification"}, "softmax",
                       lambda logits: logits.softmax(0)),
    "any of several": ({"num_labels": 3, "problem_type": "multi_label_classification"}, "sigmoid", torch.sigmoid),
    "several values": ({"num_labels": 3, "problem_type": "regression"}, "value", lambda logits: logits),
    "one value": ({"num_labels": 1}, "value", lambda logits: logits),
    "one value, as it is said": ({"num_labels": 1, "problem_type": "regression"}, "value", lambda logits: logits),
    "one class, yes or no": ({"num_labels": 1, "problem_type": "multi_label_classification"}, "sigmoid", torch.sigmoid),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Unit, Values]:
    """A random ViT that says so, and what becomes of its logits."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    said, unit, values = KINDS[request.param]
    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(5)
    ViTForImageClassification(ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, image_size=24, patch_size=12,
        initializer_range=0.5, **said)).save_pretrained(folder)
    ViTImageProcessor(size={"height": 24, "width": 24}).save_pretrained(folder)
    return folder, unit, values


def logits_of(model: mmx.Model) -> Tensor:
    return model.described.run(model.encode(picture()))["logits"][0]


def test_items_and_predictions_are_in_the_unit_of_the_problem(kind: tuple[Path, Unit, Values]) -> None:
    folder, unit, values = kind
    model = mmx.load(folder)
    expected = values(logits_of(model))
    everything = list(range(len(expected)))
    found = model.explain(picture(), target=everything)
    assert [(item.index, item.unit) for item in found] == [(index, unit) for index in everything]
    assert [item.score for item in found] == pytest.approx(expected.tolist(), abs=1e-6)
    assert [(one.index, one.unit) for one in found.predictions] == [
        (index, unit) for index in expected.argsort(descending=True).tolist()]
    assert [one.score for one in found.predictions] == pytest.approx(expected.sort(descending=True).values.tolist(),
                                                                      abs=1e-6)


@pytest.mark.parametrize("said", ["multi-label", "", 3, ["regression"]])
def test_a_problem_that_nobody_knows_is_refused(tiny_vit: Path, tmp_path: Path, said: object) -> None:
    folder = tmp_path / "vit"
    shutil.copytree(tiny_vit, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"problem_type": said}))
    with pytest.raises(CheckpointError, match="problem_type") as caught:
        mmx.load(folder)
    assert "single_label_classification, multi_label_classification, regression or null" in str(caught.value)


def test_the_largest_is_explained_where_none_is_named(kind: tuple[Path, Unit, Values]) -> None:
    folder, unit, _ = kind
    model = mmx.load(folder)
    [item] = model.explain(picture())
    assert (item.index, item.unit) == (int(logits_of(model).argmax()), unit)


def test_what_is_explained_is_the_logit_whatever_the_unit(kind: tuple[Path, Unit, Values]) -> None:
    folder, *_ = kind
    model = mmx.load(folder)
    [item] = model.explain(picture(), target=0)
    close(torch.tensor(item.scores["image"]), model.attribute(model.encode(picture()), target=0)["image"][0], 1e-6)


def test_the_unit_survives_the_file(kind: tuple[Path, Unit, Values]) -> None:
    folder, unit, _ = kind
    found = mmx.load(folder).explain(picture())
    again = Explanation.from_dict(found.to_dict())
    assert again[0].unit == again.predictions[0].unit == unit
    assert unit in repr(again)
