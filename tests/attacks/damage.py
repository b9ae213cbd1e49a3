"""Ways to damage bytes and JSON, the same each time."""

import json
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

ODD_VALUES: tuple[Any, ...] = (None, True, -1, 0, 10**30, 1e308, float("nan"), float("inf"), "", "x", "\ud800", "\0",
                               [], [[]], {}, {"x": 1}, [None], ["x"] * 3)


def damaged_bytes(whole: bytes, seed: int) -> Iterator[tuple[str, bytes]]:
    """Cut short, bits turned, pieces taken out, doubled, zeroed, and put in of something else."""
    draw = random.Random(seed)
    for share in (0, 0.01, 0.1, 0.5, 0.9, 0.99):
        yield f"cut at {share}", whole[:int(len(whole) * share)]
    for number in range(12):
        bits = bytearray(whole)
        for _ in range(2 ** (number % 6)):
            # The first bytes say what all the others mean.
            place = draw.randrange(min(len(bits), 64) if number % 2 else len(bits))
            bits[place] ^= 1 << draw.randrange(8)
        yield f"bits {number}", bytes(bits)
    for number in range(6):
        start, size = draw.randrange(len(whole)), 1 + draw.randrange(64)
        yield f"without a piece {number}", whole[:start] + whole[start + size:]
        yield f"a piece twice {number}", whole[:start + size] + whole[start:]
        yield f"zeros {number}", whole[:start] + bytes(size) + whole[start + size:]
        yield f"high bytes {number}", whole[:start] + b"\xff" * size + whole[start + size:]


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a value stands; of a long list the first alone."""
    yield path
    if isinstance(document, dict):
        for key, value in document.items():
            yield from places(value, (*path, key))
    elif isinstance(document, list) and document:
        yield from places(document[0], (*path, 0))


def with_value(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = deepcopy(document)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def without(document: Any, path: tuple[Any, ...]) -> Any:
    changed = deepcopy(document)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return changed


def damaged_json(document: Any) -> Iterator[tuple[str, bytes]]:
    """Each value lacking, and each an odd one of its own; then the text of the whole."""
    for path in places(document):
        named = "/".join(map(str, path)) or "all"
        for number, value in enumerate(ODD_VALUES):
            yield f"{named} odd {number}", json.dumps(with_value(document, path, value)).encode()
        if path:
            yield f"{named} lacking", json.dumps(without(document, path)).encode()
    text = json.dumps(document)
    yield from {
        "utf-16": text.encode("utf-16"), "a mark before it": b"\xef\xbb\xbf" + text.encode(), "nothing": b"",
        "deep": b"[" * 100_000, "deep objects": b'{"a":' * 100_000, "twice": (text + text).encode(),
        "a number of 5000 digits": b"9" * 5000, "bytes that are no text": b"\xff\xfe\x00" + text.encode(),
        "a comma more": text.encode()[:-1] + b",}", "zeros": bytes(1000)}.items()


@contextmanager
def within_seconds(seconds: int) -> Iterator[None]:
    """Raises TimeoutError where it takes longer: what hangs has not survived."""
    def late(*_: object) -> None:
        raise TimeoutError(f"it takes more than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
