"""Relevance beside other libraries' explanations of the same model and picture, where they are installed."""

from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from importlib import import_module
from importlib.metadata import version
from io import StringIO
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from mmx.bench import models
from mmx.bench.floor import floor
from mmx.bench.subjects import Subject
from mmx.bench.tables import Printer, megabytes, ratio, ratios, seconds
from mmx.bench.timing import interleaved
from mmx.capture.recording import mixing_by_sdpa
from mmx.engine import attribute
from mmx.methods import get_method

Tasks = dict[str, Callable[[], object]]
_FLOOR, _MMX = "floor, SDPA", "mmx relevance"


def bench_peers(pixels: list[int], rounds: int, device: str, printer: Printer, *, steps: int = 50) -> None:
    """A table for a ViT at each size, and one for a CLIP, which is what LeGrad knows.

    Args:
        steps: of integrated gradients; none leaves them out.
    """
    for side in pixels:
        torch.manual_seed(0)
        subject = models.vit_base(side).on(device)
        _print(subject.name, _of_mmx(subject) | _of_classifiers(subject, steps, printer), rounds, device, printer)
    if found := _imported("legrad", printer):
        torch.manual_seed(0)
        subject = models.clip_base(1, tokens=77, patch=16).on(device)
        last = {"image": -2, "text": -1}
        tasks = _of_mmx(subject) | {f"{_MMX}, the last two layers of the image tower": _relevance(subject, last),
                                    f"legrad-torch {version('legrad-torch')}, of these": _legrad(found, subject)}
        _print(subject.name, tasks, rounds, device, printer)


def _imported(name: str, printer: Printer) -> ModuleType | None:
    try:
        return import_module(name)
    except ImportError as error:
        printer.line(f"{name.partition('.')[0]}: left out, it cannot be imported ({error}); "
                     "pip install \"mmx[peers]\" brings it.")
        return None


def _of_mmx(subject: Subject) -> Tasks:
    return {_FLOOR: lambda: floor(subject), _MMX: _relevance(subject, subject.start_layers)}


def _relevance(subject: Subject, start_layers: Mapping[str, int]) -> Callable[[], object]:
    methods = [get_method("relevance")]
    return lambda: attribute(subject.model, subject.inputs, methods, start_layers=start_layers)


def _of_classifiers(subject: Subject, steps: int, printer: Printer) -> Tasks:
    tasks: Tasks = {}
    if (cam := _imported("pytorch_grad_cam", printer)) is not None:
        tasks[f"grad-cam {version('grad-cam')}, GradCAM"] = lambda: _grad_cam(cam, subject)
    if (captum := _imported("captum.attr", printer)) is not None:
        named = f"captum {version('captum')}"
        tasks[f"{named}, Saliency"] = lambda: _captum(captum.Saliency, subject)
        if steps:
            tasks[f"{named}, IntegratedGradients, {steps} steps"] = lambda: _captum(
                captum.IntegratedGradients, subject, n_steps=steps, internal_batch_size=8)
    return tasks


class _Logits(nn.Module):
    """A classifier of transformers as other libraries take one: pixels in, logits out."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        with mixing_by_sdpa(self.network, ()):
            return self.network(pixel_values=pixels).logits


def _grad_cam(library: Any, subject: Subject) -> None:
    """As its documentation has it for a ViT: parameters keep their gradients, the last block's first norm is read."""
    network = subject.model.network
    side = int((subject.tokens - 1)**0.5)
    last = f"vit.layers.{network.config.num_hidden_layers - 1}.layernorm_before"
    network.requires_grad_(True)
    try:
        with library.GradCAM(_Logits(network), [network.get_submodule(last)],
                             lambda seen: seen[:, 1:].reshape(len(seen), side, side, -1).permute(0, 3, 1, 2)) as cam:
            cam(subject.inputs["pixel_values"], None)
    finally:
        network.zero_grad(set_to_none=True)
        network.requires_grad_(False)


def _captum(method: Callable[[nn.Module], Any], subject: Subject, **settings: Any) -> None:
    pixels = subject.inputs["pixel_values"].clone().requires_grad_()
    wrapped = _Logits(subject.model.network)
    with torch.no_grad():
        target = int(wrapped(pixels).argmax())
    method(wrapped).attribute(pixels, target=target, **settings)


def _legrad(library: Any, subject: Subject) -> Callable[[], object]:
    """Its own model of the same size, since it knows open_clip's classes alone."""
    network = import_module("open_clip").create_model("ViT-B-16", pretrained=None).eval()
    with redirect_stdout(StringIO()):
        wrapped = library.LeWrapper(network.to(subject.inputs["pixel_values"].device))

    def task() -> None:
        with torch.no_grad():
            text = nn.functional.normalize(wrapped.encode_text(subject.inputs["input_ids"]), dim=-1)
        wrapped.compute_legrad(text_embedding=text, image=subject.inputs["pixel_values"])

    return task


def _print(title: str, tasks: Tasks, rounds: int, device: str, printer: Printer) -> None:
    run = interleaved(tasks, rounds, device)
    least, mmx = run.measured[_FLOOR], run.measured[_MMX]
    printer.table([title, "s, min", "s, median", "÷ floor", "÷ mmx", "MB", "MB ÷ floor", "MB ÷ mmx"],
                  [[name, seconds(one.least), seconds(one.median), ratios(one, least), ratios(one, mmx),
                    megabytes(one.peak_bytes),
                    ratio(one.peak_bytes, least.peak_bytes), ratio(one.peak_bytes, mmx.peak_bytes)]
                   for name, one in run.measured.items()])
    for name, why in run.failed.items():
        printer.line(f"{name}: {why}")
