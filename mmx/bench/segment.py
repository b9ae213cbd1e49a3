"""How fast the segmentation test runs, beside plain forwards of the same pictures and beside the floor."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor

import mmx
from mmx.asking.queries import Keep, class_logits, kept_queries
from mmx.bench.floor import floor, plain_forward
from mmx.bench.subjects import Backward, Subject
from mmx.bench.tables import Printer, megabytes, ratio, seconds
from mmx.bench.timing import interleaved
from mmx.capture import Outputs
from mmx.model import Model
from mmx.results import Unit
from mmx.shapes.coco import ANNOTATIONS, write_coco
from mmx.studies.masks import MaskProtocol
from mmx.studies.segment.study import segment

_SIDE_PX = 480


@dataclass(frozen=True)
class Scenes:
    """Drawn scenes with their annotations, and as the detector takes them, one by one."""

    model: Model
    folder: Path
    count: int

    @classmethod
    def drawn(cls, model: Model, folder: Path, count: int) -> "Scenes":
        write_coco(folder, range(count), _SIDE_PX)
        return cls(model, folder, count)

    def inputs(self, at_once: int) -> list[dict[str, Tensor]]:
        """What the network takes of all pictures, some at a time."""
        pictures = sorted(self.folder.glob("*.png"))
        return [self.model.encode(pictures[start:start + at_once]) for start in range(0, self.count, at_once)]

    def forwards(self, inputs: Sequence[dict[str, Tensor]]) -> None:
        for one in inputs:
            plain_forward(self._subject(one))

    def floors(self, inputs: Sequence[dict[str, Tensor]]) -> None:
        """Of pictures that come one by one: a forward, and a gradient for each detection that is kept."""
        for one in inputs:
            floor(self._subject(one))

    def study(self, methods: Sequence[str], protocol: MaskProtocol) -> None:
        segment(self.model, self.folder, self.folder / ANNOTATIONS, methods=methods, protocol=protocol)

    def _subject(self, inputs: dict[str, Tensor]) -> Subject:
        return Subject(self.model.info.name, self.model.described, inputs, 0,
                       backwards=partial(_kept, self.model.asking.score.unit))


def _kept(unit: Unit, outputs: Outputs) -> list[Backward]:
    [logits] = outputs["logits"]
    queries = kept_queries(logits, Keep(), unit)
    return [Backward.each(class_logits(logits, unit)[queries].max(dim=1).values)] if len(queries) else []


def bench_segment(name: str, methods: Sequence[str], pictures: int, at_once: Sequence[int], rounds: int, device: str,
                  printer: Printer, protocols: Sequence[MaskProtocol] = ("clean", "iccv21")) -> None:
    """Prints pictures a second and memory of the whole study by each protocol, out of one interleaved run."""
    model = mmx.load(name, device)
    model.network.requires_grad_(False)
    with TemporaryDirectory() as temporary:
        scenes = Scenes.drawn(model, Path(temporary) / "scenes", pictures)
        single = scenes.inputs(1)
        several = {f"plain forwards, {count} at once": scenes.inputs(count) for count in at_once}
        tasks: dict[str, Callable[[], object]] = {
            task: lambda inputs=inputs: scenes.forwards(inputs) for task, inputs in several.items()}
        tasks["floor, a picture at a time"] = lambda: scenes.floors(single)
        for protocol in protocols:
            tasks[f"mmx segment, {protocol}, relevance"] = lambda protocol=protocol: scenes.study(
                ["relevance"], protocol)
            if list(methods) != ["relevance"]:
                tasks[f"mmx segment, {protocol}, {', '.join(methods)}"] = lambda protocol=protocol: scenes.study(
                    methods, protocol)
        run = interleaved(tasks, rounds, device)
    best = min((run.measured[task] for task in several), key=lambda one: one.median)
    least = run.measured["floor, a picture at a time"]
    printer.table(
        [f"{name}, {pictures} scenes", "pictures a s, max", "median", "÷ best plain", "÷ floor", "MB",
         "MB ÷ best plain", "MB ÷ floor"],
        [[task, seconds(pictures / one.least), seconds(pictures / one.median), ratio(best.median, one.median),
          ratio(least.median, one.median), megabytes(one.peak_bytes), ratio(one.peak_bytes, best.peak_bytes),
          ratio(one.peak_bytes, least.peak_bytes)] for task, one in run.measured.items()])
    for task, why in run.failed.items():
        printer.line(f"{task}: {why}")
