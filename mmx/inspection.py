"""Looking a checkpoint over: what loads, and whether every attention map can be trusted before it is explained.

A map is trusted where there is one per site, rows sum to 1, the captured logits equal plain ones, and every map that
can reach the answer has a gradient.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mmx.capture import gradients, run_forward
from mmx.checkpoints import DTYPES, Source, resolve
from mmx.engine import attribute
from mmx.errors import MmxError
from mmx.explainer import Model, load
from mmx.families._vqa import VqaFamily
from mmx.methods import all_methods
from mmx.regions.frcnn import load_region_detector
from mmx.schedule import sites_of
from mmx.tasks.precomputed import PrecomputedRegions

_QUESTION, _TEXT = "what is it?", "a thing"
_CLOSE = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.02}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `works` is None for what is worth knowing and no fault."""

    what: str
    works: bool | None
    told: str


def inspect(name: str, revision: str | None = None, device: str = "cpu", dtype: str = "auto",
            **given: Any) -> Iterator[Finding]:
    """Finding by finding, as they come; what another one that failed is needed for is left out.

    Args:
        given: `regions`, `features` and `answers`, see `mmx.load`.

    Raises:
        MmxError: there is no such checkpoint.
    """
    source = resolve(name, revision)
    yield Finding("folder", None, str(source.folder))
    if not (source.folder / "config.json").is_file() and (source.folder / "config.yaml").is_file():
        yield from _detector(source, device)
        return
    loaded: list[Model] = []
    yield _tried("model", lambda: _model(loaded, load(name, device, dtype, revision=revision, **given)))
    for model in loaded:
        yield from _of_model(model)


def _of_model(model: Model) -> Iterator[Finding]:
    if model.leftovers:
        yield Finding("weights left over", None, ", ".join(model.leftovers))
    is_vqa = isinstance(model.family, VqaFamily)
    beside = []
    if is_vqa or model.family.task == "image-text matching":
        beside.append(_tried("tokenizer", lambda: f"{len(model.tokenizer)} tokens"))
    if is_vqa:
        beside.append(_tried("regions", lambda: model.region_provider.name))
        beside.append(_tried("answers", lambda: f"{len(model.answers)}, such as {', '.join(model.answers[1:4])}"))
    else:
        beside.append(_tried("image processor", lambda: type(model.processor).__name__))
    yield from beside
    inputs = model.to_model(small_inputs(model))
    maps = _tried("attention maps", lambda: _maps(model, inputs))
    yield maps
    if maps.works:
        yield _tried("logits", lambda: _logits(model, inputs))
        yield _tried("gradients", lambda: _gradients(model, inputs))
        yield _tried("methods", lambda: _methods(model, inputs))
    if maps.works and all(finding.works for finding in beside):
        if not (is_vqa and isinstance(model.region_provider, PrecomputedRegions)):  # which has none of this picture
            yield _tried("from end to end", lambda: _end_to_end(model))
        yield from (Finding("note", None, warning) for warning in model.warnings)


def small_inputs(model: Model) -> dict[str, Tensor]:
    """Encoded inputs of noise, for which neither tokenizer nor processor is needed; a batch of one."""
    config, noise = model.network.config, torch.Generator().manual_seed(0)
    if isinstance(model.family, VqaFamily):
        features = torch.randn(1, 4, model.family.region_features(config), generator=noise)
        boxes = torch.tensor([[[0, 0, 1, 1], [0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 1, 1]]])
        ids = _ids(config.vocab_size, noise)
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids),
                **model.family.region_inputs(features, boxes, torch.ones(1, 4, dtype=torch.long))}
    vision = getattr(config, "vision_config", config)
    size = getattr(vision, "image_size", None) or (64, 96)
    height, width = size if isinstance(size, list | tuple) else (size, size)
    pixels = {"pixel_values": torch.randn(1, 3, height, width, generator=noise)}
    if model.family.task != "image-text matching":
        return pixels
    ids = _ids(config.text_config.vocab_size, noise)
    ids[0, -1] = max(config.text_config.eos_token_id, int(ids.max()))
    return {**pixels, "input_ids": ids, "attention_mask": torch.ones_like(ids)}


