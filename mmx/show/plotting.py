"""Blocks as a figure of matplotlib, and figures as files: the same bytes for the same figure, whatever a user's style.
"""

import struct
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from mmx.show.blocks import column
from mmx.show.lettering import DPI
from mmx.show.style import own_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Plot
    from matplotlib.offsetbox import OffsetBox

FORMATS = ("png", "svg", "pdf")
_SLACK = 1e-3  # of a pixel: a canvas is cut to whole ones
_OPAQUE_WHITE = 0xFFFFFFFF
# With Z_RLE all levels give the same, and of the memory for matches, which are none, less is sooner looked through.
_PACKED, _MEMORY = 1, 7
_AT_ONCE = 64  # rows
_UP = 2  # PNG's filter: of each pixel, how it differs from the one over it
VECTOR_DENSITY = 3  # pixels of a picture for one of the sheet, where the sheet can be enlarged
_SMALL_PX, _QUALITY = (1200, 2400), 75
_NO_DATES = {"png": {"Software": None}, "svg": {"Date": None, "Creator": "mmx"},
             "pdf": {"CreationDate": None, "Producer": None, "Creator": "mmx"}}


def plot_of(block: "OffsetBox", margin: int) -> "Plot":
    """A figure just as large as its block and a margin around it, on white."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Plot

    plot, whole = Plot(dpi=DPI, facecolor="white"), column([(0, block)])
    renderer = FigureCanvasAgg(plot).get_renderer()
    plot.add_artist(whole)
    box = whole.get_bbox(renderer)
    plot.set_size_inches(round(box.width + 2 * margin) / DPI, round(box.height + 2 * margin) / DPI)

    def lower_left(width: float, height: float, xdescent: float, ydescent: float, renderer: Any) -> tuple[float, float]:
        pixel = renderer.points_to_pixels(1)
        return pixel * (margin - box.x0), pixel * (margin - box.y0)

    whole.set_offset(lower_left)
    return plot


def to_image(plot: "Plot") -> Image.Image:
    """RGB, at the figure's own size. The figure is used up."""
    return _drawn(plot).convert("RGB")


def _drawn(plot: "Plot") -> Image.Image:
    """RGBA, all of it opaque."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(plot)
    width, height = ((round(side * plot.dpi) + _SLACK) / plot.dpi for side in plot.get_size_inches())
    plot.set_size_inches(width, height)
    renderer = canvas.get_renderer()
    pixels = np.asarray(renderer.buffer_rgba())
    pixels.view(np.uint32)[...] = _OPAQUE_WHITE  # by itself matplotlib paints it pixel by pixel
    plot.patch.set_visible(False)
    with own_style():
        plot.draw(renderer)
    _let_go(plot)
    return Image.frombuffer("RGBA", canvas.get_width_height(), pixels, "raw", "RGBA", 0, 1)


def to_bytes(plot: "Plot", file_format: str, density: int = 1) -> bytes:
    """As one of `FORMATS`; in vectors, `density` of a picture's pixels lie on one of the figure's. It is used up."""
    if file_format == "png":
        return png_bytes(_drawn(plot))
    buffer = BytesIO()
    with own_style():
        plot.savefig(buffer, format=file_format, dpi=density * DPI, metadata=_NO_DATES[file_format])
    _let_go(plot)
    return buffer.getvalue()


def _let_go(plot: "Plot") -> None:
    """Figure and canvas hold each other: without it, pixels of hundreds of figures wait for the garbage collector."""
    from matplotlib.backend_bases import FigureCanvasBase

    plot.clear()
    FigureCanvasBase(plot)


def png_bytes(image: Image.Image) -> bytes:
    """The picture as a PNG file, RGB. Pillow tries every filter on every line, and takes thrice as long for files that
    are a tenth smaller."""
    image = image if image.mode in ("RGB", "RGBA") else image.convert("RGB")
    pixels = np.frombuffer(image.tobytes("raw", "RGB"), dtype=np.uint8).reshape(image.height, -1)
    packer = zlib.compressobj(_PACKED, memLevel=_MEMORY, strategy=zlib.Z_RLE)
    packed, above = list[bytes](), np.zeros_like(pixels[0])
    for top in range(0, len(pixels), _AT_ONCE):
        rows = pixels[top:top + _AT_ONCE]
        lines = np.full((len(rows), 1 + rows.shape[1]), _UP, dtype=np.uint8)
        np.subtract(rows[0], above, out=lines[0, 1:])
        np.subtract(rows[1:], rows[:-1], out=lines[1:, 1:])
        packed.append(packer.compress(lines.data))
        above = rows[-1]
    header = struct.pack(">IIBBBBB", *image.size, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", b"".join((*packed, packer.flush()))), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
        for kind, data in chunks)


def jpeg_bytes(image: Image.Image) -> bytes:
    """The picture as a small JPEG, for a notebook that is stored with what it shows."""
    small, buffer = image.copy(), BytesIO()
    small.thumbnail(_SMALL_PX, Image.Resampling.LANCZOS)
    small.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
