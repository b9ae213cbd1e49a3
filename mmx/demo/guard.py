"""What the page's server lets through: the page, its own scripts and the queue; no uploads, no files, no proxy."""

import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

_LOG = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_BODY = 32 * 2**20  # of a request: the largest picture in base64, and a form
MOST_FORM = 2**18  # of it beside the picture: what becomes many values is parsed only where it is small
_PICTURE = re.compile(rb'"data:[^",\\]{0,100};base64,[A-Za-z0-9+/=]*"')
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
    """An ASGI app around Gradio's, of which all is closed that the page does not use.

    Args:
        app: Gradio's.
        at_home: whether a name or address is one of this machine's own, by which the page may be asked for; another
            site's name could be made to point here, and its scripts would read what they like.
    """

    def __init__(self, app: App, at_home: Callable[[str], bool]) -> None:
        self._app, self._at_home = app, at_home

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        if scope["type"] != "http" or not _is_open(scope["path"]):
            await _refuse(scope, send, 404, b"There is nothing here.")
        elif not self._at_home(host_of(headers.get(b"host", b""))):
            await _refuse(scope, send, 421, b"This page does not go by that name: start it with mmx demo --host NAME.")
        elif origin is not None and not self._at_home(host_of(origin.rpartition(b"//")[2])):
            await _refuse(scope, send, 403, b"This is for the page itself.")
        elif (body := await _body(headers, receive)) is None:
            await _refuse(scope, send, 413, b"This is too large.")
        else:
            await self._passed(scope, _again(body, receive), send)

    async def _passed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What Gradio trips over is nothing that its page sends: one line, and no traceback."""
        begun = False

        async def sent(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, _with_headers(sent))
        except Exception as error:
            log_refused(error)
            if not begun:
                await _refuse(scope, send, 400, b"This is no request of the page.")


def log_refused(error: Exception) -> None:
    _LOG.warning("refused a request: %s", ascii(f"{type(error).__name__}: {error}")[1:-1][:120])


def host_of(stated: bytes) -> str:
    """Without its port: "localhost" of "localhost:7860", "::1" of "[::1]:7860"."""
    text = stated.decode("latin-1").lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]


def _is_open(path: str) -> bool:
    return path in _PAGES or (path.startswith(_FOLDERS) and ".." not in path)


async def _body(headers: dict[bytes, bytes], receive: Receive) -> bytes | None:
    """The whole body; None where it is too large, whatever it says of its length."""
    stated = headers.get(b"content-length", b"0")
    if not stated.isdigit() or int(stated) > MOST_BODY:
        return None
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        size, more = size + len(parts[-1]), message.get("more_body", False)
        if size > MOST_BODY:
            return None
    body = b"".join(parts)
    return body if size <= MOST_FORM or len(_PICTURE.sub(b"", body, count=1)) <= MOST_FORM else None


def _again(body: bytes, receive: Receive) -> Receive:
    """A body that was received already, then what else comes."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> MutableMapping[str, Any]:
        return waiting.pop() if waiting else await receive()

    return received


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
