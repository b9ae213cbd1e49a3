"""Pictures as they come: every kind of odd file either opens as it should look, or is refused in one line."""

import hashlib
import os
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, PngImagePlugin

from mmx.errors import ImageError, shown_path
from mmx.images import PIXELS_AT_ONCE, is_turned, open_picture, open_together, pixels_of

ODD = Path(__file__).parents[1].parent / "shared" / "realdata" / "images" / "odd"
RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


def pixels(source: object) -> list[tuple[int, ...]]:
    image = open_picture(source).image  # type: ignore[arg-type]
    assert image.mode == "RGB"
    return [tuple(int(value) for value in pixel) for pixel in np.array(image).reshape(-1, 3)]


def greys(source: object) -> list[int]:
    found = pixels(source)
    assert all(red == green == blue for red, green, blue in found)
    return [red for red, _, _ in found]


def refusal(source: object) -> str:
    with pytest.raises(ImageError) as caught:
        open_picture(source)  # type: ignore[arg-type]
    assert caught.value.hint and len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def noise(side: int = 64) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8))


def row_of(*values: float, dtype: str) -> Image.Image:
    return Image.fromarray(np.array([values], dtype=dtype))


def png(width: int, height: int, bits: int, colour: int, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    header = (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    chunks = (header, *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    framed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def test_a_plain_picture_keeps_its_pixels_and_names_its_bytes(tmp_path: Path) -> None:
    path = saved(noise(), tmp_path / "plain.png")
    picture = open_picture(path)
    assert (picture.source, picture.notes, picture.image.info) == (str(path), (), {})
    assert picture.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert np.array_equal(np.array(picture.image), np.array(noise()))
    assert open_picture(str(path)).source == str(path)


@pytest.mark.parametrize("name", ["a b'c\"d;$x.png", "línea\nneu.png", "bytes\udcff.png", "-x.png", "%s{0}.png"])
def test_odd_names_work_and_stay_on_one_line_in_messages(tmp_path: Path, name: str) -> None:
    path = saved(Image.new("RGB", (1, 1), RED), tmp_path / "ok.png").rename(tmp_path / name)
    assert pixels(path) == [RED]
    path.write_text("no picture")
    assert refusal(path).startswith(shown_path(path)) and refusal(path).isprintable()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "TGA", "ICO"])
def test_a_suffix_that_lies_does_no_harm(tmp_path: Path, kind: str) -> None:
    path = saved(Image.new("RGB", (16, 16), BLUE), tmp_path / "lies.jpg", format=kind, **LOSSLESS.get(kind, {}))
    assert set(pixels(path)) == {BLUE}


LOSSLESS: dict[str, dict[str, object]] = {"WEBP": {"lossless": True}, "ICO": {"sizes": [(16, 16)]}}


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [("1", 1, WHITE), ("L", 7, (7, 7, 7)), ("CMYK", (0, 255, 255, 0), RED), ("HSV", (85, 255, 255), GREEN),
     ("YCbCr", (255, 128, 128), WHITE), ("LAB", (255, 128, 128), WHITE), ("RGBA", (9, 8, 7, 255), (9, 8, 7)),
     ("La", (0, 0), WHITE), ("RGBa", (0, 0, 0, 0), WHITE), ("RGBX", (9, 8, 7, 0), (9, 8, 7))],
)  # fmt: skip
def test_every_mode_becomes_rgb(mode: str, colour: int, expected: tuple[int, int, int]) -> None:
    assert np.abs(np.subtract(pixels(Image.new(mode, (1, 1), colour)), expected)).max() <= 1


def test_one_bit_grey_and_cmyk_files(tmp_path: Path) -> None:
    assert greys(saved(Image.fromarray(np.array([[True, False]])), tmp_path / "bit.png")) == [255, 0]
    cmyk = open_picture(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), tmp_path / "cmyk.jpg", quality=100))
    assert cmyk.notes == ("CMYK converted to RGB",)
    assert np.abs(np.subtract(cmyk.image.getpixel((4, 4)), RED)).max() <= 3


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_transparent_palette_lies_on_white(tmp_path: Path, suffix: str) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *BLUE])
    image.putpixel((1, 0), 1)
    path = saved(image, tmp_path / f"palette.{suffix}", transparency=1)
    assert pixels(path) == [RED, WHITE]
    assert open_picture(path).notes == ("transparency laid on white",)


