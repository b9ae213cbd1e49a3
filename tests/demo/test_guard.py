"""What the page's server lets through."""

import asyncio
from typing import Any

import pytest

from mmx.demo.guard import MOST_BODY, Guard


def ask(path: str, method: str = "GET", headers: list[tuple[bytes, bytes]] | None = None,
        body: bytes = b"") -> tuple[int, dict[bytes, bytes], int]:
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
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-app", b"yes")]})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Any:
        return parts.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": path, "method": method, "headers": headers or []}
    asyncio.run(Guard(app)(scope, receive, send))
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
    join = "/gradio_api/queue/join"
    assert ask(join, "POST", [(b"content-length", str(MOST_BODY + 1).encode())])[0] == 413
    assert ask(join, "POST", [(b"content-length", b"-1")])[0] == 413
    assert ask(join, "POST", body=b"x" * 1000)[2] == 1000
    assert ask(join, "POST", body=b"x" * (MOST_BODY + 2**20))[2] <= MOST_BODY


def test_other_connections_than_http_are_dropped() -> None:
    async def app(*_: Any) -> None:
        raise AssertionError

    asyncio.run(Guard(app)({"type": "websocket", "path": "/"}, app, app))
