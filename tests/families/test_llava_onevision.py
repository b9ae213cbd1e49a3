"""LLaVA-OneVision: as LLaVA-NeXT, without a class token, and with fewer tokens where they are too many."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.nn.functional import avg_pool2d
from written_checks import Written, WrittenChecks

import mmx
from mmx.elements.prompt_pixels import PreparedPictures
from mmx.images import open_picture
from mmx.model import Model

FEWER = {"vision_aspect_ratio": "anyres_max_2"}
SIZES = (48, 30), (20, 44)


class TestLlavaOnevision(WrittenChecks):
    case = Written("tiny_llava_onevision", tower_layers=2)


class TestLlavaOnevisionOfFewerTokens(WrittenChecks):
    """Tokens that are interpolated, each of parts of several patches."""

    case = Written("tiny_llava_onevision", tower_layers=2, shared_behind="model.multi_modal_projector",
                   changes={"config.json": FEWER, "processor_config.json": FEWER})


@pytest.fixture(scope="module")
def model(tiny_llava_onevision: Path) -> Model:
    return mmx.load(tiny_llava_onevision)


def prepared(model: Model, images: list[Image.Image]) -> PreparedPictures:
    [found] = model.parts.pictures.prepare_of([tuple(map(open_picture, images))])
    assert isinstance(found, PreparedPictures)
    return found


def test_several_pictures_are_shown_as_its_own_template_shows_them(model: Model) -> None:
    """Each in one view; one alone in tiles."""
    images = [Image.effect_mandelbrot(size, (-2, -1, 1, 1), 50).convert("RGB") for size in SIZES]
    processor = model.parts.pictures.prompting.processor  # type: ignore[attr-defined]
    for shown in (images, images[:1]):
        content = [*({"type": "image", "image": one} for one in shown), {"type": "text", "text": "what is this"}]
        own = processor.apply_chat_template([{"role": "user", "content": content}], tokenize=True, return_dict=True,
                                            add_generation_prompt=True, return_tensors="pt")
        pictures = prepared(model, shown)
        [prompt] = model.parts.texts.prepare_about(["what is this"], [pictures])  # type: ignore[union-attr]
        assert prompt.tensors["input_ids"].tolist() == own["input_ids"][0].tolist()
        assert torch.equal(pictures.tensors["pixel_values"], own["pixel_values"])
        assert pictures.tensors["pixel_values"].shape[:2] == ((2, 1) if len(shown) == 2 else (1, 5))


@pytest.mark.parametrize("number", [0, 1])
def test_a_bright_square_in_one_of_several_pictures_is_found(model: Model, number: int) -> None:
    """In the patch that is brighter for it, and in the token that the model makes of that patch."""
    dark = [Image.new("RGB", size) for size in SIZES]
    before, (width, height) = prepared(model, dark).tensors["pixel_values"], SIZES[number]
    for x in range(2, width - 2, 5):
        for y in range(2, height - 2, 5):
            bright = [one.copy() for one in dark]
            bright[number].paste("white", (x - 1, y - 1, x + 2, y + 2))
            pictures = prepared(model, bright)
            brighter = (pictures.tensors["pixel_values"] - before)[:, 0].mean(dim=1, keepdim=True)
            patches = avg_pool2d(brighter, 6).flatten(1)
            packed, _ = model.network.model.pack_image_features(  # type: ignore[operator]
                list(patches[:, None, :, None]), pictures.tensors["image_sizes"], torch.zeros(1))
            tiling = pictures.tilings[number]
            assert tiling.into == tuple(range(16)) and tiling.tokens.count == len(packed[number]) == 17
            for placed, shown in ((tiling.patches, patches[number]), (tiling.tokens, packed[number].flatten())):
                [grid] = placed.grids
                left, top, right, bottom = grid.box_xyxy_px
                row = int((y + 0.5 - top) / (bottom - top) * grid.rows)
                column = int((x + 0.5 - left) / (right - left) * grid.columns)
                cell = placed.order[row * grid.columns + column]
                assert shown[cell] > 0.3 * shown.max() > 0


@pytest.mark.parametrize("level", ["tokens", "tower"])
def test_several_pictures_are_explained_together(model: Model, level: str) -> None:
    images = [Image.effect_mandelbrot(size, (-2, -1, 1, 1), 50).convert("RGB") for size in SIZES]
    result = model.explain(images, "what is this", together=True, answer="red", level=level)
    first, second = result.elements["image"]
    assert (first.picture, second.picture) == (0, 1)
    assert len(result[0].scores["image"]) == len(first) + len(second) and result[0].scores["image"].all()
