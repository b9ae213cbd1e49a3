"""Masks in rows and columns: where they are, in which colour."""

import numpy as np
import pytest
from PIL import Image

from mmx.show.colors import DISTINCT
from mmx.show.gallery import GalleryRow, Masks, colors_of, gallery

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
    cat, dog = colored(sheet, DISTINCT[0]), colored(sheet, DISTINCT[1])
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


@pytest.mark.parametrize(("name", "place"), [
    ("blue circle", 0), ("an Orange cat", 1), ("GREEN", 2), ("purple star", 3), ("red square", 5), ("yellow", 6),
    ("big black dog", 7)])
def test_a_class_that_is_called_by_a_colour_has_it(name: str, place: int) -> None:
    assert colors_of(["cat", name, "dog"])[name] == DISTINCT[place]


def test_other_classes_have_free_colours_of_their_own() -> None:
    labels = ["cat", "red ball", "dog", "cat", "blue ball", "cow", "blueberry", "redhead"]
    found = colors_of(labels)
    assert list(found) == list(dict.fromkeys(labels))
    assert len(set(found.values())) == 7
    assert {found["red ball"], found["blue ball"]} == {DISTINCT[5], DISTINCT[0]}
    assert [found[name] for name in ("cat", "dog", "cow")] == [DISTINCT[1], DISTINCT[2], DISTINCT[3]]


def test_a_class_keeps_its_colour_whatever_stands_beside_it() -> None:
    assert colors_of(["red star", "cat"])["red star"] == colors_of(["cat", "dog", "red star"])["red star"]


def test_more_classes_than_colours_share_them() -> None:
    many = colors_of([f"class {number}" for number in range(20)])
    assert set(many.values()) == set(DISTINCT)
    assert colors_of([]) == {}
    everything = ["blue", "orange", "green", "purple", "cyan", "red", "yellow", "black", *(f"c{i}" for i in range(10))]
    assert len(colors_of(everything)) == 18


def test_the_key_has_the_colours_of_the_masks() -> None:
    row = GalleryRow(PICTURE, "a.png", (Masks(half(True), ("yellow duck",)),))
    sheet = colored(gallery("t", ["truth"], [row], "c"), DISTINCT[6])
    rows = np.flatnonzero(sheet.any(axis=1))
    assert len(np.flatnonzero(np.diff(rows) > 1)) == 1  # the mask's edge, and the chip beneath
    assert sheet[rows[-1] - 4].sum() >= 10


def test_a_mask_keeps_the_pictures_own_colours() -> None:
    sheet = gallery("t", ["truth"], [GalleryRow(PICTURE, "a.png", (Masks(half(True), ("cat",)),))], "c")
    assert colored(sheet, (120, 120, 120)).sum() > 15_000  # of a half of 380 x 253
    assert colored(sheet, (214, 214, 214)).sum() > 30_000  # 0.7 of the way to white
