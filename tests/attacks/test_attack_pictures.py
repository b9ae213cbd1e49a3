"""Pictures of each kind: cut short, bits turned, pieces lost, sizes that lie. They open, or one line refuses them."""

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from damage import damaged_bytes
from PIL import Image

from mmx.demo.uploads import data_url, picture_of
from mmx.errors import MmxError
from mmx.images import open_picture

KINDS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


def whole(kind: str) -> bytes:
    """A picture of two frames where the kind has frames."""
    image = Image.fromarray((np.arange(40 * 60 * 3) * 7 % 251).astype(np.uint8).reshape(40, 60, 3))
    buffer = BytesIO()
    frames = {"save_all": True, "append_images": [image.rotate(90)]} if kind in ("GIF", "TIFF", "WEBP") else {}
    image.save(buffer, kind, **frames)
    return buffer.getvalue()


def png(width: int, height: int, bits: int = 8, colour: int = 2, rows: bytes = b"") -> bytes:
    """A PNG that may say anything of itself."""
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def attacks() -> Iterator[tuple[str, bytes]]:
    for seed, kind in enumerate(KINDS):
        yield from ((f"{kind} {how}", content) for how, content in damaged_bytes(whole(kind), seed))
    for width, height in ((0, 0), (0, 5), (2**31 - 1, 2**31 - 1), (2**32 - 1, 1), (1, 10**6), (100_000, 999)):
        yield f"PNG of {width} x {height}", png(width, height)
    for bits, colour in ((16, 0), (1, 2), (7, 7), (8, 3), (16, 6)):
        yield f"PNG of {bits} bits, colour {colour}", png(8, 8, bits, colour, bytes(2000))
    yield from {"text": b"no picture", "html": b"<html>", "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
                "pdf": b"%PDF-1.7\n", "zip": b"PK\x03\x04" + bytes(64), "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n",
                "an lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"}.items()


ATTACKS = dict(attacks())


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_picture_opens_or_is_refused(attack: str, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    path = tmp_path / "attack.png"
    path.write_bytes(ATTACKS[attack])
    sent = {"name": "a", "url": data_url(ATTACKS[attack], "image/png")}
    for look in (lambda: open_picture(path), lambda: picture_of(sent)):
        try:
            found = look()
            assert found.image is not None and found.image.mode == "RGB" and min(found.size) > 0
        except MmxError as error:
            assert "\n" not in str(error) and str(error).endswith(".")
    assert capfd.readouterr() == ("", "")
