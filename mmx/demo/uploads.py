"""Pictures that a browser sends along with a question: looked at in memory, limited in size and kind, never stored."""

from base64 import b64decode, b64encode
from io import BytesIO
from typing import Any

from PIL import Image, UnidentifiedImageError

from mmx.errors import ImageError, UsageError
from mmx.images import picture_from_bytes
from mmx.results import Picture

MOST_BYTES = 20 * 2**20
MOST_MEGAPIXELS = 40
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
_KINDS = "Give a JPEG, PNG, WebP, GIF or BMP file."
_LONGEST_NAME = 100


def picture_of(sent: Any) -> Picture:
    """A picture that came as {"name": ..., "url": "data:..."}. Raises UsageError or ImageError."""
    if not isinstance(sent, dict) or not isinstance(sent.get("url"), str):
        raise UsageError("There is no picture yet.", "Choose one, or click a sample.")
    content = _content(sent["url"])
    name = str(sent.get("name") or "picture").replace("\\", "/").rpartition("/")[2][:_LONGEST_NAME]
    if len(content) > MOST_BYTES:
        raise ImageError(f"{name} has more than {MOST_BYTES // 2**20} MB.", "Scale it down first.")
    Image.init()  # or Pillow knows only the commonest of these
    try:
        size = Image.open(BytesIO(content), formats=FORMATS).size
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise ImageError(f"{name} is no picture that this page takes.", _KINDS) from error
    if size[0] * size[1] > MOST_MEGAPIXELS * 10**6:
        raise ImageError(f"{name} has more than {MOST_MEGAPIXELS} megapixels.", "Scale it down first.")
    return picture_from_bytes(content, name)


def sent_as(name: str, image: Image.Image) -> dict[str, str]:
    """A picture of mmx's own in the form in which a browser sends one."""
    return {"name": name, "url": data_url(png(image), "image/png")}


def data_url(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{b64encode(content).decode('ascii')}"


def png(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _content(url: str) -> bytes:
    _, comma, encoded = url.partition(";base64,")
    try:
        return b64decode(encoded, validate=True) if comma and url.startswith("data:") else b""
    except ValueError:
        return b""
