"""Where tokens and patches lie, by the truth: pictures go through the real processors, and the models' own functions.

A tower's patch is as bright as its pixels, a token as bright as what its model makes it of.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from torch import Tensor, nn
from transformers.models.gemma3.modeling_gemma3 import Gemma3MultiModalProjector
from transformers.models.idefics3.modeling_idefics3 import Idefics3Connector
from transformers.models.internvl.modeling_internvl import InternVLModel
from transformers.models.llava_next.modeling_llava_next import LlavaNextModel
from transformers.models.llava_onevision.modeling_llava_onevision import LlavaOnevisionModel
from transformers.models.qwen2_vl.modeling_qwen2_vl import PatchMerger

from mmx.elements.crop import Crop
from mmx.families import _layouts as layouts
from mmx.families._inputs import Shown
from mmx.families._tilings import Placed, Tiling, View, whole

Size = tuple[int, int]
Made = Mapping[str, Any]
SIZES = ((200, 150), (150, 200), (150, 150), (310, 100), (90, 330), (17, 11), (640, 479), (64, 61), (401, 399))
USUAL = SIZES[:1] + SIZES[3:6]
EVERY = [size if size in USUAL else pytest.param(size, marks=pytest.mark.slow) for size in SIZES]
PATCH = 8


@dataclass(frozen=True)
class Case:
    """A processor with small sizes, the config of its model, and what that makes of patches."""

    name: str
    processor: Any
    config: Any
    layout: Callable[[Shown], Tiling]
    tokens: Callable[["Case", Tensor, Size, Made], Tensor]
    asked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def interpolates(self) -> bool:
        return hasattr(self.config, "vision_aspect_ratio")

    def made(self, image: Image.Image) -> Made:
        return self.processor([image], return_tensors="pt", **self.asked)

    def tiling(self, size: Size) -> Tiling:
        part = Crop(self.processor, self.made).part
        return self.layout(Shown(size, lambda: part(size), self.made(Image.new("RGB", size)), self.config,
                                 self.processor))

    def seen(self, image: Image.Image) -> tuple[Tensor, Tensor]:
        """How bright each of the tower's patches is, and each of the tokens, from 0 to 1; padding is dark."""
        black, white = (self._patches(self.made(Image.new("RGB", image.size, (level,) * 3))) for level in (0, 255))
        made = self.made(image)
        contrast = white - black
        patches = (self._patches(made) - black) / contrast.clamp(min=contrast.max() / 2)
        return patches.flatten(), self.tokens(self, patches, image.size, made)

    def _patches(self, made: Made) -> Tensor:
        """(views, patches), as a tower's convolution cuts them."""
        pixels = made["pixel_values"].double()
        if pixels.dim() == 2:
            return pixels.mean(dim=1)[None]
        patch = self.config.vision_config.patch_size
        return nn.functional.avg_pool2d(pixels.flatten(0, -4).mean(dim=1), patch).flatten(1)


def config_of(**settings: Any) -> SimpleNamespace:
    side = settings.pop("side", 64)
    return SimpleNamespace(vision_config=SimpleNamespace(
        patch_size=settings.pop("patch", PATCH), image_size=side, spatial_merge_size=2), **settings)


def as_they_are(case: Case, patches: Tensor, size: Size, made: Made) -> Tensor:
    return patches.flatten()


def shuffled(case: Case, patches: Tensor, size: Size, made: Made) -> Tensor:
    """Idefics3's."""
    return Idefics3Connector.pixel_shuffle(None, patches[..., None], case.config.scale_factor).mean(dim=-1).flatten()


def downsampled(case: Case, patches: Tensor, size: Size, made: Made) -> Tensor:
    """InternVL's."""
    square = patches.unflatten(1, (int(patches.shape[1]**0.5), -1))[..., None]
    return InternVLModel.pixel_shuffle(None, square, case.config.downsample_ratio).mean(dim=-1).flatten()


def pooled(case: Case, patches: Tensor, size: Size, made: Made) -> Tensor:
    """Gemma 3's."""
    vision = SimpleNamespace(hidden_size=1, layer_norm_eps=1e-6, image_size=made["pixel_values"].shape[-1],
                             patch_size=PATCH)
    projector = Gemma3MultiModalProjector(SimpleNamespace(
        vision_config=vision, text_config=SimpleNamespace(hidden_size=1),
        mm_tokens_per_image=case.config.mm_tokens_per_image)).double()
    projector.mm_soft_emb_norm = nn.Identity()
    nn.init.ones_(projector.mm_input_projection_weight)
    return projector(patches[..., None]).detach().flatten()


