"""Pictures as a browser sends them."""

from base64 import b64encode
from io import BytesIO

import pytest
from PIL import Image

from mmx.demo import uploads
from mmx.demo.uploads import data_url, picture_of, sent_as
from mmx.errors import MmxError, UsageError

SCENE = Image.new("RGB", (60, 40), "white")
PICTURE = sent_as("scene.png", SCENE)


def test_a_picture_is_named_by_its_file_alone() -> None:
    for name in ("C:\\me\\scene.png", "../../scene.png", "scene.png"):
        assert picture_of({**PICTURE, "name": name}).source == "scene.png"
    assert len(picture_of({**PICTURE, "name": "x" * 10_000}).source) == 100


@pytest.mark.parametrize("sent", [None, "path/to/file.png", {}, {"path": "/etc/passwd"}, {"url": 3}, ["a"]])
def test_what_is_no_picture_at_all(sent: object) -> None:
    with pytest.raises(UsageError, match="There is no picture yet"):
        picture_of(sent)


@pytest.mark.parametrize("url", ["/etc/passwd", "http://example.org/a.png", "data:image/png;base64,!!!", "data:,x",
                                 "data:image/png;base64," + b64encode(b"GIF89a").decode()])
def test_only_pictures_inside_the_request_are_looked_at(url: str) -> None:
    with pytest.raises(MmxError, match=r"a\.png is no picture that this page takes"):
        picture_of({"name": "a.png", "url": url})


def test_other_kinds_and_sizes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("TIFF", "PPM", "ICO"):
        buffer = BytesIO()
        SCENE.save(buffer, kind)
        with pytest.raises(MmxError, match="no picture that this page takes"):
            picture_of({"name": "a", "url": data_url(buffer.getvalue(), "image/png")})
    monkeypatch.setattr(uploads, "MOST_MEGAPIXELS", 0.002)
    with pytest.raises(MmxError, match="megapixels"):
        picture_of(PICTURE)
    monkeypatch.setattr(uploads, "MOST_BYTES", 10)
    with pytest.raises(MmxError, match="MB"):
        picture_of(PICTURE)
