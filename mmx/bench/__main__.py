"""`python -m mmx.bench explain`, `methods`, `batch`, `perturb`, `segment`, `peers`: times side by side, in one run."""

import time
from pathlib import Path
from typing import Annotated

import typer

from mmx.bench.cases import CASES, Answering, Published

app = typer.Typer(no_args_is_help=True, add_completion=False)

Methods = Annotated[list[str] | None, typer.Option("--method", "-m", help="May be repeated, or a group.")]
Rounds = Annotated[int | None, typer.Option(min=1, help="Rounds; every round runs everything once (default: 3, or 1).")]
Threads = Annotated[int, typer.Option(min=1, help="CPU threads.")]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
Quick = Annotated[bool, typer.Option("--quick", help="Less of it, in one round: what ends in a minute or two.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Tables to paste into a document.")]


def _rounds(quick: bool) -> int:
    return 1 if quick else 3


@app.callback()
def root() -> None:
    """Times and memory beside the least that must be done: one forward, and one backward through activations alone."""


@app.command()
def explain(
    family: Annotated[list[Published] | None, typer.Option(help="May be repeated (default: all).")] = None,
    size: Annotated[list[int] | None, typer.Option(
        min=1, help="Pixels of vit and dinov2, tokens of decoder, texts of clip and siglip, detections of detr, "
        "samples of the others; may be repeated.")] = None,
    method: Annotated[list[str] | None, typer.Option(
        "--method", "-m", help="May be repeated; all for each (default: relevance, at small sizes all).")] = None,
    longest: Annotated[bool, typer.Option("--longest", help="The decoder at 8,000 tokens too.")] = False,
    rounds: Rounds = None,
    threads: Threads = 2,
    device: Device = "cpu",
    quick: Quick = False,
    markdown: Markdown = False,
) -> None:
    """Each method, and all together, on random models of the published sizes, beside the floor in SDPA and in eager."""
    _measure_explain(family, size, method, longest, rounds or _rounds(quick), threads, device, quick, markdown)


def _measure_explain(family: list[Published] | None, size: list[int] | None, method: list[str] | None, longest: bool,
                     rounds: int, threads: int, device: str, quick: bool, markdown: bool,
                     deadline: float = float("inf")) -> None:
    import torch

    from mmx.bench.explain import Explained
    from mmx.bench.tables import Printer
    from mmx.methods import get_method, named_methods

    torch.set_num_threads(threads)
    printer = Printer(markdown)
    relevance = get_method("relevance")
    everything = [method for method in named_methods(["all"]) if method.shares_passes]
    named = named_methods(method) if method else None
    for name in family or list(Published):
        case = CASES[name]
        more = (8000,) if longest and name is Published.DECODER else ()
        sizes = size or (*(case.quick if quick else case.sizes), *more)
        explained = Explained((relevance,), (), rounds, device, printer)
        for one in sizes:
            if time.monotonic() > deadline:
                printer.line(f"{name}, {one} {case.grows}: left out, there is no time left.")
                continue
            in_full = named is None and one <= case.in_full
            explained.each = named or (everything if in_full and not quick else (relevance,))
            explained.together = named or (everything if in_full else ())
            torch.manual_seed(0)
            explained.measure(case.subject(one).on(device))
        explained.print_lines(name)


@app.command()
def methods(
    method: Methods = None,
    rounds: Rounds = None,
    threads: Threads = 2,
    device: Device = "cpu",
    quick: Quick = False,
    markdown: Markdown = False,
) -> None:
    """Each method alone, and all together that share passes, in floors: on ViT-B/16, else where it is defined."""
    import torch

    from mmx.bench.methods import bench_methods
    from mmx.bench.tables import Printer
    from mmx.methods import named_methods

    torch.set_num_threads(threads)
    bench_methods(named_methods(method or (["fast"] if quick else ["all"])), rounds or _rounds(quick), device,
                  Printer(markdown))


@app.command()
def batch(
    pictures: Annotated[int, typer.Option(min=2, help="Pictures in the folder.")] = 64,
    model: Annotated[list[str] | None, typer.Option(
        help="A classifier: a folder or a name; may be repeated (default: shapes-vit and a random ViT-B/16).")] = None,
    rounds: Rounds = None,
    threads: Threads = 2,
    device: Device = "cpu",
    quick: Quick = False,
    markdown: Markdown = False,
) -> None:
    """Pictures a second of `mmx explain FOLDER`, beside the bare model on decoded, preprocessed pictures."""
    import torch

    from mmx.bench.batch import bench_batch
    from mmx.bench.tables import Printer

    torch.set_num_threads(threads)
    for one in model or (["shapes-vit"] if quick else ["shapes-vit", None]):
        bench_batch(one, min(pictures, 16) if quick else pictures, rounds or _rounds(quick), threads, device,
                    Printer(markdown))


