"""Serves the page until it is interrupted."""

import socket
from collections.abc import Callable
from ipaddress import ip_address

import gradio as gr
import uvicorn
from fastapi import FastAPI

from mmx.demo.guard import Guard
from mmx.demo.page import build_page, look
from mmx.demo.shelf import Shelf
from mmx.errors import MmxError


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket of this address; port 0 is any that is free."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except (OSError, OverflowError) as error:
        raise MmxError(f"The page cannot be served at {host}, port {port}: {getattr(error, 'strerror', error)}.",
                       "Choose another --port, or another --host.") from error
    return bound


def address_of(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def homes(host: str, bound: socket.socket) -> Callable[[str], bool]:
    """Whether a name is localhost, or the one that the page is served at; of a page at every address, any address."""
    names = {"localhost", "127.0.0.1", "::1", host.lower(), bound.getsockname()[0]}
    if bound.getsockname()[0] not in ("0.0.0.0", "::"):
        return names.__contains__
    names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
    return lambda name: name in names or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def app_of(shelf: Shelf, first: str, at_home: Callable[[str], bool]) -> Guard:
    page = build_page(shelf, first)
    mounted = gr.mount_gradio_app(FastAPI(docs_url=None, redoc_url=None, openapi_url=None), page, path="/",
                                  footer_links=[], run_history=False, ssr_mode=False, mcp_server=False, pwa=False,
                                  show_error=False, enable_monitoring=False, max_file_size=1, **look())
    return Guard(mounted, at_home)


def serve(shelf: Shelf, first: str, host: str, bound: socket.socket, ready: Callable[[str], None]) -> None:
    """Calls `ready` with the page's address once it answers; `host` is what `bound` was opened for."""
    server = server_of(shelf, first, homes(host, bound))
    started = server.startup

    async def startup(sockets: list[socket.socket] | None = None) -> None:
        await started(sockets)
        ready(address_of(bound))

    server.startup = startup  # type: ignore[method-assign]
    server.run(sockets=[bound])


def server_of(shelf: Shelf, first: str, at_home: Callable[[str], bool]) -> uvicorn.Server:
    return uvicorn.Server(uvicorn.Config(app_of(shelf, first, at_home), log_level="warning", access_log=False,
                                         timeout_graceful_shutdown=2))
