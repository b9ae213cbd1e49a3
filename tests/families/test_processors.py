"""Image processors as checkpoints have them: old names, none at all, another one's, and settings without sense."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from family_checks import picture
from transformers import ConvNextImageProcessor, LevitImageProcessor, ViTConfig, ViTForImageClassification

import mmx
from mmx.elements.crop import Crop, measured_part
from mmx.errors import CheckpointError, UsageError

ASKED = {"tiny_detr": {"query": 1}, "tiny_vit": {}, "tiny_clip": {"text": "red"}, "tiny_vilt": {"question": "red?"},
         "tiny_siglip": {"text": "red"}, "tiny_dinov2": {}, "tiny_blip": {"text": "red"}}


def settings(folder: Path, **changes: object) -> dict:
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        path.write_text(json.dumps(json.loads((folder / "processor_config.json").read_text())["image_processor"]))
        (folder / "processor_config.json").unlink()
    found = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(found))
    return found


@pytest.fixture
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a checkpoint that may be changed."""
    return lambda name: Path(shutil.copytree(request.getfixturevalue(name), tmp_path / name))


def scores(model: mmx.Model, asked: dict) -> list[list[float]]:
    return [item.scores["image"].tolist() for item in model.explain(picture(), **asked)]


@pytest.mark.parametrize("nested", [False, True], ids=["by itself", "in processor_config.json"])
@pytest.mark.parametrize("name", ASKED)
def test_a_former_name_is_the_same_processor(other: Callable[[str], Path], name: str, nested: bool) -> None:
    folder = other(name)
    expected = scores(mmx.load(folder), ASKED[name])
    former = settings(folder)["image_processor_type"].replace("ImageProcessor", "FeatureExtractor")
    found = settings(folder, image_processor_type=former, feature_extractor_type=former, processor_class="Processor")
    if nested:
        (folder / "preprocessor_config.json").unlink()
        (folder / "processor_config.json").write_text(json.dumps({"image_processor": found}))
    assert scores(mmx.load(folder), ASKED[name]) == expected


@pytest.mark.parametrize("name", ["tiny_detr", "tiny_vilt"])
def test_without_padding(other: Callable[[str], Path], name: str) -> None:
    folder = other(name)
    expected = scores(mmx.load(folder), ASKED[name])
    settings(folder, do_pad=False)
    assert scores(mmx.load(folder), ASKED[name]) == expected


def test_the_file_that_is_missing_is_named_and_another_can_be_taken(other: Callable[[str], Path],
                                                                    tiny_vit: Path) -> None:
    folder = other("tiny_vit")
    (folder / "preprocessor_config.json").unlink()
    config = json.loads((folder / "config.json").read_text()) | {"_name_or_path": "owner/base"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"has no preprocessor_config\.json") as found:
        mmx.load(folder).load_all()
    assert '`processor="owner/base"`' in (found.value.hint or "")
    model = mmx.load(folder, processor=tiny_vit)
    assert scores(model, {}) == scores(mmx.load(tiny_vit), {})
    assert model.info.revision.startswith(f"{mmx.load(folder, processor=folder.parent).info.revision.split()[0]} with ")
    assert any(f"image processor of {tiny_vit}" in note for note in model.explain(picture()).notes)


def test_a_tokenizer_comes_with_it_where_there_is_none(other: Callable[[str], Path], tiny_clip: Path) -> None:
    folder = other("tiny_clip")
    for path in folder.iterdir():
        if path.name not in ("config.json", "model.safetensors"):
            path.unlink()
    expected = scores(mmx.load(tiny_clip), {"text": "red"})
    assert scores(mmx.load(folder, processor=tiny_clip), {"text": "red"}) == expected


def test_a_model_that_looks_at_regions_takes_none(tiny_lxmert: Path, tiny_vit: Path) -> None:
    with pytest.raises(UsageError, match="looks at regions"):
        mmx.load(tiny_lxmert, processor=tiny_vit)


