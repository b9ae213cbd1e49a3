"""Pictures a second of `mmx explain FOLDER`, beside the bare model on pictures that are decoded and preprocessed."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from transformers import ViTImageProcessor

import mmx
from mmx.bench import models
from mmx.bench.floor import floor
from mmx.bench.subjects import Subject
from mmx.bench.tables import Printer, ratio, seconds
from mmx.bench.timing import interleaved
from mmx.shapes.world import draw_scene, render

_SIDE_PX = 480
_BARE = (1, 16)
_FEW = 2


@dataclass(frozen=True)
class Command:
    """`mmx explain` of a folder of pictures, as a process of its own."""

    model: str
    folder: Path
    device: str
    threads: int

    def run(self) -> float:
        """The most memory that it had resident, in bytes."""
        package = str(Path(mmx.__file__).parents[1])
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.threads),
                       "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))}
        with TemporaryDirectory() as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "mmx", "explain", str(self.folder), "--model", self.model, "--out", out,
                 "--device", self.device, "--quiet"], env=environment, stdout=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"mmx explain ended with {process.returncode}.")
        return used.ru_maxrss * 1024


def bench_batch(name: str | None, pictures: int, rounds: int, threads: int, device: str, printer: Printer) -> None:
    """Prints pictures a second; without a name, of a random ViT-B/16.

    A command also starts, so that it is run with few pictures too: the difference is what each further one takes.
    """
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        many, few = (_drawn(folder / str(count), count) for count in (pictures, _FEW))
        model = name or _random_vit(folder / "vit")
        commands = [Command(model, one, device, threads) for one in (many, few)]
        loaded = mmx.load(model, device)
        inputs = loaded.encode(sorted(many.iterdir()))["pixel_values"]
        loaded.network.requires_grad_(False)
        subject = Subject(name or "ViT-B/16", loaded.described, {}, 0)
        peaks: list[float] = []
        bare: dict[str, Callable[[], object]] = {
            f"bare model, {count} at once": lambda count=count: _bare(subject, inputs, count) for count in _BARE}
        tasks = {**bare, "command": lambda: peaks.append(commands[0].run()), "few": lambda: commands[1].run()}
        measured = interleaved(tasks, rounds, device, memory=False).measured
    rates = {task: [pictures / taken for taken in measured[task].seconds] for task in (*bare, "command")}
    further = [(pictures - _FEW) / max(1e-9, all_of_them - start) for all_of_them, start in
               zip(measured["command"].seconds, measured["few"].seconds, strict=True)]
    rates = {**{task: rates[task] for task in bare}, "mmx explain, with its start": rates["command"],
             "mmx explain, each further picture": further}
    best = max(median(rates[task]) for task in bare)
    printer.table([f"{subject.name}, {pictures} pictures of {_SIDE_PX} × {_SIDE_PX}", "pictures a s, max", "median",
                   "÷ best bare"],
                  [[task, seconds(max(each)), seconds(median(each)), ratio(median(each), best)]
                   for task, each in rates.items()])
    printer.line(f"mmx explain took at most {max(peaks) / 1e6:,.0f} MB resident, its libraries among them")


def _bare(subject: Subject, pixels: Tensor, at_once: int) -> None:
    """The least: forward and backward, and the result where a program can read it."""
    for some in pixels.split(at_once):
        one = Subject(subject.name, subject.model, {"pixel_values": some}, 0)
        for gradients in floor(one):
            gradients[0].cpu()


def _drawn(folder: Path, count: int) -> Path:
    folder.mkdir()
    for seed in range(count):
        render(draw_scene(seed), _SIDE_PX).image.save(folder / f"scene-{seed}.jpg", quality=92)
    return folder


def _random_vit(folder: Path) -> str:
    torch.manual_seed(0)
    models.vit_base(224).model.network.save_pretrained(folder)
    ViTImageProcessor(size={"height": 224, "width": 224}).save_pretrained(folder)
    return str(folder)
