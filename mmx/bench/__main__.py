"""`python -m mmx.bench explain`: prints ratios side by side."""

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Times taken side by side, as ratios.")


@app.callback()
def root() -> None:
    """Times taken side by side, as ratios to the least work that must be done."""


@app.command()
def explain(
    batch: Annotated[list[int] | None, typer.Option(help="Batch sizes (default: 1 and 16).")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; every round runs everything once.")] = 5,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Each method, and all together, on random models of the published sizes, beside the floor."""
    import torch

    from mmx.bench.explain import bench_explain
    from mmx.bench.models import lxmert_base, visual_bert_base

    torch.set_num_threads(threads)
    for build in (lxmert_base, visual_bert_base):
        for size in batch or [1, 16]:
            subject = build(size)
            subject.network.to(device)
            subject.inputs.update({name: value.to(device) for name, value in subject.inputs.items()})
            bench_explain(subject, rounds, device)


if __name__ == "__main__":
    app()
