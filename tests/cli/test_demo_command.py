"""`mmx demo` up to where the page takes over."""

import socket
from pathlib import Path
from typing import Any

import pytest
from cli_outcome import Command


def test_it_needs_gradio(mmx: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmx.cli.demo.find_spec", lambda name: None)
    outcome = mmx("demo")
    assert outcome.code == 1
    assert outcome.error == ("The page needs Gradio, which is not installed. pip install 'mmx[demo]', or pip install "
                             "gradio.")


def test_it_listens_here_alone_unless_told_otherwise(mmx: Command, tiny_vit: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gradio")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # it sets that itself, for good
    called: dict[str, Any] = {}

    def serve(shelf: Any, first: str, host: str, bound: socket.socket, ready: Any) -> None:
        assert host == bound.getsockname()[0]
        called.update(names=shelf.names, processors=shelf._processors, hub=shelf.allow_hub, first=first, host=host)
        bound.close()
        ready("http://there/")

    monkeypatch.setattr("mmx.demo.serve.serve", serve)
    outcome = mmx("demo", "--port", "0")
    assert (outcome.code, outcome.out) == (0, "mmx demo is at http://there/ (Ctrl-C ends it)\n")
    assert (called["host"], called["first"], called["hub"]) == ("127.0.0.1", "shapes-lxmert", False)
    mmx("demo", "--port", "0", "--model", tiny_vit, "--host", "0.0.0.0", "--allow-hub")
    assert (called["host"], called["first"], called["hub"]) == ("0.0.0.0", str(tiny_vit), True)
    assert "shapes-lxmert" in called["names"]
    mmx("demo", "--port", "0", "--model", tiny_vit, "--processor", "shapes-vit")
    assert called["processors"] == {str(tiny_vit): "shapes-vit"}


@pytest.mark.parametrize(("given", "said"), [
    (("--processor", "shapes-vit"), "Give --model as well."),
    (("--processor", "shapes-vit", "--model", "shapes-lxmert"), "has no image processor: it looks at regions"),
    (("--processor", "nosuch", "--model", "shapes-vit"), "No checkpoint named 'nosuch'."),
])
def test_a_processor_that_nobody_looks_through_is_refused(mmx: Command, monkeypatch: pytest.MonkeyPatch,
                                                          given: tuple[str, ...], said: str) -> None:
    pytest.importorskip("gradio")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    outcome = mmx("demo", *given)
    assert outcome.code == 2 and said in outcome.error


def test_a_port_that_is_taken_is_one_line(mmx: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gradio")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        outcome = mmx("demo", "--port", port)
    assert outcome.code == 1
    said = outcome.err.splitlines()[-1]
    assert said.startswith(f"error: The page cannot be served at 127.0.0.1, port {port}: Address")