def in_fours(case: Case, patches: Tensor, size: Size, made: Made) -> Tensor:
    """Qwen2-VL's, and those of all after it."""
    merger = PatchMerger(dim=1, context_dim=1, spatial_merge_size=2)
    merger.ln_q, merger.mlp = nn.Identity(), nn.AdaptiveAvgPool1d(1)
    return merger(patches.flatten()[:, None]).flatten()


def packed(model: Any) -> Callable[[Case, Tensor, Size, Made], Tensor]:
    """LLaVA-NeXT's or LLaVA-OneVision's; the token at the end of a line is dark."""
    def tokens(case: Case, patches: Tensor, size: Size, made: Made) -> Tensor:
        more = {"vision_feature_select_strategy": "full"} if model is LlavaNextModel else {
            "vision_aspect_ratio": case.config.vision_aspect_ratio}
        [found], _ = model.pack_image_features(
            SimpleNamespace(config=case.config), [patches[..., None]], made["image_sizes"],
            image_newline=torch.zeros(1, dtype=patches.dtype), **more)
        return found[:, 0]
    return tokens


def pinpoints(side: int, most: int) -> list[list[int]]:
    return [[side * rows, side * columns] for rows in range(1, most + 1) for columns in range(1, most + 1)]


def next_case(name: str, model: Any, processor: str, most: int, side: int = 64, patch: int = PATCH, **settings: Any
              ) -> Case:
    grids = pinpoints(side, most)
    size = {"shortest_edge": side} if model is LlavaNextModel else {"height": side, "width": side}
    crop = {"crop_size": {"height": side, "width": side}} if model is LlavaNextModel else {}
    return Case(name, getattr(transformers, processor)(size=size, image_grid_pinpoints=grids, **crop),
                config_of(side=side, patch=patch, image_grid_pinpoints=grids, **settings),
                layouts.best_resolution, packed(model))


def square(side: int) -> dict[str, int]:
    return {"height": side, "width": side}


@cache
def cases() -> dict[str, Case]:
    rows = {"return_row_col_info": True}
    pans = {"do_pan_and_scan": True, "pan_and_scan_min_crop_size": 8, "pan_and_scan_max_num_crops": 4,
            "pan_and_scan_min_ratio_to_activate": 1.2}
    found = [
        Case("crop", transformers.CLIPImageProcessor(size={"shortest_edge": 64}, crop_size=square(64)), config_of(),
             layouts.cropped, as_they_are),
        Case("pad", transformers.LlavaImageProcessor(size=square(64), crop_size=square(64), do_pad=True), config_of(),
             layouts.cropped, as_they_are),
        Case("stretch", transformers.SiglipImageProcessor(size=square(64)), config_of(),
             layouts.cropped, as_they_are),
        Case("stretch, some left over", transformers.SiglipImageProcessor(size=square(66)), config_of(),
             layouts.cropped, as_they_are),
        Case("pool", transformers.Gemma3ImageProcessor(size=square(128)), config_of(mm_tokens_per_image=16),
             layouts.pan_and_scan, pooled),
        Case("pool, some left over", transformers.Gemma3ImageProcessor(size=square(88)),
             config_of(mm_tokens_per_image=9), layouts.pan_and_scan, pooled),
        Case("pan and scan", transformers.Gemma3ImageProcessor(size=square(128), **pans),
             config_of(mm_tokens_per_image=64), layouts.pan_and_scan, pooled),
        Case("blocks", transformers.Qwen2VLImageProcessor(
            patch_size=PATCH, size={"shortest_edge": 48**2, "longest_edge": 200**2}), config_of(),
            layouts.merged_blocks, in_fours),
        Case("tiles", transformers.Idefics3ImageProcessor(
            size={"longest_edge": 256}, max_image_size={"longest_edge": 64}), config_of(scale_factor=2),
            layouts.rows_and_columns, shuffled, rows),
        Case("tiles of fours", transformers.SmolVLMImageProcessor(
            size={"longest_edge": 192}, max_image_size={"longest_edge": 96}), config_of(scale_factor=4),
            layouts.rows_and_columns, shuffled, rows),
        Case("no tiles", transformers.SmolVLMImageProcessor(
            size={"longest_edge": 256}, max_image_size={"longest_edge": 64}, do_image_splitting=False),
            config_of(scale_factor=2), layouts.rows_and_columns, shuffled, rows),
        Case("best aspect ratio", transformers.GotOcr2ImageProcessor(
            size=square(64), crop_to_patches=True, max_patches=6), config_of(downsample_ratio=0.5),
            layouts.best_aspect_ratio, downsampled),
        Case("one tile", transformers.GotOcr2ImageProcessor(size=square(64)), config_of(downsample_ratio=0.5),
             layouts.best_aspect_ratio, downsampled),
        next_case("lines", LlavaNextModel, "LlavaNextImageProcessor", 3),
        next_case("lines, some left over", LlavaNextModel, "LlavaNextImageProcessor", 3, side=66),
        next_case("lines of at most many", LlavaOnevisionModel, "LlavaOnevisionImageProcessor", 4,
                  vision_aspect_ratio="anyres_max_9"),
        # Here 1.03 times as many as in 8 views, of which no fewer are made.
        next_case("lines of at most some", LlavaOnevisionModel, "LlavaOnevisionImageProcessor", 4,
                  vision_aspect_ratio="anyres_max_8"),
        next_case("lines of at most few", LlavaOnevisionModel, "LlavaOnevisionImageProcessor", 4,
                  vision_aspect_ratio="anyres_max_3"),
    ]
    return {case.name: case for case in found}


