"""Image processors: a checkpoint's own, also those whose settings were written by older versions of transformers."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import transformers
from transformers import AutoImageProcessor

from mmx.checkpoints.folders import PROCESSOR_FILES, read_json, refuse_pointers
from mmx.checkpoints.loading import Source, quiet, reading
from mmx.errors import CheckpointError

_OLD, _NEW = "FeatureExtractor", "ImageProcessor"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def load_processor(source: Source) -> Any:
    """The image processor of a checkpoint. Raises CheckpointError where it is missing or broken."""
    files = [source.folder / name for name in PROCESSOR_FILES if (source.folder / name).is_file()]
    refuse_pointers(files)
    path, settings = _settings(files)
    if path is None:
        raise CheckpointError(
            f"{source.name} has no preprocessor_config.json, which says how it is shown pictures.",
            "Save it there with the image processor's save_pretrained, or take that of the checkpoint that it was "
            f'trained from: `processor="{_trained_from(source)}"`.')
    kind = settings.get("image_processor_type")
    if isinstance(kind, str) and not _there(kind.replace(_OLD, _NEW)):
        raise CheckpointError(f"{path} says that its image_processor_type is {kind}, which transformers does not have.",
                              "Write the one that it was trained with there, such as ViTImageProcessor.")
    quiet()
    with _renamed(source.folder, settings) as folder:
        return reading(source, f"image processor ({path.name})", lambda: AutoImageProcessor.from_pretrained(
            folder, trust_remote_code=False))


def _settings(files: list[Path]) -> tuple[Path | None, Mapping[str, Any]]:
    """As transformers takes them: first those inside processor_config.json, then the file of their own."""
    found = [(path, read_json(path)) for path in reversed(files)]
    for path, content in found:
        if not isinstance(content, dict):
            raise CheckpointError(f"{path} holds no JSON object.", "Save the image processor anew.")
        if path.name == PROCESSOR_FILES[1] and isinstance(content.get("image_processor"), dict):
            return path, content["image_processor"]
    return next(((path, content) for path, content in found if path.name == PROCESSOR_FILES[0]), (None, {}))


def _there(name: str) -> bool:
    return hasattr(transformers, name) or hasattr(transformers, name.removesuffix("Fast"))


@contextmanager
def _renamed(folder: Path, settings: Mapping[str, Any]) -> Iterator[Path]:
    """A folder with the same image processor by its name of today: transformers 4.26 to 4.5x wrote the former one."""
    kind = settings.get("image_processor_type")
    if not (isinstance(kind, str) and _OLD in kind):
        yield folder
        return
    with TemporaryDirectory() as made:
        renamed = {name: value for name, value in settings.items() if name != "feature_extractor_type"}
        renamed["image_processor_type"] = kind.replace(_OLD, _NEW)
        (Path(made) / PROCESSOR_FILES[0]).write_text(json.dumps(renamed), encoding="utf-8")
        yield Path(made)


def _trained_from(source: Source) -> str:
    config = source.folder / "config.json"
    found = read_json(config).get("_name_or_path") if config.is_file() else None
    return found if isinstance(found, str) and _HUB_ID.fullmatch(found) else "ID"