@app.command()
def perturb(
    family: Annotated[list[Answering] | None, typer.Option(
        help="May be repeated (default: both).")] = None,
    samples: Annotated[int, typer.Option(min=1, help="Samples that all methods are tested on.")] = 4,
    protocol: Annotated[str, typer.Option(help="iccv21 or clean.")] = "iccv21",
    method: Methods = None,
    at_once: Annotated[list[int] | None, typer.Option(
        min=1, help="Rows of the plain forwards that set the aim; may be repeated (default: 4, 16 and 64; on a GPU "
        "64, 256 and 1024).")] = None,
    rounds: Rounds = None,
    threads: Threads = 2,
    device: Device = "cpu",
    quick: Quick = False,
    markdown: Markdown = False,
) -> None:
    """All methods, signs and modalities of the perturbation test, beside the same work done one at a time."""
    import torch

    from mmx.bench.perturb import bench_perturb
    from mmx.bench.tables import Printer
    from mmx.methods import named_methods

    torch.set_num_threads(threads)
    usual = [64, 256, 1024] if device.startswith("cuda") else [16] if quick else [4, 16, 64]
    methods = named_methods(method or (["relevance"] if quick else ["paper"]))
    for name in family or list(Answering)[:1 if quick else None]:
        torch.manual_seed(0)
        subject = CASES[Published(name)].subject(1 if quick else samples).on(device)
        bench_perturb(subject, methods, rounds or 1, device, protocol, at_once or usual, Printer(markdown))


@app.command()
def segment(
    model: Annotated[str, typer.Option(help="A detector: a folder or a name.")] = "shapes-detr",
    pictures: Annotated[int, typer.Option(min=1, help="Drawn scenes.")] = 24,
    method: Methods = None,
    at_once: Annotated[list[int] | None, typer.Option(
        min=1, help="Pictures of the plain forwards that set the aim; may be repeated (default: 1, 4 and 8).")] = None,
    rounds: Rounds = None,
    threads: Threads = 2,
    device: Device = "cpu",
    quick: Quick = False,
    markdown: Markdown = False,
) -> None:
    """Pictures a second of the segmentation test, beside plain forwards and the floor of the same pictures."""
    import torch

    from mmx.bench.tables import Printer

    torch.set_num_threads(threads)
    printer = Printer(markdown)
    try:
        from mmx.bench.segment import bench_segment
    except ModuleNotFoundError as error:
        printer.line(f"segment: left out, {error.name} is not installed.")
        return
    if quick:
        bench_segment(model, method or ["relevance"], 4, at_once or [4], rounds or 1, device, printer, ("clean",))
    else:
        bench_segment(model, method or ["paper"], pictures, at_once or [1, 4, 8], rounds or _rounds(quick), device,
                      printer)


@app.command()
def peers(
    pixels: Annotated[list[int] | None, typer.Option(
        min=16, help="Sides of the picture; may be repeated (default: 224 and 384).")] = None,
    rounds: Rounds = None,
    threads: Threads = 2,
    device: Device = "cpu",
    quick: Quick = False,
    markdown: Markdown = False,
) -> None:
    """Relevance beside pytorch-grad-cam, captum and LeGrad, where they are installed: same model, same picture."""
    import torch

    from mmx.bench.peers import bench_peers
    from mmx.bench.tables import Printer

    torch.set_num_threads(threads)
    bench_peers(pixels or ([224] if quick else [224, 384]), rounds or _rounds(quick), device, Printer(markdown),
                steps=0 if quick else 50)


@app.command()
def syncs(
    model: Annotated[list[str] | None, typer.Option(help="A folder or a name; may be repeated (default: all that ship)."
                                                    )] = None,
    method: Annotated[list[str] | None, typer.Option("--method", "-m", help="May be repeated.")] = None,
) -> None:
    """Where the host would wait for a GPU between inputs and scores, found on the CPU."""
    import mmx
    from mmx.bench.syncs import host_syncs
    from mmx.bench.tables import Printer
    from mmx.checkpoints.catalog import shipped_names
    from mmx.engine import attribute
    from mmx.methods import named_methods

    methods = named_methods(method or ["relevance"])
    for name in model or shipped_names():
        loaded = mmx.load(name, "cpu")
        inputs, target = loaded.small_inputs(), loaded.asking.any_target
        found = host_syncs(lambda loaded=loaded, inputs=inputs, target=target: attribute(
            loaded.described, inputs, methods, target))
        Printer().table([name, "what", "times"], [[place, what, str(times)] for (place, what), times in found.items()])


@app.command()
def gpu(
    minutes: Annotated[float, typer.Option(min=0, help="No case begins after this.")] = 4.5,
    threads: Threads = 8,
    device: Device = "cuda",
    quick: Quick = False,
    markdown: Markdown = False,
) -> None:
    """What `make gpu` runs: the tests that need a GPU, then times and memory."""
    import subprocess
    import sys

    import torch

    started = time.monotonic()
    if device.startswith("cuda") and not torch.cuda.is_available():
        print("make gpu: PyTorch finds no GPU here.", file=sys.stderr)
        raise typer.Exit(1)
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    print(f"{name}, PyTorch {torch.__version__}, Python {sys.version.split()[0]}", flush=True)
    tests = Path(__file__).parents[2] / "tests"
    failed = subprocess.run([
        sys.executable, "-m", "pytest", "-q", "-ra", "-p", "no:cacheprovider", "-m", "cuda", f"--device={device}",
        "--durations=5", str(tests / "gpu"), str(tests / "test_precision.py")]).returncode
    deadline = started + 60 * minutes
    _measure_explain(None, None, None, True, 5, threads, device, quick, markdown, deadline)
    for more in (peers, batch):
        if time.monotonic() < deadline:
            more(rounds=1, threads=threads, device=device, quick=quick, markdown=markdown)
    print(f"{time.monotonic() - started:.0f} s in all")
    if failed:
        print("Tests failed: see above.", file=sys.stderr)
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