def boxes(placed: Placed) -> np.ndarray:
    """(cells, 4)"""
    return np.array([(left + (right - left) * column / grid.columns, top + (bottom - top) * row / grid.rows,
                      left + (right - left) * (column + 1) / grid.columns, top + (bottom - top) * (row + 1) / grid.rows)
                     for grid in placed.grids for left, top, right, bottom in [grid.box_xyxy_px]
                     for row in range(grid.rows) for column in range(grid.columns)])


def ramps(size: Size) -> list[Image.Image]:
    """Pictures whose grey says how far to the right, or down, a pixel lies."""
    across, down = (np.rint(255 * (np.arange(side) + 0.5) / side).astype(np.uint8) for side in size)
    return [Image.fromarray(np.repeat(grey[..., None], 3, axis=2))
            for grey in (np.tile(across, (size[1], 1)), np.tile(down[:, None], (1, size[0])))]


def with_square(size: Size, middle: np.ndarray, side: float) -> tuple[Image.Image, np.ndarray]:
    """A dark picture with a bright square in it, and the square's middle."""
    left, top = (middle - side / 2).clip(0).round().astype(int)
    wide = max(1, round(side))
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[top:top + wide, left:left + wide] = 255
    return Image.fromarray(pixels), np.array([(left + min(left + wide, size[0])) / 2,
                                              (top + min(top + wide, size[1])) / 2])


@pytest.fixture(params=cases())
def case(request: pytest.FixtureRequest) -> Case:
    return cases()[request.param]


@pytest.mark.parametrize("size", EVERY, ids=str)
def test_every_box_has_the_middle_of_what_is_seen_there(case: Case, size: Size) -> None:
    """Where grey grows evenly over a picture, how bright a patch or token is says where its middle lies."""
    check_middles(case, size)


def check_middles(case: Case, size: Size, off_px: float = 0.0) -> None:
    tiling = case.tiling(size)
    for axis, picture in enumerate(ramps(size)):
        for brightness, placed in zip(case.seen(picture), (tiling.patches, tiling.tokens), strict=True):
            assert len(brightness) == placed.count
            found = boxes(placed)
            inside = (found[:, :2] > -1e-6).all(axis=1) & (found[:, 2:] < np.add(size, 1e-6)).all(axis=1)
            assert inside.any()
            middles = found[:, axis::2].mean(axis=1)
            seen = size[axis] * brightness.numpy()[list(placed.order)]
            # Three quarters of a grey, or of a pixel where greys are finer.
            assert np.abs(seen - middles)[inside].max() < 0.75 * max(1, size[axis] / 255) + off_px