def test_half_transparent_pixels_are_mixed_with_white(tmp_path: Path) -> None:
    assert greys(saved(Image.new("LA", (1, 1), (0, 128)), tmp_path / "la.png")) == [127]
    assert pixels(saved(Image.new("RGBA", (1, 1), (255, 0, 0, 51)), tmp_path / "rgba.png")) == [(255, 204, 204)]
    assert open_picture(saved(Image.new("RGBA", (1, 1), RED), tmp_path / "opaque.png")).notes == ()


def test_16_bit_grey_png_is_scaled_and_not_clipped(tmp_path: Path) -> None:
    path = saved(row_of(0, 257, 25700, 32896, 65535, dtype="uint16"), tmp_path / "deep.png")
    assert greys(path) == [0, 1, 100, 128, 255]
    assert open_picture(path).notes == ("16 bits scaled to 8 (0 to 65535 became 0 to 255)",)


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [([0, 1638, 4095], "uint16", [0, 102, 255]), ([0, 7, 255], "uint16", [0, 7, 255]), ([0, 4660, 65535], ">u2",
     [0, 18, 255]), ([0, 200], "int32", [0, 200]), ([-51, 0, 204], "int32", [0, 51, 255]),
     ([0, 2**30], "int32", [0, 255]), ([0, 0.2, 1], "float32", [0, 51, 255]), ([-1, 0, 4], "float32", [0, 51, 255]),
     ([100, 120, 200], "float32", [0, 51, 255]), ([7.5, 7.5], "float32", [0, 0]),
     ([np.nan, np.inf, -np.inf, 0, 1], "float32", [0, 255, 0, 0, 255])],
)  # fmt: skip
def test_deep_greys_fill_8_bits(tmp_path: Path, values: list[float], dtype: str, expected: list[int]) -> None:
    image = row_of(*values, dtype=dtype)
    assert greys(image) == expected
    path = saved(image, tmp_path / "deep.tif")
    assert greys(path) == expected and "bits scaled to 8" in open_picture(path).notes[0]


@pytest.mark.parametrize("dtype", ["uint16", ">u2", "int32", "float32"])
@pytest.mark.parametrize("shape", [(3, 2100), (2100, 3), (1025, 1024)])
def test_large_deep_greys_are_scaled_as_a_whole(dtype: str, shape: tuple[int, int]) -> None:
    """Though they are read in tiles: the largest value stands in the last one, and what is clear anywhere."""
    values = np.linspace(0, 60_000, shape[0] * shape[1]).round().reshape(shape)
    expected = np.rint(values * (255 / (values.max() if dtype == "float32" else 65535))).astype(np.uint8)
    image = Image.fromarray(values.astype(dtype))
    assert np.array_equal(np.array(open_picture(image).image)[..., 0], expected)
    image.info["transparency"] = clear = int(values[-1, -1])
    assert np.array_equal(np.array(open_picture(image).image)[..., 0], np.where(values == clear, 255, expected))


