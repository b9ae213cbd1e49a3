"""Checkpoints that load, or nearly, and cannot be right: each is told in one line what is wrong with it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from family_checks import picture
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

import mmx
from mmx.errors import CaptureError, CheckpointError, MmxError

ASKED = {"tiny_lxmert": {"question": "red?"}, "tiny_detr": {"query": 1}, "tiny_vit": {}, "tiny_clip": {"text": "red"},
         "tiny_vilt": {"question": "red?"}, "tiny_siglip": {"text": "red"}, "tiny_dinov2": {},
         "tiny_blip": {"text": "red"}}
Other = Callable[[str], Path]


@pytest.fixture
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Other:
    """A copy of a checkpoint that may be changed."""
    return lambda name: Path(shutil.copytree(request.getfixturevalue(name), tmp_path / name))


def with_weights(folder: Path, change: Callable[[str, torch.Tensor], torch.Tensor]) -> None:
    path = folder / "model.safetensors"
    tensors = {name: change(name, value.clone()) for name, value in load_file(path).items()}
    path.unlink()
    save_file(tensors, path, metadata={"format": "pt"})


def with_config(folder: Path, *path: str, **values: object) -> None:
    content = json.loads((folder / "config.json").read_text())
    inside = content
    for one in path:
        inside = inside[one]
    for name, value in values.items():
        inside[name] = value
    (folder / "config.json").write_text(json.dumps(content))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ASKED)
def test_one_weight_that_is_not_finite_is_named(other: Other, name: str, value: float) -> None:
    folder = other(name)
    broken = sorted(key for key, one in load_file(folder / "model.safetensors").items() if one.is_floating_point())[-1]

    def change(key: str, weights: torch.Tensor) -> torch.Tensor:
        if key == broken:
            weights.view(-1)[0] = value
        return weights

    with_weights(folder, change)
    with pytest.raises(CheckpointError, match=r"not finite \(NaN or infinite\) in model\.safetensors: \S+"):
        mmx.load(folder)


def test_weights_too_large_for_float16(other: Other) -> None:
    folder = other("tiny_vit")
    with_weights(folder, lambda key, weights: weights + 1e6 * (key == "classifier.bias"))
    assert mmx.load(folder).explain(picture())
    with pytest.raises(CheckpointError, match=r"not finite .* classifier\.bias\. The largest number in float16 is"):
        mmx.load(folder, dtype="float16")


def test_outputs_too_large_for_float16(other: Other) -> None:
    folder = other("tiny_vit")
    with_weights(folder, lambda key, weights: weights.sign() * 6e4 if key == "classifier.weight" else weights)
    model = mmx.load(folder, dtype="float16")
    with pytest.raises(MmxError, match=r"outputs of ViTForImageClassification are not finite .* in float16: .*float32"):
        model.explain(picture())


def test_inputs_that_are_not_finite_are_no_fault_of_the_model(tiny_vit: Path) -> None:
    model = mmx.load(tiny_vit)
    inputs = model.encode(picture())
    inputs["pixel_values"][0, 0, 0, 0] = float("nan")
    with pytest.raises(MmxError, match="inputs pixel_values are not finite"):
        model.attribute(inputs)


def test_scores_that_are_not_finite_are_named(tiny_vit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmx.engine.handed_out", lambda *given: {"image": torch.full((1, 6), float("inf"))})
    with pytest.raises(CaptureError, match=r"image scores of relevance on .* are not finite"):
        mmx.load(tiny_vit).explain(picture())


@pytest.mark.parametrize("name", ["tiny_lxmert", "tiny_clip", "tiny_blip"])
def test_a_token_without_an_embedding_is_named(other: Other, name: str) -> None:
    folder = other(name)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    size = len(tokenizer)
    tokenizer.add_tokens(["zorbax"])
    tokenizer.save_pretrained(folder)
    model, field = mmx.load(folder), next(iter(ASKED[name]))
    assert model.explain(picture(), **ASKED[name])
    assert any("1 more than the model has embeddings for" in one.load() for one in model.encoders)
    with pytest.raises(CheckpointError, match=f"has the token 'zorbax', number {size} of its token.*{size} tokens"):
        model.explain(picture(), **{field: "red zorbax"})


@pytest.mark.parametrize(("end", "message"), [
    (None, r"text_config\.eos_token_id in its config\.json is not given"),
    (7, r"text_config\.eos_token_id in its config\.json is 7, which its tokenizer does not write"),
])
def test_a_clip_whose_end_is_not_known(other: Other, end: int | None, message: str) -> None:
    folder = other("tiny_clip")
    with_config(folder, "text_config", eos_token_id=end)
    model = mmx.load(folder)
    with pytest.raises(CheckpointError, match=message):
        model.explain(picture(), text="red")


@pytest.mark.parametrize(("name", "inside", "field", "stream"), [
    ("tiny_vit", (), "num_hidden_layers", "image"), ("tiny_clip", ("text_config",), "num_hidden_layers", "text"),
    ("tiny_clip", ("vision_config",), "num_hidden_layers", "image"), ("tiny_detr", (), "decoder_layers", "query"),
    ("tiny_vilt", (), "num_hidden_layers", "joint")])
def test_without_layers_there_is_nothing_to_explain(other: Other, name: str, inside: tuple, field: str,
                                                    stream: str) -> None:
    folder = other(name)
    with_config(folder, *inside, **{field: 0})
    with pytest.raises(CheckpointError, match=f"has no {stream} layers"):
        mmx.load(folder)


def test_both_shapes_are_told_where_classes_are_not_named(other: Other) -> None:
    folder = other("tiny_vit")
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({key: value for key, value in content.items()
                                                    if key not in ("id2label", "label2id")}))
    with pytest.raises(CheckpointError, match=r"classifier\.weight \(5 x 16 in the file, 2 x 16 by config") as found:
        mmx.load(folder)
    assert "has no id2label, so that transformers takes two classes" in (found.value.hint or "")


@pytest.mark.parametrize(("name", "saved"), [
    ("tiny_vit", "ViTForMaskedImageModeling"), ("tiny_lxmert", "LxmertForPreTraining"), ("tiny_detr", "DetrModel"),
    ("tiny_clip", "CLIPVisionModelWithProjection"), ("tiny_blip", "BlipForConditionalGeneration"),
    ("tiny_vilt", "ViltForImagesAndTextClassification")])
@pytest.mark.parametrize("as_list", [True, False], ids=["in a list", "by itself"])
def test_another_head_with_the_same_weights_is_refused(other: Other, name: str, saved: str, as_list: bool) -> None:
    folder = other(name)
    with_config(folder, architectures=[saved] if as_list else saved)
    with pytest.raises(MmxError, match=f"is a {saved}, which mmx has no family for"):
        mmx.load(folder)


@pytest.mark.parametrize(("name", "inside", "said", "message"), [
    ("tiny_vit", (), {"num_hidden_layers": 10**30}, "says 1000.* of 'num_hidden_layers': no checkpoint has so many"),
    ("tiny_clip", ("text_config",), {"num_hidden_layers": 10**5}, "says 100000 of 'num_hidden_layers'"),
    ("tiny_vit", (), {"layer_norm_eps": None}, "says None of 'layer_norm_eps': it is a small number"),
    ("tiny_vit", (), {"id2label": {}}, r"config\.json of .* has no classes"),
])
def test_a_config_that_nobody_could_build_is_refused(other: Other, name: str, inside: tuple, said: dict[str, object],
                                                     message: str) -> None:
    folder = other(name)
    with_config(folder, *inside, **said)
    with pytest.raises(CheckpointError, match=message):
        mmx.load(folder)


@pytest.mark.parametrize("length", ["", "20", [20], {}])
def test_a_longest_text_of_no_number_is_refused(other: Other, length: object) -> None:
    folder = other("tiny_clip")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"model_max_length": length}))
    with pytest.raises(CheckpointError, match=r"tokenizer_config\.json of .* has the model_max_length"):
        mmx.load(folder).load_all()


@pytest.mark.parametrize("value", [True, [[]], "x"])
def test_how_outputs_are_returned_is_not_the_checkpoints_to_say(other: Other, tiny_detr: Path, value: object) -> None:
    folder = other("tiny_detr")
    with_config(folder, "backbone_config", output_hidden_states=value)
    found, expected = (mmx.load(one).explain(picture(), query=0)[0] for one in (folder, tiny_detr))
    assert found.score == expected.score and (found.scores["image"] == expected.scores["image"]).all()


def test_a_detector_of_regions_must_be_one(other: Other, tiny_lxmert: Path) -> None:
    folder = other("tiny_detr")
    with_config(folder, architectures=["DetrForSegmentation"])
    with pytest.raises(CheckpointError, match="was saved from DetrForSegmentation"):
        mmx.load(tiny_lxmert, regions={"provider": "detr", "checkpoint": str(folder)}).load_all()
