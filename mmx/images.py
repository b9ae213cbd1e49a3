"""Pictures from files, PIL images and arrays: upright, RGB, 8 bits, or an `ImageError` in one line."""

import hashlib
import logging
import os
import re
import stat
import warnings
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.Image import Transpose

from mmx.errors import ImageError, shown_path
from mmx.results import Picture

MAX_MEGAPIXELS = 100
BITS_OF_DEEP_MODES = {"I;16": 16, "I;16L": 16, "I;16B": 16, "I;16N": 16, "I": 32, "F": 32}
USUAL_CEILINGS = (2**8 - 1, 2**10 - 1, 2**12 - 1, 2**14 - 1, 2**16 - 1)
TURNS_BY_ORIENTATION = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
_AS_EXIF_SAYS = "as its EXIF says"
_TILE = 1024
PIXELS_AT_ONCE = 2**25
"""Of pictures that are open together, but for one that has more by itself: they take three bytes each."""
SCALE_IT = "Scale it down first."
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
"""Of the files in a folder that are taken for pictures."""
KNOWN_KINDS = "Give a JPEG, PNG, WebP, GIF, BMP or TIFF file."
REFUSALS = (
    ((FileNotFoundError, NotADirectoryError), "does not exist", "Check the path."),
    (PermissionError, "may not be read", "Make it readable for you (chmod u+r)."),
    (UnidentifiedImageError, "is no picture: its kind is unknown or its first bytes are damaged", KNOWN_KINDS),
    (Image.DecompressionBombError, f"has more than {MAX_MEGAPIXELS} megapixels", SCALE_IT),
    (MemoryError, "needs more memory than there is", SCALE_IT),
    (Exception, "cannot be read ({why})", "It may be damaged or cut short: get it again or save it anew."),
)

_ADDRESS = re.compile(r"(?:^|/)([A-Za-z][A-Za-z0-9+.-]+:)/+(.+)")
"""A URL, perhaps behind a folder and with the slashes that a path leaves of it."""

# Python prints what no handler takes to stderr, where only mmx's own lines belong.
logging.getLogger("PIL").addHandler(logging.NullHandler())


Source = str | Path | Image.Image | np.ndarray | bytes
"""A picture's file, or the picture: of PIL, of uint8 (height, width, 3) or (height, width), or a file's content."""


def open_picture(path: Source, *, upright: bool = True) -> Picture:
    """Reads one picture: its first frame, upright as EXIF says, transparency on white, deep greys scaled to 8 bits.

    Of a file, without `upright`, the pixels stay as they are stored. Raises ImageError.
    """
    if isinstance(path, str | Path):
        return _picture_from_file(path, upright)
    if isinstance(path, np.ndarray):
        return _picture_from_memory(_image_from_array(path))
    if isinstance(path, Image.Image):
        return _picture_from_memory(path)
    if isinstance(path, bytes):
        return picture_from_bytes(path, "<bytes>")
    raise ImageError(f"A {type(path).__name__} is not a picture.",
                     "Give a path, a PIL image, a numpy array, or the bytes of a picture's file.")


def is_turned(picture: Picture) -> bool:
    """Whether its pixels lie otherwise than its file has them."""
    return any(note.endswith(_AS_EXIF_SAYS) for note in picture.notes)


def _picture_from_file(path: str | Path, upright: bool) -> Picture:
    name = shown_path(path)
    with _refusals(name):
        _refuse_all_but_files(path, name)
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            image, notes = _upright_rgb(Image.open(file), name, upright)
    return Picture(image, str(path), digest, notes)


def hash_of_file(path: str | Path) -> str | None:
    """What `Picture.sha256` is of this file, without decoding it; None where it cannot be read."""
    try:
        _refuse_all_but_files(path, "")
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError, ImageError):
        return None


def picture_from_bytes(content: bytes, name: str) -> Picture:
    """Reads the content of a picture's file, which is called `name`."""
    with _refusals(shown_path(name)):
        image, notes = _upright_rgb(Image.open(BytesIO(content)), shown_path(name))
    return Picture(image, name, hashlib.sha256(content).hexdigest(), notes)