def _ids(vocabulary: int, noise: torch.Generator) -> Tensor:
    return torch.randint(vocabulary - 2, (1, 6), generator=noise)


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
    return (f"{model.family.architecture}, {number / 1e6:.1f} M parameters, {size / 1e6:.0f} MB in {model.info.dtype} "
            f"on {model.info.device}")


def _maps(model: Model, inputs: dict[str, Tensor]) -> str:
    schedule = model.family.schedule(model.network.config)
    passed = run_forward(model.network, schedule, model.family.graph_roots,
                         lambda: model.family.run(model.network, inputs), in_graph=False, rules=None)
    heads = sorted({found.shape[1] for found in passed.maps.values()})
    return (f"{len(passed.maps)} of {len(sites_of(schedule))}, {' or '.join(map(str, heads))} heads each; "
            "every row sums to 1")


@torch.inference_mode(False)
def _logits(model: Model, inputs: dict[str, Tensor]) -> str:
    schedule = model.family.schedule(model.network.config)
    captured = run_forward(model.network, schedule, model.family.graph_roots,
                           lambda: model.family.run(model.network, inputs), in_graph=True, rules=None)
    with torch.no_grad():
        plain = model.family.run(model.network, inputs)["logits"]
    apart = float((captured.outputs["logits"] - plain).abs().max()) / max(float(plain.abs().max()), 1e-12)
    if not apart <= _CLOSE[plain.dtype]:
        raise MmxError(f"Captured logits and plain ones are {apart:.1e} apart.")
    return "the same with capture and without" + (f" ({apart:.0e} apart)" if apart else "")


@torch.inference_mode(False)
def _gradients(model: Model, inputs: dict[str, Tensor]) -> str:
    schedule = model.family.schedule(model.network.config)
    passed = run_forward(model.network, schedule, model.family.graph_roots,
                         lambda: model.family.run(model.network, inputs), in_graph=True, rules=None)
    found = gradients(model.family.choose(passed.outputs, _one_target(model)), passed.maps)
    zero = [site.module for site, gradient in found.items() if site.reaches_target and not gradient.any()]
    idle = len(passed.maps) - sum(site.reaches_target for site in passed.maps)
    return (f"at all {len(passed.maps) - idle} maps that reach the result"
            + (f"; {idle} lead nowhere, as they should" if idle else "")
            + (f"; all zero on this input at {', '.join(zero)}" if zero else ""))


def _methods(model: Model, inputs: dict[str, Tensor]) -> str:
    methods = [method for method in all_methods() if model.takes(method)]
    found, _ = attribute(model.network, model.family, inputs, methods, _one_target(model))
    for method, scores in found.items():
        for stream, rows in scores.items():
            if not torch.isfinite(rows).all():
                raise MmxError(f"The {stream} scores of {method} are not all finite.")
    return f"{len(found)}: {', '.join(found)}"


def _one_target(model: Model) -> object:
    return [(0, None)] if model.family.task == "object detection" else None


def _end_to_end(model: Model) -> str:
    picture = Image.effect_noise((160, 120), 80).convert("RGB")
    asked: dict[str, Any] = {"question answering": {"question": _QUESTION}, "object detection": {"query": 0},
                             "image-text matching": {"text": _TEXT}}.get(model.family.task, {})
    model.explain(picture, **asked)
    return "a picture of noise was explained"


def _detector(source: Source, device: str) -> Iterator[Finding]:
    """Of the Visual Genome Faster R-CNN."""
    def found() -> str:
        detector = load_region_detector(source.folder, device)
        regions = detector.detect([torch.randint(256, (120, 160, 3), dtype=torch.uint8).numpy()])[0]
        objects, attributes = detector.classes
        return (f"{objects} objects, {attributes} attributes, {detector.feature_size} numbers a region; "
                f"{len(regions.boxes)} regions in a picture of noise")

    yield _tried("region detector", found)
