"""What the page's server lets through: the page, its own scripts and the queue; no uploads, no files, no proxy."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_BODY = 32 * 2**20  # of a request: the largest picture in base64, and a form
_PAGES = ("/", "/config", "/config/", "/theme.css", "/favicon.ico", "/manifest.json", "/gradio_api/startup-events",
          "/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/cancel", "/gradio_api/reset")
_FOLDERS = ("/assets/", "/static/", "/gradio_api/heartbeat/")
# Gradio builds its templates from strings, hence 'unsafe-eval'; nothing may come from, or go to, another host.
_POLICY = ("default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
           "img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'; "
           "form-action 'self'; frame-ancestors 'none'")
_HEADERS = [(b"content-security-policy", _POLICY.encode()), (b"referrer-policy", b"no-referrer"),
            (b"x-content-type-options", b"nosniff")]


class Guard:
    """An ASGI app around Gradio's, of which all is closed that the page does not use."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http" or not _is_open(scope["path"]):
            await _refuse(scope, send, 404, b"There is nothing here.")
        elif _length(scope) > MOST_BODY:
            await _refuse(scope, send, 413, b"This is too large.")
        else:
            await self._app(scope, _limited(receive), _with_headers(send))


def _is_open(path: str) -> bool:
    return path in _PAGES or (path.startswith(_FOLDERS) and ".." not in path)


def _length(scope: Scope) -> int:
    stated = dict(scope["headers"]).get(b"content-length", b"0")
    return int(stated) if stated.isdigit() else MOST_BODY + 1


def _limited(receive: Receive) -> Receive:
    """A body that is longer than it says, or does not say, ends where the limit is."""
    taken = 0

    async def limited() -> MutableMapping[str, Any]:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        return {"type": "http.disconnect"} if taken > MOST_BODY else message

    return limited


def _with_headers(send: Send) -> Send:
    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *_HEADERS]}
        await send(message)

    return sent


async def _refuse(scope: Scope, send: Send, status: int, text: bytes) -> None:
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": status,
                "headers": [(b"content-type", b"text/plain"), *_HEADERS]})
    await send({"type": "http.response.body", "body": text})
