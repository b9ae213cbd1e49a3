"""Requests to the page that its own script never makes: bodies and fields of other kinds, other names of the machine,
large ones, closed paths. The page answers on, leaves no traceback, and its memory stays."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from demo_server import Server

from mmx.demo.forms import Form

JOIN = "gradio_api/queue/join"
FORM = {"data": [*vars(Form("shapes-lxmert", {}, "what?")).values()], "fn_index": 3, "session_hash": "s",
        "event_data": None, "trigger_id": None}
LARGE = 30 * 2**20

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    pytest.importorskip("gradio", reason="the page needs Gradio: pip install '.[demo]'")
    with Server() as running:
        yield running


def bodies() -> Iterator[tuple[str, bytes]]:
    yield from {"nothing": b"", "no JSON": b"{{{", "a list": b"[]", "null": b"null", "a number": b"5", "a text": b'"x"',
                "no text": b"\xff\xfe", "deep": b"[" * 100_000, "a number of 5000 digits": b"9" * 5000}.items()
    for key in FORM:
        for number, value in enumerate((None, -1, 999, 10**30, "x", [], {}, [[1]], {"a": 1}, "\ud800")):
            yield f"{key} is {number}", json.dumps({**FORM, key: value}).encode()
        yield f"{key} is missing", json.dumps({name: one for name, one in FORM.items() if name != key}).encode()
    for function in range(6):
        for size in (0, 1, 7, 100):
            for what, value in {"numbers": 1, "lists": [1], "objects": {"a": 1}, "texts": "\ud800"}.items():
                yield f"function {function}, {size} {what}", json.dumps(
                    {**FORM, "fn_index": function, "data": [value] * size}).encode()
    for place in range(len(FORM["data"])):
        for number, value in enumerate((None, 5, "x", {"url": 5}, {"url": "data:image/png;base64,%%"}, [None], [[]])):
            data = [value if at == place else one for at, one in enumerate(FORM["data"])]
            yield f"field {place} is {number}", json.dumps({**FORM, "data": data}).encode()


BODIES = dict(bodies())


@pytest.mark.parametrize("attack", BODIES)
def test_a_body_is_answered(server: Server, attack: str) -> None:
    assert server.post(JOIN, BODIES[attack]) in (200, 400, 422, 500, 503)


@pytest.mark.parametrize("body", [
    b"[" + b"0," * (LARGE // 2) + b"0]", b"[" * LARGE, b"[" + b"{}," * (LARGE // 3) + b"0]",
    b"[" + b'"a",' * (LARGE // 4) + b"0]", b'{"data":["' + "\U0001f600".encode() * (LARGE // 4) + b'"]}',
    b'{"data":{"url":"data:image/png;base64,' + b"A" * (40 * 2**20) + b'"}}'],
    ids=["numbers", "deep", "objects", "texts", "a wide text", "40 MB"])
def test_a_large_body_is_refused_before_it_is_parsed(server: Server, body: bytes) -> None:
    before = server.most_memory_mb()
    assert server.post(JOIN, body) in (413, None)
    assert server.most_memory_mb() - before < 150


@pytest.mark.parametrize("headers", [
    {"Host": "evil.example"}, {"Host": "localhost.evil.example:80"}, {"Host": ""}, {"Host": "10.1.2.3"},
    {"Origin": "http://evil.example"}, {"Origin": "null"}], ids=str)
def test_other_names_get_nothing(server: Server, headers: dict[str, str]) -> None:
    assert server.post(JOIN, json.dumps(FORM).encode(), **headers) in (400, 403, 421)


@pytest.mark.parametrize("path", [
    "gradio_api/upload", "gradio_api/file=/etc/passwd", "gradio_api/run/predict", "gradio_api/proxy=http://example.org",
    "gradio_api/info", "assets/%2e%2e/%2e%2e/etc/passwd", "assets/../../etc/passwd", "monitoring", "login",
    "static/%00", "gradio_api/component_server", "gradio_api/call/explain", "docs", "openapi.json", "queue/join"])
def test_closed_paths(server: Server, path: str) -> None:
    assert server.post(path, b"{}") in (400, 404, 405)
    assert server.get(path)[0] in (400, 404)


def test_the_page_answers_on_and_no_traceback_was_left(server: Server) -> None:
    """Runs last."""
    status, text = server.get("")
    assert status == 200 and "gradio" in text
    assert server.explained("a picture that mmx draws")
    lines: list[Any] = [line for line in server.said.splitlines() if not line.startswith("refused a request: ")]
    assert [line for line in lines if "mmx demo is at" not in line and not line.startswith("note: ")] == []
