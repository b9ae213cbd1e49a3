"""Pictures of another size than the config's: explained as by a model whose own positions are the interpolated ones."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from family_checks import assert_same_items, picture
from safetensors.torch import load_file, save_file

import mmx
from mmx.model import Model
from mmx.model.inspection import inspect

ASKED = {"tiny_vit_resized": {"target": "dog"}, "tiny_clip": {"text": ["red", "circle"]},
         "tiny_siglip": {"text": ["a red circle", "zebra"]}, "tiny_blip": {"text": ["a red circle", "zebra"]}}
SIDE, PATCH = 48, 8
EXACT = 1e-9


def show_larger(model: Model) -> Model:
    processor = model.parts.pictures.processor
    processor.size = {"height": SIDE, "width": SIDE}
    if getattr(processor, "do_center_crop", False):
        processor.crop_size = processor.size
    return model


def made_for_it(folder: Path, place: Path) -> Path:
    """The checkpoint with a config of that size, its positions interpolated here."""
    copied = Path(shutil.copytree(folder, place / "larger"))
    config = json.loads((copied / "config.json").read_text())
    vision = config.get("vision_config", config)
    before = vision["image_size"] // PATCH
    vision["image_size"] = SIDE
    (copied / "config.json").write_text(json.dumps(config))
    weights = load_file(copied / "model.safetensors")
    [key] = [one for one in weights if "position_embedding" in one and "text" not in one]
    own = weights[key].double().reshape(-1, weights[key].shape[-1])
    special, grid = own[:len(own) - before**2], own[len(own) - before**2:].T.reshape(1, -1, before, before)
    larger = torch.nn.functional.interpolate(grid, (SIDE // PATCH,) * 2, mode="bicubic")[0].flatten(1).T
    found = torch.cat([special, larger]).reshape(*weights[key].shape[:-2], -1, own.shape[-1])
    save_file(weights | {key: found.contiguous()}, copied / "model.safetensors", metadata={"format": "pt"})
    return copied


@pytest.mark.parametrize("name", ASKED)
def test_a_model_is_explained_as_one_that_was_made_for_it(request: pytest.FixtureRequest, tmp_path: Path,
                                                          name: str) -> None:
    folder = request.getfixturevalue(name)
    model = show_larger(mmx.load(folder, dtype="float64"))
    other = show_larger(mmx.load(made_for_it(folder, tmp_path), dtype="float64"))
    methods = ["relevance", "raw-attention", "rollout"]
    for one, twin in zip(model.explain_methods(picture(), methods=methods, **ASKED[name]),
                         other.explain_methods(picture(), methods=methods, **ASKED[name]), strict=True):
        assert one.elements["image"][0].rows == one.elements["image"][0].columns == SIDE // PATCH
        assert_same_items(one, twin, EXACT)
        assert [note for note in one.notes if note not in twin.notes] == [
            f"the model is shown 48 x 48 pixels, its config says {'32 x 32' if name == 'tiny_clip' else '24 x 24'}: "
            "its position embeddings are interpolated"]


@pytest.mark.parametrize("name", ASKED)
def test_logits_are_those_of_the_class_with_its_argument(request: pytest.FixtureRequest, name: str) -> None:
    model = show_larger(mmx.load(request.getfixturevalue(name)))
    inputs = model.encode(picture(), **{key: value for key, value in ASKED[name].items() if key == "text"})
    with torch.no_grad():
        found = model.network(**inputs, interpolate_pos_encoding=True, return_dict=True)
    logits = next(found[key] for key in ("logits", "logits_per_image", "itm_score") if key in found)
    assert torch.equal(model.described.run(inputs)["logits"], logits)


def test_a_look_over_tells_of_it(tiny_vit_resized: Path, tiny_vit_msn: Path) -> None:
    about = [{one.what: one for one in inspect(str(folder))}["image processor"]
             for folder in (tiny_vit_resized, tiny_vit_msn)]
    assert [(one.works, one.told) for one in about] == [
        (True, "ViTImageProcessor; the model is shown 40 x 32 pixels, its config says 24 x 24: its position embeddings "
               "are interpolated"), (True, "ViTImageProcessor")]