@pytest.mark.parametrize(("bits", "width"), [(16, 4000), (16, 10**6)])
def test_deep_greys_take_no_more_memory_than_colours(bits: int, width: int) -> None:
    image = Image.fromarray(np.zeros((4 * 10**6 // width, width), dtype=f"uint{bits}"))
    tracemalloc.start()
    open_picture(image)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 45 * 10**6  # pixels of 4 megapixels as float64 alone are 32 MB, and there were three of these



def test_a_float_picture_without_a_number_is_refused(tmp_path: Path) -> None:
    path = saved(row_of(np.nan, np.nan, dtype="float32"), tmp_path / "nan.tif")
    assert "no pixel is a finite number" in refusal(path)


def test_16_bit_colour_and_transparency_of_16_bit_pngs(tmp_path: Path) -> None:
    colour, grey, keyed = (tmp_path / f"{name}.png" for name in ("colour", "grey", "keyed"))
    rows = b"\0" + struct.pack(">6H", 0xFFFF, 0x8000, 0, 0x1234, 0x0180, 0xFF00)
    colour.write_bytes(png(2, 1, 16, 2, rows))
    assert pixels(colour) == [(255, 128, 0), (0x12, 1, 255)]
    assert open_picture(colour).notes == ("16 bits scaled to 8",)
    keyed.write_bytes(png(2, 1, 16, 2, rows, (b"tRNS", struct.pack(">3H", 0xFFFF, 0x8000, 0))))
    assert pixels(keyed) == [WHITE, (0x12, 1, 255)]
    grey.write_bytes(png(2, 1, 16, 0, b"\0" + struct.pack(">2H", 0x8080, 0), (b"tRNS", struct.pack(">H", 0))))
    assert greys(grey) == [128, 255]


CORNERS = np.array([[RED, GREEN, GREEN], [BLUE, BLUE, BLACK]], dtype=np.uint8)
UPRIGHT = {1: CORNERS, 2: CORNERS[:, ::-1], 3: CORNERS[::-1, ::-1], 4: CORNERS[::-1], 5: CORNERS.transpose(1, 0, 2),
           6: np.rot90(CORNERS, -1), 7: np.rot90(CORNERS, 2).transpose(1, 0, 2), 8: np.rot90(CORNERS)}  # fmt: skip


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_applied(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(Image.fromarray(CORNERS), tmp_path / f"turned.{suffix}", exif=exif, lossless=True)
    picture = open_picture(path)
    assert np.array_equal(np.array(picture.image), UPRIGHT[orientation])
    turn = "rotated" if orientation in (3, 6, 8) else "mirrored"
    assert picture.notes == ((f"{turn} as its EXIF says",) if orientation > 1 else ())
    assert is_turned(picture) == (orientation > 1)
    stored = open_picture(path, upright=False)
    assert np.array_equal(np.array(stored.image), CORNERS)
    assert (stored.notes, stored.sha256) == ((), picture.sha256)


def test_a_picture_on_its_side_stands_up_and_a_broken_exif_does_not_stop_one(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    wide = Image.new("RGB", (40, 16), BLUE)
    wide.paste(RED, (0, 0, 8, 16))
    upright = open_picture(saved(wide, tmp_path / "side.jpg", exif=exif, quality=100, subsampling=0)).image
    assert upright.size == (16, 40)
    assert np.abs(np.subtract(upright.getpixel((8, 2)), RED)).max() <= 3
    broken = open_picture(saved(wide, tmp_path / "broken.jpg", exif=b"Exif\0\0no tags here"))
    assert (broken.image.size, broken.notes) == ((40, 16), ())


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_the_first_of_several_frames_is_read(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    path = saved(frames[0], tmp_path / f"frames.{suffix}", save_all=True, append_images=frames[1:], lossless=True)
    assert set(pixels(path)) == {RED}
    assert open_picture(path).notes == ("first of 3 frames",)


def test_a_picture_in_memory_is_the_frame_it_stands_at(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (1, 1), colour) for colour in (RED, GREEN)]
    with Image.open(saved(frames[0], tmp_path / "two.gif", save_all=True, append_images=frames[1:])) as given:
        given.seek(1)
        assert pixels(given) == [GREEN] and open_picture(given).notes == ()


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "webp", "bmp", "tif", "ppm"])
@pytest.mark.parametrize("kept", [0.9, 0.5, 0.02])
def test_a_file_cut_short_is_refused(tmp_path: Path, suffix: str, kept: float) -> None:
    path = saved(noise(), tmp_path / f"cut.{suffix}")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    assert refusal(path).startswith(str(path)) and "damaged" in refusal(path)


def test_what_is_no_picture_is_refused_with_its_name(tmp_path: Path) -> None:
    text, empty = tmp_path / "text.jpg", tmp_path / "empty.png"
    text.write_text("just words\n" * 100)
    empty.touch()
    assert refusal(text).startswith(f"{text} is no picture: its kind is unknown")
    assert refusal(empty).startswith(f"{empty} is empty (0 bytes).")
    assert refusal(tmp_path / "none.jpg").startswith(f"{tmp_path / 'none.jpg'} does not exist.")
    assert "does not exist" in refusal(text / "inside.jpg")
    assert refusal(tmp_path).startswith(f"{tmp_path} is a folder, not a picture.")
    assert refusal("").startswith("An empty path is a folder")
    assert "null" in refusal("a\0b.png") and "File name too long" in refusal("x" * 5000)
    assert refusal(3).startswith("A int is not a picture.")


def test_pipes_and_devices_do_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert refusal(tmp_path / "pipe.jpg").startswith(f"{tmp_path / 'pipe.jpg'} is a pipe or a device.")
    assert "pipe or a device" in refusal("/dev/zero")


def test_symlinks_are_followed(tmp_path: Path) -> None:
    target, link, dangling, loop = (tmp_path / name for name in ("target.png", "link", "dangling", "loop"))
    saved(Image.new("RGB", (1, 1), GREEN), target)
    for path, aim in ((link, target), (dangling, tmp_path / "none"), (loop, loop)):
        path.symlink_to(aim)
    assert pixels(link) == [GREEN]
    assert open_picture(link).source == str(link)
    assert "does not exist" in refusal(dangling) and "symbolic links" in refusal(loop)


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = saved(noise(), tmp_path / "locked.png")
    path.chmod(0)
    as_nobody = f"import os, mmx.images; os.chdir({str(tmp_path)!r}); os.geteuid() or os.setuid(65534)"
    code = f"{as_nobody}\n{SHOW_REFUSAL.format(path='locked.png')}"
    tmp_path.chmod(0o755)
    assert run_python(code) == ("locked.png may not be read. Make it readable for you (chmod u+r).\n", "")


SHOW_REFUSAL = (
    "from mmx.images import open_picture\ntry: open_picture({path!r})\nexcept Exception as error: print(error)"
)


def run_python(code: str) -> tuple[str, str]:
    command = [sys.executable, "-W", "always", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], check=True)
    return done.stdout, done.stderr


@pytest.mark.parametrize(("width", "height"), [(50_000, 2_001), (2**31 - 1, 2**31 - 1), (0, 5)])
def test_a_bomb_is_refused_by_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, height: int
) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", lambda self: pytest.fail("decoded"))
    path = tmp_path / "bomb.png"
    path.write_bytes(png(width, height, 8, 2, b""))
    message = refusal(path)
    assert message.startswith(str(path))
    assert "megapixels" in message or width == 0


def test_the_limit_itself_is_allowed(tmp_path: Path) -> None:
    path = saved(Image.new("1", (50_000, 2_000)), tmp_path / "limit.png")
    assert open_picture(path).image.size == (50_000, 2_000)


def test_drawings_are_refused_before_a_program_runs_on_them(tmp_path: Path) -> None:
    path = saved(Image.new("RGB", (4, 4)), tmp_path / "drawing.eps")
    assert refusal(path).startswith(f"{path} is a drawing (EPS)")


@pytest.mark.parametrize(
    "raised", [SyntaxError("two\nlines"), struct.error("x"), MemoryError(), EOFError(), KeyError(3)]
)
def test_whatever_a_decoder_raises_becomes_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception
) -> None:
    def fail(image: Image.Image) -> None:
        raise raised

    path = saved(noise(), tmp_path / "fine.bmp")
    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    assert refusal(path).startswith(str(path))


