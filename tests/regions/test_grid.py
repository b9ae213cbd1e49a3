"""Grid regions: cells that tile the picture, each described by its own pixels."""

import numpy as np
import pytest
import torch
from PIL import Image

from mmx.elements.providers.base import make_provider
from mmx.elements.providers.grid import GridRegions
from mmx.errors import UsageError


def painted(rows: int, columns: int, side: int) -> Image.Image:
    """A picture of one-coloured cells, cell i with red value 10 i."""
    cells = (np.arange(rows * columns) * 10).reshape(rows, columns).astype(np.uint8)
    red = cells.repeat(side, axis=0).repeat(side, axis=1)
    return Image.fromarray(np.stack([red, np.zeros_like(red), np.full_like(red, 255)], axis=2))


def test_cells_tile_the_unit_square_row_by_row() -> None:
    [found] = GridRegions(2, 3, 12).regions([Image.new("RGB", (30, 20))])
    want = [[c / 3, r / 2, (c + 1) / 3, (r + 1) / 2] for r in range(2) for c in range(3)]
    torch.testing.assert_close(found.boxes_xyxy_unit, torch.tensor(want), atol=1e-6, rtol=0)
    assert found.boxes_xyxy_unit.min() >= 0
    assert found.boxes_xyxy_unit.max() <= 1
    assert found.labels == found.confidences == (None,) * 6


def test_a_cells_features_are_its_own_pixels_between_minus_one_and_one() -> None:
    [found] = GridRegions(2, 3, 12).regions([painted(2, 3, side=8)])
    assert found.features.shape == (6, 12)
    assert found.features.dtype == torch.float32
    for index, features in enumerate(found.features):
        want = torch.tensor([10 * index / 127.5 - 1, -1.0, 1.0]).repeat(4)
        torch.testing.assert_close(features, want, atol=1e-6, rtol=0)


def test_features_keep_where_in_the_cell_a_pixel_is() -> None:
    picture = Image.new("RGB", (4, 4))
    picture.putpixel((3, 0), (255, 255, 255))
    [found] = GridRegions(2, 2, 12).regions([picture])
    bright = found.features.reshape(4, 2, 2, 3).mean(dim=3) > 0
    assert bright.nonzero().tolist() == [[1, 0, 1]]


@pytest.mark.parametrize("size", [1, 2, 5, 12, 13, 50])
def test_features_have_the_size_that_the_model_wants(size: int) -> None:
    [found] = GridRegions(2, 2, size).regions([Image.new("RGB", (9, 7), (255, 255, 255))])
    assert found.features.shape == (4, size)
    pixels = 3 * max(1, int((size // 3) ** 0.5)) ** 2
    assert (found.features[:, :pixels] == 1).all()
    assert not found.features[:, pixels:].any()


def test_pictures_of_any_size_and_mode_get_the_same_cells() -> None:
    pictures = [Image.new("RGB", (1, 1)), Image.new("L", (300, 20)), Image.new("RGBA", (7, 90))]
    found = GridRegions(6, 6, 27).regions(pictures)
    assert [one.features.shape for one in found] == [(36, 27)] * 3
    assert all(torch.equal(one.boxes_xyxy_unit, found[0].boxes_xyxy_unit) for one in found)


def test_a_provider_is_made_from_its_options() -> None:
    provider = make_provider({"provider": "grid", "rows": 2, "columns": 5}, "cpu", 12)
    assert provider.name == "2x5 grid of pixels"
    assert len(provider.regions([Image.new("RGB", (8, 8))])[0].features) == 10
    assert len(make_provider({"provider": "grid"}, "cpu", 12).regions([Image.new("RGB", (8, 8))])[0].features) == 36


@pytest.mark.parametrize("options", [{"provider": "gird"}, {"provider": "base"}, {}])
def test_an_unknown_provider_is_answered_with_those_there_are(options: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"No region provider named '.*grid"):
        make_provider(options, "cpu", 12)


@pytest.mark.parametrize("rows", [None, 0, -1, 2.0, "6", True, 65, 10**30])
def test_a_grid_has_rows(rows: object) -> None:
    with pytest.raises(ValueError, match=r"its rows are .*, and a grid has from 1 to 64"):
        make_provider({"provider": "grid", "rows": rows}, "cpu", 12)
