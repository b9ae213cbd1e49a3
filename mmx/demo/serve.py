"""Serves the page until it is interrupted."""

import socket
from collections.abc import Callable

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


def app_of(shelf: Shelf, first: str) -> Guard:
    page = build_page(shelf, first)
    mounted = gr.mount_gradio_app(FastAPI(docs_url=None, redoc_url=None, openapi_url=None), page, path="/",
                                  footer_links=[], run_history=False, ssr_mode=False, mcp_server=False, pwa=False,
                                  show_error=False, enable_monitoring=False, max_file_size=1, **look())
    return Guard(mounted)


def serve(shelf: Shelf, first: str, bound: socket.socket, ready: Callable[[str], None]) -> None:
    """Calls `ready` with the page's address once it answers."""
    server = server_of(shelf, first)
    started = server.startup

    async def startup(sockets: list[socket.socket] | None = None) -> None:
        await started(sockets)
        ready(address_of(bound))

    server.startup = startup  # type: ignore[method-assign]
    server.run(sockets=[bound])


def server_of(shelf: Shelf, first: str) -> uvicorn.Server:
    return uvicorn.Server(uvicorn.Config(app_of(shelf, first), log_level="warning", access_log=False,
                                         timeout_graceful_shutdown=2))
