"""Names of files, and the small grammars of --regions and --max-memory."""

import pytest

from mmx.cli.opening import parse_memory, parse_regions
from mmx.cli.requests import unique_stems
from mmx.errors import UsageError


@pytest.mark.parametrize(("names", "stems"), [
    (["a", "b"], ["a", "b"]),
    (["a", "b", "a"], ["a-1", "b", "a-3"]),
    (["a", "A"], ["a-1", "A-2"]),
    (["a", "a", "a-1", "A-2"], ["a-1_", "a-2_", "a-1", "A-2"]),
    (["a/b", "..", "", "x:y?"], ["a_b", "picture-2", "picture-3", "x_y_"]),
    (["e\u0301", "\u00e9"], ["\u00e9-1", "\u00e9-2"]),
    (["हिन्दी", "日本"], ["हिन्दी", "日本"]),
    (["\udcff"], ["_"]),
])
def test_stems_are_unique_and_fit_every_file_system(names: list[str], stems: list[str]) -> None:
    assert unique_stems(names) == stems


def test_long_names_stay_apart() -> None:
    stems = unique_stems(["字" * 200 + "a", "字" * 200 + "b"])
    assert len(set(stems)) == 2
    assert all(len(stem.encode()) < 180 for stem in stems)


@pytest.mark.parametrize(("text", "options"), [
    (None, None), ("grid", {"provider": "grid"}), ("grid:3x12", {"provider": "grid", "rows": 3, "columns": 12}),
    ("grid:64X1", {"provider": "grid", "rows": 64, "columns": 1})])
def test_regions(text: str | None, options: dict | None) -> None:
    assert parse_regions(text) == options


@pytest.mark.parametrize(("text", "size"), [
    (None, None), ("1", 1), ("500MB", 500_000_000), ("2gb", 2_000_000_000), ("1.5 GiB", 3 * 2**29), ("10k", 10_000),
    ("1Kib", 1024), (" 7 B ", 7)])
def test_memory(text: str | None, size: int | None) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "1e9", "2 GBs", "0.5", "\u0662", "9" * 400])
def test_what_is_no_size_of_memory(text: str) -> None:
    with pytest.raises(UsageError, match="is no size"):
        parse_memory(text)