def _picture_from_memory(given: Image.Image) -> Picture:
    with _refusals("<image>"):
        _refuse_size(given, "<image>")
        image, notes = _upright_rgb(given.copy(), "<image>")
    pixels = f"RGB {image.width}x{image.height}\n".encode() + image.tobytes()
    return Picture(image, "<image>", hashlib.sha256(pixels).hexdigest(), notes)


def _image_from_array(array: np.ndarray) -> Image.Image:
    if array.dtype == np.uint8 and array.size and (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        return Image.fromarray(np.ascontiguousarray(array))
    raise ImageError(
        f"An array of {array.dtype} with shape {array.shape} is not a picture.",
        "Give uint8 with shape (height, width), (height, width, 3) or (height, width, 4), none of them 0.",
    )


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    """Decoders warn on stderr and raise whatever they like on odd bytes: both end here."""
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except ImageError:
        raise
    except Exception as error:
        message, hint = next(refusal[1:] for refusal in REFUSALS if isinstance(error, refusal[0]))
        why = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{name} {message.format(why=why)}.", hint) from error


def _refuse_all_but_files(path: str | Path, name: str) -> None:
    address = _ADDRESS.search(name)
    if address and not os.path.exists(path):
        raise ImageError(f"{address[1]}//{address[2]} is a URL, and mmx fetches no pictures.",
                         "Download it, and give the file.")
    status = os.stat(path or ".")
    if stat.S_ISDIR(status.st_mode):
        raise ImageError(f"{name or 'An empty path'} is a folder, not a picture.", "Give the path of a picture file.")
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(f"{name} is a pipe or a device.", "Write the picture to a file and give its path.")
    if status.st_size == 0:
        raise ImageError(f"{name} is empty (0 bytes).", "Get it again or save it anew.")


def _refuse_size(image: Image.Image, name: str) -> None:
    if not 0 < image.width * image.height <= MAX_MEGAPIXELS * 10**6:
        limits = f"from 1 pixel to {MAX_MEGAPIXELS} megapixels"
        raise ImageError(f"{name} has {image.width} x {image.height} pixels.", f"Give a picture {limits}.")


def _upright_rgb(opened: Image.Image, name: str, upright: bool = True) -> tuple[Image.Image, tuple[str, ...]]:
    _refuse_size(opened, name)
    if opened.format in ("EPS", "WMF"):
        raise ImageError(f"{name} is a drawing ({opened.format}), not a picture.", "Convert it to PNG first.")
    notes = _frame_notes(opened)
    image = _upright(opened, notes) if upright else _as_stored(opened, notes)
    image = _grey_in_8_bits(image, notes) if image.mode in BITS_OF_DEEP_MODES else image
    if image.mode in ("CMYK", "LAB", "HSV", "YCbCr"):
        notes.append(f"{image.mode} converted to RGB")
    image = _on_white(image, notes) if image.has_transparency_data else image.convert("RGB")
    image.info.clear()
    return image, tuple(notes)


def _frame_notes(opened: Image.Image) -> list[str]:
    frames = getattr(opened, "n_frames", 1) if opened.format != "PSD" else 1  # a PSD counts its layers
    return [f"first of {frames} frames"] if frames > 1 else []


def _upright(opened: Image.Image, notes: list[str]) -> Image.Image:
    turned_by_pillow = opened.format == "TIFF"  # as it loads, and it forgets the orientation then
    orientation = _orientation(opened) if turned_by_pillow else None
    _load(opened, notes)
    orientation = orientation or _orientation(opened)
    if orientation not in TURNS_BY_ORIENTATION:
        return opened
    notes.append(f"{'rotated' if orientation in (3, 6, 8) else 'mirrored'} {_AS_EXIF_SAYS}")
    return opened if turned_by_pillow else opened.transpose(TURNS_BY_ORIENTATION[orientation])


def _as_stored(opened: Image.Image, notes: list[str]) -> Image.Image:
    orientation = _orientation(opened)
    _load(opened, notes)
    if opened.format != "TIFF" or orientation not in TURNS_BY_ORIENTATION:
        return opened
    return opened.transpose(TURNS_BY_ORIENTATION[{6: 8, 8: 6}.get(orientation, orientation)])


def _load(opened: Image.Image, notes: list[str]) -> None:
    """Pillow keeps the upper byte of 16-bit colours, but not of the colour that stands for transparency."""
    halved = ";16" in str(getattr(opened, "tile", "")) and opened.mode not in BITS_OF_DEEP_MODES
    with _libtiff_silenced() if opened.format == "TIFF" else nullcontext():
        opened.load()
    if halved:
        notes.append("16 bits scaled to 8")
    if halved and "transparency" in opened.info:
        opened.info["transparency"] = tuple(value >> 8 for value in opened.info["transparency"])


@contextmanager
def _libtiff_silenced() -> Iterator[None]:
    """It prints what is wrong with a file to stderr by itself, past Python, and Pillow offers no way to stop it."""
    stderr = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _orientation(image: Image.Image) -> int:
    """EXIF is often damaged where the pixels are fine: such a picture stays as it lies."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        return 1


def _grey_in_8_bits(deep: Image.Image, notes: list[str]) -> Image.Image:
    """Tile by tile: numbers of 8 bytes for the whole of a large picture would be several times its size."""
    low, high = _range_of(deep)
    notes.append(f"{BITS_OF_DEEP_MODES[deep.mode]} bits scaled to 8 ({low:g} to {high:g} became 0 to 255)")
    clear = deep.info.get("transparency")
    grey = Image.new("L" if clear is None else "LA", deep.size)
    for corner, values in _tiles(deep):
        finite = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
        tile = Image.fromarray(np.rint((finite - low) * (255 / ((high - low) or 1))).astype(np.uint8))
        if clear is not None:
            tile.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
        grey.paste(tile, corner)
    return grey


def _tiles(deep: Image.Image) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """Left and top of each tile, and its values as float64."""
    for top in range(0, deep.height, _TILE):
        for left in range(0, deep.width, _TILE):
            box = left, top, min(left + _TILE, deep.width), min(top + _TILE, deep.height)
            yield (left, top), np.array(deep.crop(box), dtype=np.float64)


def _range_of(deep: Image.Image) -> tuple[float, float]:
    """What becomes black and white: most deep pictures use fewer bits than their file has, and would turn black."""
    tiles = (values[np.isfinite(values)] for _, values in _tiles(deep))
    ranges = [(float(finite.min()), float(finite.max())) for finite in tiles if finite.size]
    if not ranges:
        raise ValueError("no pixel is a finite number")
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    ceilings = (1,) if deep.mode == "F" else USUAL_CEILINGS
    if low < 0 or high > ceilings[-1]:
        return low, high
    return 0, next(ceiling for ceiling in ceilings if high <= ceiling)


def _on_white(image: Image.Image, notes: list[str]) -> Image.Image:
    rgba = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    if rgba.getchannel("A").getextrema()[0] == 255:
        return rgba.convert("RGB")
    notes.append("transparency laid on white")
    white = Image.new("RGBA", rgba.size, "white")
    white.alpha_composite(rgba)
    return white.convert("RGB")


def alike(sizes: Iterable[Hashable]) -> list[list[int]]:
    """Indices of equal sizes together, in order: pictures of one size can run as a batch without padding."""
    groups: dict[Hashable, list[int]] = {}
    for index, size in enumerate(sizes):
        groups.setdefault(size, []).append(index)
    return list(groups.values())


def pixels_of(path: str | Path) -> int:
    """How many a file says that its picture has; 0 of what cannot be read, which is said where it is opened."""
    if not os.path.isfile(path):
        return 0
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as opened:
            return opened.width * opened.height
    except Exception:  # decoders raise whatever they like
        return 0


def open_together(pixels: Iterable[int], most: int) -> Iterator[int]:
    """How many of the pictures that follow may be open together: `most`, with `PIXELS_AT_ONCE` in all, or else one."""
    count = total = 0
    for one in pixels:
        if count and (count == most or total + one > PIXELS_AT_ONCE):
            yield count
            count = total = 0
        count, total = count + 1, total + one
    if count:
        yield count
