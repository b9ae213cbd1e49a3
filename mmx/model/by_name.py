"""A model by its name: the checkpoint, its family, and what else it was given."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from mmx.checkpoints import loading
from mmx.checkpoints.families import check_given, check_problem, family_of
from mmx.checkpoints.folders import SHOWN_BY
from mmx.devices import DEFAULT_DEVICE
from mmx.elements import Given
from mmx.errors import CheckpointError
from mmx.families.base import Family
from mmx.model.model import Model
from mmx.results import ModelInfo
from mmx.schedule import sites_of


def load(name: str | Path, device: str | torch.device = DEFAULT_DEVICE, dtype: str | torch.dtype = "auto", *,
         revision: str | None = None, regions: Mapping[str, Any] | None = None,
         features: str | Path | None = None, answers: str | Path | Sequence[str] | None = None,
         processor: str | Path | None = None) -> Model:
    """A model by shipped name, local `from_pretrained` folder or hub id.

    Args:
        device: "auto" (CUDA, else MPS, else the CPU), "cpu", "cuda", "cuda:1", "mps", or a `torch.device`.
        dtype: "auto" (float32), "float32", "float64", "bfloat16", "float16", or a `torch.dtype`.
        revision: branch, tag or commit of a hub checkpoint.
        regions: a region provider's options, {"provider": "grid", "rows": 6, "columns": 6} or {"provider": "frcnn",
            "checkpoint": FOLDER}; by default the checkpoint's own.
        features: a file or folder of region features that were computed before, in the place of a region provider.
        answers: what the answers or classes are called, by index, or a file that says so (a JSON array, or one a line).
        processor: another checkpoint, by name, whose image processor is used in the place of its own; its tokenizer
            too where the model has none.

    Raises:
        UsageError: no such name, family, device or dtype.
        CheckpointError: the files are missing or broken.

    Example:
        >>> model = mmx.load("shapes-vit")
        >>> model
        <Model shapes-vit: ViTForImageClassification, float32 on cpu>
        >>> model.labels[:2]
        ['red circle', 'red square']
    """
    return _opened(name, device, dtype, revision, _given(regions, features, answers, processor),
                   loading.load_with_leftovers)


def outline(name: str | Path, device: str | torch.device = DEFAULT_DEVICE, dtype: str | torch.dtype = "auto", *,
            revision: str | None = None, regions: Mapping[str, Any] | None = None, features: str | Path | None = None,
            answers: str | Path | Sequence[str] | None = None, processor: str | Path | None = None) -> Model:
    """The same without its weights, for rehearsals alone: it takes no memory, and says nothing of any picture."""
    return _opened(name, device, dtype, revision, _given(regions, features, answers, processor), loading.outline)


def _given(regions: Mapping[str, Any] | None, features: str | Path | None, answers: str | Path | Sequence[str] | None,
           processor: str | Path | None) -> Given:
    return Given(regions, None if features is None else Path(features),
                 Path(answers) if isinstance(answers, str) else answers,
                 None if processor is None else loading.resolve(processor, kinds=SHOWN_BY))


def _opened(name: str | Path, device: str | torch.device, dtype: str | torch.dtype, revision: str | None, given: Given,
            read: Callable[..., tuple[PreTrainedModel, tuple[str, ...]]]) -> Model:
    on, of = loading.pick_device(device), loading.check_dtype(dtype)
    source = loading.resolve(name, revision)
    config = loading.read_config(source)
    key, family, architecture = family_of(config, source.name)
    check_given(family, source.name, given.regions, given.features, given.answers, given.processor)
    check_problem(family, config, source.name)
    network, leftovers = read(source, architecture, device=on, dtype=of)
    _check_layers(family, network.config, source.name)
    info = ModelInfo(source.name, key, architecture, loading.revision_of(source), on, of)
    return Model(source, network, family, info, given, leftovers)


def _check_layers(family: Family, config: Any, name: str) -> None:
    """Raises CheckpointError where what is explained attends to nothing."""
    attending = {site.rows for site in sites_of(family.schedule(config))}
    idle = [read.stream for read in family.reads if read.stream not in attending]
    if idle:
        raise CheckpointError(f"{name} has no {idle[0]} layers, by its config.json: without attention there is nothing "
                              "to explain.")