def test_arrays_are_taken_as_they_are() -> None:
    assert pixels(np.array([[RED, BLUE]], dtype=np.uint8)) == [RED, BLUE]
    assert greys(np.array([[3], [4]], dtype=np.uint8)) == [3, 4]
    assert pixels(np.array([[(0, 0, 255, 0), (*BLUE, 255)]], dtype=np.uint8)) == [WHITE, BLUE]
    assert pixels(np.array([[RED, BLUE]], dtype=np.uint8)[:, ::-1]) == [BLUE, RED]


@pytest.mark.parametrize("shape", [(4,), (4, 4, 1), (4, 4, 2), (2, 4, 4, 3), (0, 4, 3), (4, 0), (0, 0, 4), ()])
def test_arrays_of_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    assert f"shape {shape}" in refusal(np.zeros(shape, dtype=np.uint8))


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint16", "bool"])
def test_arrays_of_other_numbers_are_refused(dtype: str) -> None:
    assert refusal(np.zeros((4, 4, 3), dtype=dtype)).startswith(f"An array of {dtype}")


def test_pictures_in_memory_are_named_by_pixels_and_size_and_left_alone() -> None:
    given = noise(4)
    given.info["comment"] = b"kept"
    picture = open_picture(given)
    picture.image.paste(RED, (0, 0, 4, 4))
    assert np.array_equal(np.array(given), np.array(noise(4))) and given.info == {"comment": b"kept"}
    assert picture.source == "<image>"
    assert picture.sha256 == open_picture(np.array(given)).sha256 == open_picture(given.convert("RGBA")).sha256
    assert picture.sha256 != open_picture(Image.frombytes("RGB", (2, 8), given.tobytes())).sha256
    assert refusal(Image.new("RGB", (0, 3))).startswith("<image> has 0 x 3 pixels.")