@pytest.mark.parametrize(("changes", "message"), [
    ({"size": {"height": 10**9, "width": 10**9}}, r"has height 1000000000 in its size"),
    ({"size": {"height": -4, "width": 36}}, r"-4"),
    ({"size": {"height": 48, "width": 48}}, r"makes pictures of 48 x 48 pixels; the model takes 24 x 36"),
    ({"size": "big"}, r"image processor"),
    ({"image_std": [0, 0, 0]}, r"not finite"),
    ({"image_mean": [0.5, 0.5]}, r"fails on a picture of 100 x 75 pixels"),
    ({"image_mean": "grey"}, r"image processor"),
    ({"image_processor_type": "MagicProcessor"}, r"type is MagicProcessor, which transformers does not have"),
])
def test_settings_without_sense(other: Callable[[str], Path], changes: dict, message: str) -> None:
    folder = other("tiny_vit")
    settings(folder, **changes)
    with pytest.raises(CheckpointError, match=message):
        mmx.load(folder).load_all()


def test_a_model_of_one_channel(tmp_path: Path) -> None:
    torch.manual_seed(0)
    ViTForImageClassification(ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, image_size=24, patch_size=12,
        num_channels=1, num_labels=3)).save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(
        {"image_processor_type": "ViTImageProcessor", "size": {"height": 24, "width": 24}}))
    with pytest.raises(CheckpointError, match="makes pictures of 3 channels; the model takes 1"):
        mmx.load(tmp_path).load_all()


def middle(width: int, height: int, share: float) -> tuple[float, ...]:
    """The square in the middle whose side is this share of the shorter one."""
    side = share * min(width, height)
    return (width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2


@pytest.mark.parametrize("size", [(640, 427), (331, 500), (107, 105), (1200, 300), (3, 2)])
@pytest.mark.parametrize(("processor", "share", "side"), [
    (ConvNextImageProcessor(size={"shortest_edge": 224}, crop_pct=0.875), 0.875, 224),
    (ConvNextImageProcessor(size={"shortest_edge": 32}, crop_pct=0.5), 0.5, 32),
    (LevitImageProcessor(size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224}), 0.875, 224),
], ids=["convnext", "convnext of half", "levit"])
def test_a_crop_that_a_processor_makes_by_itself(processor: Callable, share: float, side: int,
                                                 size: tuple[int, int]) -> None:
    """To a pixel of what the model is shown, which is how processors round; of three pixels to a tenth of one."""
    crop, pixel = Crop(processor, lambda image: processor([image], return_tensors="pt")), share * min(size) / side
    assert crop.part(size) == pytest.approx(middle(*size, share), abs=max(pixel, 0.002 * max(size), 0.12))


def test_large_convnext_pictures_are_squeezed_and_whole() -> None:
    processor = ConvNextImageProcessor(size={"shortest_edge": 384})
    crop = Crop(processor, lambda image: processor([image], return_tensors="pt"))
    assert crop.part((640, 427)) == pytest.approx((0, 0, 640, 427), abs=2)


@pytest.mark.parametrize("turned", ["flip", "noise"])
def test_what_is_no_straight_piece_is_refused(turned: str) -> None:
    def encode(image: object) -> dict[str, torch.Tensor]:
        pixels = torch.tensor(__import__("numpy").asarray(image), dtype=torch.float32).movedim(-1, 0)[None]
        return {"pixel_values": pixels.flip(-1) if turned == "flip" else pixels[..., torch.randperm(pixels.shape[-1])]}

    torch.manual_seed(0)
    with pytest.raises(CheckpointError, match="cannot tell where"):
        measured_part(encode, (60, 40))


def test_a_map_lies_on_what_a_convnext_processor_leaves(other: Callable[[str], Path]) -> None:
    folder = other("tiny_dinov2")
    ConvNextImageProcessor(size={"shortest_edge": 28}, crop_pct=0.5).save_pretrained(folder)
    (folder / "processor_config.json").unlink(missing_ok=True)
    [patches] = mmx.load(folder).explain(picture()).elements["image"]
    width, height = picture().size
    assert patches.box_xyxy_px == pytest.approx(middle(width, height, 0.5), abs=0.02 * max(width, height))
