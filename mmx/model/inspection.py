"""Looking a checkpoint over: what loads, and whether every attention map can be trusted before it is explained.

A map is trusted where there is one per site, rows sum to 1, the captured logits equal plain ones, and every map that
can reach the answer has a gradient.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mmx.capture import ForwardPass, gradients, run_forward
from mmx.checkpoints.loading import DTYPES, Source, resolve
from mmx.cost import speed_of
from mmx.devices import DEFAULT_DEVICE
from mmx.elements.providers.frcnn import load_region_detector
from mmx.engine import attribute
from mmx.errors import MmxError, plural
from mmx.families.base import Labelled
from mmx.images import open_picture
from mmx.methods import get_method, left_out_notes
from mmx.model import Job, Model, load
from mmx.model.plan import in_seconds, plan
from mmx.model.running import in_bytes
from mmx.results import Asked, Explanation, Picture, Prediction
from mmx.schedule import Schedule, sites_of
from mmx.show.wording import in_words, plain

_QUESTION, _TEXT = "what is it?", "a thing"
_MOST_SHOWN = 5
_CLOSE = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.02}


@dataclass(frozen=True)
class Finding:
    """`what` was looked at, whether it `works`, and what is `told` of it.

    `works` is None for what is worth knowing and no fault.
    `predictions` are those about a real picture, the most probable first.
    """

    what: str
    works: bool | None
    told: str
    predictions: tuple[Prediction, ...] = ()


def inspect(name: str, revision: str | None = None, device: str = DEFAULT_DEVICE, dtype: str = "auto",
            picture: Picture | None = None, asked: Asked | None = None, **given: Any) -> Iterator[Finding]:
    """Finding by finding, as they come; what another one that failed is needed for is left out.

    Args:
        picture, asked: a picture, and the question or texts about it, whose most probable answers are shown.
        given: `regions`, `features`, `answers` and `processor`, see `mmx.load`.

    Raises:
        MmxError: there is no such checkpoint.
        UsageError: what is asked does not fit the model.
    """
    source = resolve(name, revision)
    yield Finding("folder", None, str(source.folder))
    if not (source.folder / "config.json").is_file() and (source.folder / "config.yaml").is_file():
        yield from _detector(source, device)
        return
    loaded: list[Model] = []
    yield _tried("model", lambda: _model(loaded, load(name, device, dtype, revision=revision, **given)))
    for model in loaded:
        if picture is not None:
            model.asking.check(asked or Asked())
        yield from _of_model(model, picture, asked or Asked())


def _of_model(model: Model, picture: Picture | None, asked: Asked) -> Iterator[Finding]:
    if model.leftovers:
        yield Finding("weights left over", None, ", ".join(model.leftovers))
    beside = [_tried(encoder.about, encoder.load) for encoder in model.encoders]
    if isinstance(score := model.family.score, Labelled):
        beside.append(_tried(plural(score.noun), lambda: _named(model.labels)))
    yield from beside
    run: list[_Run] = []
    maps = _tried("attention maps", lambda: _maps(model, run))
    yield maps
    for one in run:
        yield _tried("logits", lambda one=one: _logits(model, one))
        yield _tried("gradients", lambda one=one: _gradients(model, one))
        yield _tried("methods", lambda one=one: _methods(model, one))
    if maps.works and all(finding.works for finding in beside):
        yield from _taken(model, picture, asked)
        if picture is not None:
            yield _shown(model, picture, asked)
        elif model.parts.pictures.takes_any:
            yield _tried("from end to end", lambda: _end_to_end(model))
        yield from (Finding("note", None, warning) for warning in model.warnings)


def _named(labels: Sequence[str]) -> str:
    return f"{len(labels)}, such as {', '.join(labels[1:4] or labels)}"


def _tried(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, look())
    except MmxError as error:
        return Finding(what, False, str(error))
    except Exception as error:  # whatever a model that mmx does not know may raise
        return Finding(what, False, f"{type(error).__name__}: {error}")


def _model(loaded: list[Model], model: Model) -> str:
    loaded.append(model)
    number = sum(parameter.numel() for parameter in model.network.parameters())
    size = number * DTYPES[model.info.dtype].itemsize
    return (f"{model.info.architecture}, {number / 1e6:.1f} M parameters, {size / 1e6:.0f} MB in {model.info.dtype} "
            f"on {model.info.device}")


@dataclass(frozen=True)
class _Run:
    """Encoded inputs of noise, and what capture took of a forward on them."""

    inputs: dict[str, Tensor]
    schedule: Schedule
    passed: ForwardPass


@torch.inference_mode(False)
def _maps(model: Model, run: list[_Run]) -> str:
    inputs, schedule = model.small_inputs(), model.family.schedule(model.network.config)
    passed = run_forward(model.network, schedule, model.family.roots, lambda: model.described.run(inputs),
                         in_graph=True, rules=None, inputs=inputs)
    run.append(_Run(inputs, schedule, passed))
    departures = {site: apart for site, mixed in passed.mixed.items() if (apart := mixed.departure()) is not None}
    for site, apart in departures.items():
        if not apart <= 10 * _CLOSE[passed.outputs["logits"].dtype]:
            raise MmxError(f"{site.module} mixes otherwise than by its map: the output is {apart:.1e} from map times "
                           "values.")
    *fewer, most = map(str, sorted({found.shape[1] for found in passed.mixed.values()}))
    heads = f"{', '.join(fewer)} or {most}" if fewer else most
    unseen = len(passed.mixed) - len(departures)
    product = (f"of {unseen} the product with the values is not seen" if unseen
               else "map times values is what each attention gives")
    return (f"{len(passed.mixed)} of {len(sites_of(schedule))}, {heads} heads each; "
            f"every row sums to 1, and {product}")


@torch.no_grad()
def _logits(model: Model, run: _Run) -> str:
    plain = model.described.run(run.inputs)["logits"]
    apart = float((run.passed.outputs["logits"] - plain).abs().max()) / max(float(plain.abs().max()), 1e-12)
    if not apart <= _CLOSE[plain.dtype]:
        raise MmxError(f"Captured logits and plain ones are {apart:.1e} apart.")
    return "the same with capture and without" + (f" ({apart:.0e} apart)" if apart else "")


@torch.inference_mode(False)
def _gradients(model: Model, run: _Run) -> str:
    passed = run.passed
    found = gradients(model.asking.choose(passed.outputs, model.asking.any_target), passed.mixed)
    zero = [site.module for site, gradient in found.items() if site.reaches_target and not gradient.any()]
    idle = len(passed.mixed) - sum(site.reaches_target for site in passed.mixed)
    return (f"at all {len(passed.mixed) - idle} maps that reach the result"
            + (f"; {idle} lead nowhere, as they should" if idle else "")
            + (f"; all zero on this input at {', '.join(zero)}" if zero else ""))


def _methods(model: Model, run: _Run) -> str:
    methods = [method for method in model.fitting_methods(["all"])[0] if method.shares_passes]
    found = attribute(model.described, run.inputs, methods, model.asking.any_target)
    return "; ".join([f"{len(found.scores)}: {', '.join(found.scores)}", *left_out_notes(found.left_out)])


def _noise() -> Picture:
    return open_picture(Image.effect_noise((160, 120), 80).convert("RGB"))


def _example(model: Model) -> Asked:
    return replace(model.asking.example, question=_QUESTION if model.family.needs == "question" else None,
                   texts=(_TEXT,) if model.family.needs == "texts" else ())


def _taken(model: Model, picture: Picture | None, asked: Asked) -> Iterator[Finding]:
    """What explaining takes, without doing it."""
    job = Job(_noise(), _example(model)) if picture is None else Job(picture, asked)
    try:
        speed = speed_of(model.info.device, model.network.dtype)
        found = plan(model, [[job]], [get_method("relevance")], speed)
    except Exception:  # it is an estimate: what fails is told where it is done
        return
    yield Finding("memory", None, f"{in_bytes(found.memory)} beside the model's {in_bytes(found.weights)}, for one "
                                  "picture by relevance")
    yield Finding("time", None, f"{in_seconds(found.seconds)} in the model, for one picture by relevance")


def _end_to_end(model: Model) -> str:
    _explained(model, _noise(), _example(model))
    return "a picture of noise was explained"


def _explained(model: Model, picture: Picture, asked: Asked) -> Explanation:
    model.check(asked)
    return model.explain_batch([Job(picture, asked)], [get_method("relevance")])[0][0]


def _shown(model: Model, picture: Picture, asked: Asked) -> Finding:
    """The most probable answers about a real picture, by which wrong names and wrong inputs can be seen."""
    best: list[Prediction] = []

    def shown() -> str:
        best.extend(most_probable(_explained(model, picture, asked)))
        return "; ".join(plain(in_words(one)) for one in best)

    found = _tried("picture", shown)
    return replace(found, predictions=tuple(best))


def most_probable(found: Explanation) -> list[Prediction]:
    """The first of its predictions; of a detector, of everything that it finds."""
    predictions = found.predictions or [item.prediction for item in (*found.items, *found.others)]
    return sorted(predictions, key=lambda one: -one.score)[:_MOST_SHOWN]


def _detector(source: Source, device: str) -> Iterator[Finding]:
    """Of the Visual Genome Faster R-CNN."""
    def found() -> str:
        detector = load_region_detector(source.folder, device)
        regions = detector.detect([torch.randint(256, (120, 160, 3), dtype=torch.uint8).numpy()])[0]
        objects, attributes = detector.classes
        return (f"{objects} objects, {attributes} attributes, {detector.feature_size} numbers a region; "
                f"{len(regions.boxes)} regions in a picture of noise")

    yield _tried("region detector", found)
