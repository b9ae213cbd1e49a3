"""Image processors: a checkpoint's own, also those whose settings were written by older versions of transformers."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import transformers
from transformers import AutoImageProcessor, AutoProcessor, ProcessorMixin

from mmx.checkpoints.folders import PROCESSOR_FILES, processor_settings
from mmx.checkpoints.loading import Source, quiet, reading
from mmx.errors import CheckpointError

_OLD, _NEW = "FeatureExtractor", "ImageProcessor"


def load_processor(source: Source) -> Any:
    """The image processor of a checkpoint. Raises CheckpointError where it is missing or broken."""
    path, settings = processor_settings(source.name, source.folder)
    kind = settings.get("image_processor_type")
    if isinstance(kind, str) and not _there(kind.replace(_OLD, _NEW)):
        raise CheckpointError(f"{path} says that its image_processor_type is {kind}, which transformers does not have.",
                              "Write the one that it was trained with there, such as ViTImageProcessor.")
    quiet()
    with _written(source.folder, path.name, settings) as folder:
        return reading(source, f"image processor ({path.name})", lambda: AutoImageProcessor.from_pretrained(
            folder, trust_remote_code=False))


def _there(name: str) -> bool:
    return hasattr(transformers, name) or hasattr(transformers, name.removesuffix("Fast"))


@contextmanager
def _written(folder: Path, file: str, settings: Mapping[str, Any]) -> Iterator[Path]:
    """A folder that has these settings, out of `file` of `folder`, as transformers writes them today.

    4.26 to 4.5x wrote the former name of an image processor; open_clip has another file.
    """
    kind = settings.get("image_processor_type")
    if file in PROCESSOR_FILES and not (isinstance(kind, str) and _OLD in kind):
        yield folder
        return
    with TemporaryDirectory() as made:
        written = {name: value for name, value in settings.items() if name != "feature_extractor_type"}
        written["image_processor_type"] = str(kind).replace(_OLD, _NEW)
        (Path(made) / PROCESSOR_FILES[0]).write_text(json.dumps(written), encoding="utf-8")
        yield Path(made)


def load_whole_processor(source: Source) -> Any:
    """The processor of pictures and texts of a checkpoint. Raises CheckpointError where it is missing or broken."""
    quiet()
    found = reading(source, "processor", lambda: AutoProcessor.from_pretrained(source.folder, trust_remote_code=False))
    if not isinstance(found, ProcessorMixin):
        raise CheckpointError(f"{source.name} has no processor of pictures and texts: its folder gives a "
                              f"{type(found).__name__} alone.", "Save it there with the processor's save_pretrained.")
    return found
