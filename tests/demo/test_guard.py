"""What the page's server lets through."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import pytest

from mmx.demo.guard import MOST_BODY, MOST_FORM, Guard, host_of

HOME = (b"host", b"localhost:7860")
JOIN = "/gradio_api/queue/join"


def ask(path: str, method: str = "GET", headers: Sequence[tuple[bytes, bytes]] = (HOME,), body: bytes = b"",
        fault: Exception | None = None) -> tuple[int, dict[bytes, bytes], int]:
    """Status, headers, and how many bytes of the body the app behind the guard got to see."""
    sent: list[dict[str, Any]] = []
    seen = 0
    parts = [{"type": "http.request", "body": body[at:at + 2**20], "more_body": True}
             for at in range(0, len(body), 2**20)] + [{"type": "http.request", "body": b"", "more_body": False}]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal seen
        while (message := await receive())["type"] == "http.request":
            seen += len(message["body"])
            if not message["more_body"]:
                break
        if fault is not None:
            raise fault
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-app", b"yes")]})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Any:
        return parts.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": path, "method": method, "headers": list(headers)}
    asyncio.run(Guard(app, {"localhost", "mine.example"}.__contains__)(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), seen


@pytest.mark.parametrize("path", ["/", "/assets/index.js", "/static/fonts/a.woff2", "/theme.css",
                                  "/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/heartbeat/abc"])
def test_the_page_and_its_queue_pass(path: str) -> None:
    status, headers, _ = ask(path)
    assert (status, headers[b"x-app"]) == (200, b"yes")
    policy = headers[b"content-security-policy"].decode()
    assert "default-src 'self'" in policy and "http" not in policy


@pytest.mark.parametrize("path", [
    "/gradio_api/upload", "/gradio_api/file=/etc/passwd", "/gradio_api/file/etc/passwd", "/gradio_api/run/predict",
    "/gradio_api/proxy=http://example.org", "/gradio_api/info", "/gradio_api/call/explain", "/monitoring", "/login",
    "/assets/../../etc/passwd", "/gradio_api/component_server", "/upload"])
def test_uploads_files_and_all_else_are_closed(path: str) -> None:
    assert ask(path)[0] == 404
    assert ask(path, "POST", body=b"x")[2] == 0


def test_what_is_too_large_is_refused() -> None:
    assert ask(JOIN, "POST", [HOME, (b"content-length", str(MOST_BODY + 1).encode())])[::2] == (413, 0)
    assert ask(JOIN, "POST", [HOME, (b"content-length", b"-1")])[::2] == (413, 0)
    assert ask(JOIN, "POST", body=b"x" * 1000)[::2] == (200, 1000)
    assert ask(JOIN, "POST", body=b"x" * (MOST_BODY + 2**20))[::2] == (413, 0)


PICTURE = b'{"name":"a.png","url":"data:image/png;base64,' + b"iVBO" * (5 * 2**20) + b'"}'


@pytest.mark.parametrize(("body", "passes"), [
    (b'{"data":["shapes-lxmert",' + PICTURE + b',"what?"],"fn_index":3}', True),
    (b"[" + b"0," * MOST_FORM + b"0]", False), (b"[" * (MOST_FORM + 1), False),
    (b'{"data":["' + b"x" * MOST_FORM + b'"]}', False),
    (b'{"data":["' + "\U0001f600".encode() * MOST_FORM + b'"]}', False),
    (b"[" + PICTURE + b"," + PICTURE + b"]", False),
    (b'{"data":[' + PICTURE + b"," + b"0," * MOST_FORM + b"0]}", False),
    (b'{"data":[' + PICTURE.replace(b"iVBO", b"[[,0", 2**16) + b"]}", False)])
def test_only_a_picture_may_be_large(body: bytes, passes: bool) -> None:
    """What is refused is refused before it is parsed: the app sees nothing of it."""
    assert len(body) <= MOST_BODY or not passes
    assert ask(JOIN, "POST", body=body)[::2] == ((200, len(body)) if passes else (413, 0))


@pytest.mark.parametrize(("stated", "name"), [
    (b"localhost", "localhost"), (b"LocalHost:7860", "localhost"), (b"[::1]:7860", "::1"), (b"[::1]", "::1"),
    (b"127.0.0.1:80", "127.0.0.1"), (b"", ""), (b"evil.example:7860", "evil.example")])
def test_a_host_without_its_port(stated: bytes, name: str) -> None:
    assert host_of(stated) == name


@pytest.mark.parametrize("host", [b"evil.example", b"localhost.evil.example:7860", b"evil.example:localhost", b"",
                                  b"10.0.0.1"])
def test_other_names_of_this_machine_get_nothing(host: bytes) -> None:
    assert ask("/", headers=[(b"host", host)])[0] == 421
    assert ask(JOIN, "POST", [(b"host", host)], b"x")[::2] == (421, 0)
    assert ask("/", headers=[])[0] == 421


@pytest.mark.parametrize(("origin", "status"), [
    (b"http://localhost:7860", 200), (b"https://mine.example", 200), (b"http://evil.example", 403), (b"null", 403)])
def test_other_sites_pages_can_send_nothing(origin: bytes, status: int) -> None:
    assert ask(JOIN, "POST", [HOME, (b"origin", origin)], b"x")[0] == status


def test_what_the_app_trips_over_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    assert ask(JOIN, "POST", body=b"x", fault=KeyError("a\nb"))[0] == 400
    [record] = caplog.records
    assert record.getMessage().startswith("refused a request: KeyError: ") and record.exc_info is None
    assert "\n" not in record.getMessage()


@pytest.mark.parametrize(("host", "right", "wrong"), [
    ("127.0.0.1", ("127.0.0.1", "localhost", "::1"), ("10.0.0.1", "evil.example", "")),
    ("localhost", ("127.0.0.1", "localhost"), ("10.0.0.1", "evil.example", "")),
    ("0.0.0.0", ("127.0.0.1", "localhost", "10.0.0.1", "fe80::1", socket.gethostname().lower()), ("evil.example", ""))])
def test_the_names_that_a_page_goes_by(host: str, right: tuple[str, ...], wrong: tuple[str, ...]) -> None:
    pytest.importorskip("gradio", reason="the page needs Gradio: pip install '.[demo]'")
    from mmx.demo.serve import bound_socket, homes

    with bound_socket(host, 0) as bound:
        at_home = homes(host, bound)
    assert [at_home(name) for name in (*right, *wrong)] == [True] * len(right) + [False] * len(wrong)


def test_other_connections_than_http_are_dropped() -> None:
    async def app(*_: Any) -> None:
        raise AssertionError

    asyncio.run(Guard(app, {"localhost"}.__contains__)({"type": "websocket", "path": "/", "headers": [HOME]}, app, app))
