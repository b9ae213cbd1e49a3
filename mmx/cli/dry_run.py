"""`mmx explain --dry-run`: what a call would do and take, said without doing it."""

from collections.abc import Sequence
from dataclasses import replace

from rich.table import Table
from rich.text import Text

from mmx.cli.output import one_line, print_json, print_result
from mmx.cli.report import BatchReport
from mmx.cli.requests import Request
from mmx.cost import speed_of
from mmx.devices import free_memory
from mmx.errors import MmxError
from mmx.images import open_together
from mmx.methods import Method
from mmx.model import Job, Model
from mmx.model.fitting import told_cost
from mmx.model.plan import Plan, in_seconds, plan
from mmx.model.running import in_bytes
from mmx.results import SCHEMA_VERSION, Asked


def dry_run(model: Model, requests: Sequence[Request], asked: Asked, methods: Sequence[Method], batch_size: int,
            max_memory: int | None, report: BatchReport, *, as_json: bool) -> None:
    """Prints it, by the first batch and that of the largest picture. Failures are put into the report."""
    pixels = [request.pixels for request in requests]
    counts, start, batches = [*open_together(pixels, batch_size)], 0, []
    for count in counts:
        batches.append(range(start, start := start + count))
    largest = next(batch for batch in batches if pixels.index(max(pixels)) in batch)
    jobs = [[job for at in batch if (job := _job(model, requests[at], asked, report)) is not None]
            for batch in dict.fromkeys([batches[0], largest])]
    looked_at = [batch for batch in jobs if batch]
    if not looked_at:
        raise MmxError("None of the pictures that were looked at can be explained.", "Look at them first.")
    speed = speed_of(model.info.device, model.network.dtype)
    found = plan(model, looked_at, methods, speed, max_memory)
    if as_json:
        print_json(document(model, len(requests), methods, found) | {"failures": report.failures})
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", min_width=7)
    for what, told in _rows(model, requests, methods, found).items():
        table.add_row(what, Text(one_line(told)))
    print_result(table)


def _job(model: Model, request: Request, asked: Asked, report: BatchReport) -> Job | None:
    try:
        first, *others = request.open_all()
        job = Job(first, replace(asked, question=request.question, targets=request.targets), tuple(others))
        model.check(job.asked)
    except Exception as error:
        report.fail(request, error)
        return None
    return job


def document(model: Model, pictures: int, methods: Sequence[Method], found: Plan) -> dict[str, object]:
    """As JSON, without failures."""
    return {"schema_version": SCHEMA_VERSION, "model": model.info.name, "device": model.info.device,
            "dtype": model.info.dtype, "pictures": pictures, "methods": [one.name for one in methods],
            "tokens": dict(found.tokens), "items": found.items, "batch_size": found.at_once,
            "weights_bytes": found.weights, "memory_bytes": found.memory, "free_bytes": free_memory(model.info.device),
            "seconds": found.seconds * pictures}


def _rows(model: Model, requests: Sequence[Request], methods: Sequence[Method], found: Plan) -> dict[str, str]:
    count = len(requests)
    free = free_memory(model.info.device)
    items = "as many items as it finds, of which one is reckoned with" if found.items is None else \
        f"{found.items} {'item' if found.items == 1 else 'items'} each"
    return {"model": f"{model.info.name}, {model.info.architecture} in {model.info.dtype} on {model.info.device}",
            "asked": f"{count} {'picture' if count == 1 else 'pictures'}, {items}, {found.at_once} at once at most",
            "methods": ", ".join(one.name if one.shares_passes else told_cost(one) for one in methods),
            "tokens": ", ".join(f"{part} {number}" for part, number in found.tokens.items()),
            "memory": f"{in_bytes(found.memory)} beside the model's {in_bytes(found.weights)}"
                      + ("" if free is None else f"; {in_bytes(free)} are free"),
            "time": f"{in_seconds(found.seconds * count)} in the model, {in_seconds(found.seconds)} a picture; "
                    "opening, drawing and writing come on top"}
