"""Masks in rows and columns: where they are, in which colour."""

import numpy as np
from PIL import Image

from mmx.show.gallery import _COLORS, GalleryRow, Masks, gallery

PICTURE = Image.new("RGB", (60, 40), (120, 120, 120))


def half(left: bool) -> np.ndarray:
    mask = np.zeros((1, 40, 60), bool)
    mask[:, :, :30] = left
    mask[:, :, 30:] = not left
    return mask


def colored(sheet: Image.Image, color: tuple[int, int, int]) -> np.ndarray:
    return (np.asarray(sheet) == color).all(-1)


def test_the_truth_and_each_method_stand_side_by_side_in_one_colour_per_class() -> None:
    row = GalleryRow(PICTURE, "a.png", (Masks(half(True), ("cat",)), Masks(half(False), ("dog",))))
    sheet = gallery("title", ["truth", "relevance"], [row], "caption")
    cat, dog = colored(sheet, _COLORS[0]), colored(sheet, _COLORS[1])
    pictures = slice(120, 330)  # beneath the heads and above the key
    middle = sheet.width // 2
    assert cat[pictures, :middle].any() and not cat[pictures, middle:].any()
    assert dog[pictures, middle:].any() and not dog[pictures, :middle].any()
    assert np.flatnonzero(cat[pictures].any(0)).mean() < np.flatnonzero(dog[pictures].any(0)).mean() - middle + 100


def test_pictures_without_masks_of_any_form_and_many_columns_are_drawn() -> None:
    nothing = Masks(np.zeros((0, 3, 900), bool), ())
    row = GalleryRow(Image.new("RGB", (900, 3)), "flat.png", (nothing,) * 13)
    sheet = gallery("t", ["truth", *(f"method-{i}" for i in range(12))], [row, row], "c")
    assert sheet.width > 12 * 240


def test_many_classes_take_several_lines() -> None:
    labels = tuple(f"class number {i}" for i in range(12))
    masks = Masks(np.repeat(half(True), 12, 0), labels)
    few = GalleryRow(PICTURE, "a.png", (Masks(half(True), labels[:1]),))
    tall, short = (gallery("t", ["truth"], [row], "c") for row in (GalleryRow(PICTURE, "a.png", (masks,)), few))
    assert tall.width == short.width and tall.height > short.height + 40


def test_no_rows_are_a_sheet_as_well() -> None:
    assert gallery("t", ["truth"], [], "c").height > 0
