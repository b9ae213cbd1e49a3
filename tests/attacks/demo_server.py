"""`mmx demo` as a program of its own, asked over HTTP as a browser would, or as nobody should."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory

from mmx.demo.forms import Form

_FORM = Form("shapes-lxmert", question="what color is the circle?")


class Server:
    """Runs from entering to leaving; `said` is what it prints."""

    def __enter__(self) -> "Server":
        self._place = TemporaryDirectory()
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1",
                       "GRADIO_TEMP_DIR": self._place.name, "PYTHONPATH": str(Path(__file__).parents[2])}
        self._child = subprocess.Popen([sys.executable, "-m", "mmx", "demo", "--port", "0"], stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True, env=environment, cwd=self._place.name)
        self.said, self._port = "", 0
        threading.Thread(target=self._listen, daemon=True).start()
        end = time.time() + 180
        while not self._port and self._child.poll() is None and time.time() < end:
            time.sleep(0.1)
        assert self._port, self.said
        return self

    def __exit__(self, *_: object) -> None:
        self._child.send_signal(signal.SIGINT)
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
        self._place.cleanup()

    def _listen(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self.said += line
            found = re.search(r"mmx demo is at http://127\.0\.0\.1:(\d+)/", line)
            self._port = int(found[1]) if found else self._port

    def memory_mb(self, kind: str = "VmRSS") -> int:
        status = Path(f"/proc/{self._child.pid}/status").read_text()
        return int(re.findall(rf"{kind}:\s+(\d+)", status)[0]) // 1024

    def most_memory_mb(self) -> int:
        return self.memory_mb("VmHWM")

    def post(self, path: str, body: bytes, **headers: str) -> int | None:
        """The status; None where the connection was closed while the body was still being sent."""
        try:
            return self._ask("POST", path, body, {"Content-Type": "application/json", **headers})[0]
        except ConnectionError:
            return None

    def get(self, path: str) -> tuple[int, str]:
        return self._ask("GET", path, None, {})

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=120)
        try:
            connection.request(method, f"/{path}", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        finally:
            connection.close()

    def explained(self, session: str, patience_s: float = 300) -> bool:
        """Sends a picture with a question as the page does, and waits for the figure; False where the queue is full."""
        form = replace(_FORM, picture={"name": "scene.png", "url": _drawn()})
        body = {"data": [*vars(form).values()], "fn_index": self._explain_number(), "session_hash": session,
                "event_data": None, "trigger_id": None}
        if self.post("gradio_api/queue/join", json.dumps(body).encode()) != 200:
            return False
        connection = HTTPConnection("127.0.0.1", self._port, timeout=patience_s)
        try:
            connection.request("GET", f"/gradio_api/queue/data?session_hash={session.replace(' ', '%20')}")
            answer = connection.getresponse()
            for line in answer:
                if b'"process_completed"' in line:
                    return b"<figure" in line or b"\\u003cfigure" in line
            return False
        finally:
            connection.close()

    def _explain_number(self) -> int:
        """Which of the page's functions takes the whole form."""
        found = json.loads(self.get("config")[1])["dependencies"]
        return next(one["id"] for one in found if len(one["inputs"]) == len(vars(_FORM)))


def _drawn() -> str:
    from mmx.demo.samples import Sample

    return Sample(5029, "").picture["url"]
