"""Checkpoints, the page served in this process, and a browser to look at it."""

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from demo_page import Page, opened_page
from PIL import Image

from mmx.demo.shelf import Shelf

SHIPPED = ("lxmert", "visual_bert", "detr", "clip", "vit")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Served:
    """The page, the folder that would hold its uploads, and the other hosts that its program spoke to."""

    address: str
    uploads: Path
    elsewhere: list[str]


@pytest.fixture(scope="session")
def checkpoints(tiny_vilt: Path, tiny_siglip: Path, tiny_blip_vqa: Path, tiny_llava: Path) -> dict[str, str]:
    """The shipped one by family, and folders of four others."""
    return {family: f"shapes-{family.replace('_', '-')}" for family in SHIPPED} | {
        "vilt": str(tiny_vilt), "siglip": str(tiny_siglip), "blip_vqa": str(tiny_blip_vqa), "llava": str(tiny_llava)}


@pytest.fixture(scope="session")
def served(checkpoints: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    pytest.importorskip("gradio", reason="the page needs Gradio: pip install '.[demo]'")
    uploads = tmp_path_factory.mktemp("uploads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(uploads))
        from mmx.demo.serve import address_of, bound_socket, homes, server_of

        shelf = Shelf(list(checkpoints.values()), "cpu")
        bound = bound_socket("127.0.0.1", 0)
        server = server_of(shelf, checkpoints["lxmert"], homes("127.0.0.1", bound))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        for _ in range(600):
            if server.started:
                break
            time.sleep(0.1)
        assert server.started
        yield Served(address_of(bound), uploads, _elsewhere())
        server.should_exit = True
        thread.join(20)


def _elsewhere() -> list[str]:
    """Gets every address that this process connects to or looks up from now on, but for its own machine's."""
    found: list[str] = []

    def note(event: str, given: tuple) -> None:
        if event in ("socket.connect", "socket.getaddrinfo"):
            address = given[1] if event == "socket.connect" else given[0]
            host = address[0] if isinstance(address, tuple) else address
            if isinstance(host, str | bytes) and str(host) not in ("127.0.0.1", "localhost", "::1"):
                found.append(str(host))

    sys.addaudithook(note)
    return found


@pytest.fixture(scope="session")
def browser(served: Served) -> Iterator[object]:
    """A headless Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the browser test needs Playwright: pip install "
                                     "'.[dev]'")
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        pytest.skip("the browser test needs Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture of one's own."""
    Image.new("RGB", (90, 60), "orange").save(tmp_path / "my <b>picture.png")
    return tmp_path / "my <b>picture.png"


@pytest.fixture
def open_page(browser: Any, served: Served) -> Iterator[Callable[..., Page]]:
    pages: list[Page] = []

    def opened(**options: Any) -> Page:
        pages.append(opened_page(browser, served.address, **options))
        return pages[-1]

    yield opened
    for page in pages:
        page.close()
        assert page.elsewhere == []
        assert page.complaints == []