@pytest.mark.parametrize("size", EVERY, ids=str)
def test_a_bright_square_is_where_the_brightest_lie(case: Case, size: Size) -> None:
    tiling, random, found = case.tiling(size), np.random.default_rng(sum(size)), 0
    cells = boxes(tiling.patches)
    smallest = (cells[:, 2:] - cells[:, :2]).min()
    for middle in random.uniform(0, size, (6, 2)):
        picture, middle = with_square(size, middle, max(1, smallest / 2))
        for brightness, placed in zip(case.seen(picture), (tiling.patches, tiling.tokens), strict=True):
            all_boxes, seen = boxes(placed), brightness.numpy()[list(placed.order)]
            if not within(all_boxes, middle).any():  # it lies beside what the model sees
                continue
            found += 1
            blur = 0.5 + 0.1 * (all_boxes[:, 2:] - all_boxes[:, :2]) + case.interpolates * smallest / 2
            assert within(all_boxes, middle, blur)[seen > seen.max() - 1e-3].all()
    assert found >= 4


def within(found: np.ndarray, place: np.ndarray, blur: np.ndarray | float = 0.0) -> np.ndarray:
    return (found[:, :2] <= place + blur).all(axis=1) & (found[:, 2:] >= place - blur).all(axis=1)


@pytest.mark.parametrize("size", EVERY, ids=str)
def test_patches_become_tokens_as_in_the_model(case: Case, size: Size) -> None:
    made, tiling = case.made(Image.new("RGB", size)), case.tiling(size)
    shape, into = case._patches(made).shape, np.array(tiling.into)
    patches = torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = case.tokens(case, patches, size, made).numpy()
    is_there, fed = into >= 0, np.bincount(into[into >= 0], minlength=tiling.tokens.count)
    assert len(into) == patches.numel() == tiling.patches.count and len(found) == tiling.tokens.count
    means = np.bincount(into[is_there], patches.flatten()[is_there], len(found)) / fed.clip(1)
    if case.interpolates:
        _check_interpolated(case, patches, size, made, into)
    else:
        assert found == pytest.approx(means, abs=1e-9)


def _check_interpolated(case: Case, patches: Tensor, size: Size, made: Made, into: np.ndarray) -> None:
    """A token has more of a patch than any other one has."""
    for number in np.random.default_rng(0).permutation(patches.numel())[:80]:
        alone = torch.zeros(patches.numel(), dtype=torch.float64)
        alone[number] = 1
        shares = case.tokens(case, alone.view(patches.shape), size, made)
        assert shares[into[number]] == shares.max() if into[number] >= 0 else not shares.any()


@pytest.mark.parametrize("size", EVERY, ids=str)
def test_all_are_placed_once_but_ends_of_lines_and_padding(case: Case, size: Size) -> None:
    tiling, made = case.tiling(size), case.made(Image.new("RGB", size))
    patches, _ = case.seen(Image.new("RGB", size, "white"))
    tokens = case.tokens(case, torch.ones_like(case._patches(made)), size, made)
    for placed, seen in ((tiling.patches, patches), (tiling.tokens, tokens)):
        assert len(placed.order) == len(set(placed.order)) == sum(grid.rows * grid.columns for grid in placed.grids)
        assert set(placed.order) >= set(torch.nonzero(seen).flatten().tolist())
        dark = seen.numpy()[list(placed.order)] == 0
        beside = (boxes(placed)[:, :2] >= size).any(axis=1) | (boxes(placed)[:, 2:] <= 0).any(axis=1)
        assert not (dark & ~beside).any()


def test_tokens_before_those_of_each_view_are_counted() -> None:
    found = whole((0, 0, 32, 32), View(16, 8, before=1))
    assert found.tokens.order == (1, 2, 3, 4) and found.tokens.count == 5
    assert found.patches.order == (0, 1, 2, 3) and found.into == (1, 2, 3, 4)


def test_a_line_of_a_picture_may_be_too_low_to_be_shown() -> None:
    """LLaVA-NeXT then has the whole picture alone, and no tokens of its tiles."""
    case = cases()["lines"]
    size = (1000, 10)
    tiling = case.tiling(size)
    assert len(case.seen(Image.new("RGB", size))[1]) == tiling.tokens.count == 64
    assert [grid[:2] for grid in tiling.tokens.grids] == [(8, 8)]
    assert set(tiling.into[64:]) == {-1}


@pytest.mark.parametrize("size", [(200, 150), (310, 100), (640, 479)], ids=str)
def test_fewer_tokens_than_patches_lie_right_to_half_of_what_is_left_over(size: Size) -> None:
    """A view of 66 pixels has two left over, and the canvas is at most four views wide."""
    case = next_case("", LlavaOnevisionModel, "LlavaOnevisionImageProcessor", 4, side=66,
                     vision_aspect_ratio="anyres_max_3")
    check_middles(case, size, off_px=max(size) / (4 * 66))
