"""Reading a published region detector: config.yaml, weights under the reference's names, and what its labels mean."""

import re
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from mmx.checkpoints.loading import named, read_tensors
from mmx.elements.providers._frcnn_network import FasterRcnn
from mmx.errors import CheckpointError

CONFIG_NAME, WEIGHT_NAMES = "config.yaml", ("model.safetensors", "pytorch_model.bin")
_RENAMED = tuple((re.compile(pattern), name) for pattern, name in (
    (r"^backbone\.stem\.conv1\.norm\.", "bn1."), (r"^backbone\.stem\.", ""),
    (r"^roi_heads\.res5\.", "layer4."), (r"^backbone\.res([234])\.", lambda found: f"layer{int(found[1]) - 1}."),
    (r"\.shortcut\.norm\.", ".downsample.1."), (r"\.shortcut\.", ".downsample.0."),
    (r"\.conv([123])\.norm\.", r".bn\1."), (r"^proposal_generator\.anchor_generator\.cell_anchors\.0$", "anchors"),
    (r"^proposal_generator\.rpn_head\.conv\.", "rpn_conv."),
    (r"^proposal_generator\.rpn_head\.objectness_logits\.", "rpn_logits."),
    (r"^proposal_generator\.rpn_head\.anchor_deltas\.", "rpn_deltas."), (r"^roi_heads\.box_predictor\.", ""),
    (r"gamma", "weight"), (r"beta", "bias")))


class _Loader(yaml.SafeLoader):
    """Plain values alone, and the tuples that Python writes among them."""


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _Loader.construct_sequence)


def read_settings(folder: Path) -> dict[str, Any]:
    """config.yaml with its keys in lower case; the reference reads them in either case."""
    path = folder / CONFIG_NAME
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder} has no {CONFIG_NAME}.", "A region detector is a folder with that file and "
                              f"{' or '.join(WEIGHT_NAMES)}, such as unc-nlp/frcnn-vg-finetuned.") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CheckpointError(f"{path} cannot be read: {' '.join(str(error).split())}.", "Get it again.") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} holds no settings.", "Get it again.")
    return _lowered(found)


def read_network(folder: Path, settings: dict[str, Any]) -> FasterRcnn:
    """The network with its weights, ready to be run."""
    try:
        with torch.device("meta"):
            network = FasterRcnn(settings)
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        what = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise CheckpointError(f"{folder / CONFIG_NAME} describes no region detector that mmx knows: {what}.",
                              "mmx reads ResNet-C4 detectors with attributes.") from error
    weights = _weights(folder)
    wanted = network.state_dict()
    if lacking := sorted(wanted.keys() - weights.keys()):
        raise _unfit(folder, "lacks", lacking)
    if strange := sorted(weights.keys() - wanted.keys()):
        raise _unfit(folder, "has unexpected", strange)
    if other := [name for name in wanted if weights[name].shape != wanted[name].shape]:
        raise _unfit(folder, "has, in another shape,", other)
    network.load_state_dict(weights, assign=True)
    return network.eval().requires_grad_(False)


def _weights(folder: Path) -> dict[str, Tensor]:
    path = next((folder / name for name in WEIGHT_NAMES if (folder / name).is_file()), None)
    if path is None:
        raise CheckpointError(f"{folder} has no weights ({' or '.join(WEIGHT_NAMES)}).")
    return {_renamed(name): value for name, value in read_tensors(path).items()}


def _renamed(name: str) -> str:
    for pattern, new in _RENAMED:
        name = pattern.sub(new, name)
    return name


def _unfit(folder: Path, how: str, names: list[str]) -> CheckpointError:
    return CheckpointError(f"The region detector in {folder} {how} {len(names)} of the weights that its {CONFIG_NAME} "
                           f"asks for: {named(names)}.", "Get both files again, from one place.")


def _lowered(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key).lower(): _lowered(item) for key, item in value.items()}
    return value