def test_nothing_leaks_and_every_file_is_closed(tmp_path: Path) -> None:
    exif = saved(noise(), tmp_path / "exif.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0\x01")
    lzw = saved(noise(), tmp_path / "lzw.tif", compression="tiff_lzw")
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(exif.read_bytes()[:1500])
    lzw.write_bytes(lzw.read_bytes().replace(lzw.read_bytes()[2000:2400], b"\xff" * 400))
    shows = [SHOW_REFUSAL.format(path=str(path)) for path in (exif, cut, lzw)]
    count = "import os, sys; print(len(os.listdir('/proc/self/fd')))"
    out, err = run_python("\n".join((shows[0], count, *shows, count, "print('still heard', file=sys.stderr)")))
    before, *messages, after = out.splitlines()
    assert (before, err) == (after, "still heard\n")
    assert [message.partition(" ")[0] for message in messages] == [str(cut), str(lzw)]


@pytest.mark.skipif(not ODD.is_dir(), reason="the real odd pictures are not here")
def test_every_real_odd_file_opens_or_is_refused_in_one_line() -> None:
    files = sorted(path for path in ODD.rglob("*") if path.is_file())
    refused = {path.name for path in files if not opens(path)}
    assert len(files) >= 43
    assert refused == {"broken_data_stream.png", "decompression_bomb.gif", "truncated_image.png", "truncated_jpeg.jpg",
                       "ultrahdr.jpg", "zero_width.gif", "skimage_truncated.jpg"}  # fmt: skip


def opens(path: Path) -> bool:
    try:
        picture = open_picture(path)
    except ImageError as error:
        assert str(error).startswith(str(path)) and len(str(error).splitlines()) == 1
        return False
    assert picture.image.mode == "RGB" and min(picture.image.size) > 0 and 0x0112 not in picture.image.getexif()
    return True


@pytest.mark.parametrize(("pixels", "most", "expected"), [
    ([1, 1, 1, 1, 1], 2, [2, 2, 1]), ([], 4, []), ([PIXELS_AT_ONCE], 4, [1]), ([PIXELS_AT_ONCE * 3, 1, 0], 4, [1, 2]),
    ([PIXELS_AT_ONCE // 2] * 5, 8, [2, 2, 1]), ([PIXELS_AT_ONCE // 2, PIXELS_AT_ONCE, 5], 8, [1, 1, 1]),
])
def test_pictures_that_are_open_together_are_counted_in_pixels(pixels: list[int], most: int,
                                                               expected: list[int]) -> None:
    assert list(open_together(pixels, most)) == expected


def test_pixels_by_the_header_alone(tmp_path: Path) -> None:
    path = saved(Image.new("RGB", (40, 16)), tmp_path / "a.png")
    assert pixels_of(path) == 640
    path.write_bytes(path.read_bytes()[:60])
    assert (pixels_of(path), pixels_of(tmp_path), pixels_of(tmp_path / "absent")) == (640, 0, 0)
