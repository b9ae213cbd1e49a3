from dataclasses import replace
from pathlib import Path

import pytest

import mmx
from mmx.errors import UsageError


def test_methods_draw_and_save_themselves_together(build, tmp_path: Path) -> None:
    both = mmx.side_by_side([build(method="one"), build(method="two")])
    assert both._repr_html_().startswith("<figure")
    assert both._repr_png_().startswith(b"\x89PNG")
    assert both.to_image().width > 800
    paths = both.save(tmp_path, "cat")
    assert [path.name for path in paths] == ["cat.methods.png", "cat.html"]
    assert all(path.stat().st_size > 1000 for path in paths)


def test_what_cannot_be_compared_is_refused(build) -> None:
    other = replace(build().picture, sha256="11")
    for results in ([], [build(), build(picture=other)]):
        with pytest.raises(UsageError):
            mmx.side_by_side(results)
