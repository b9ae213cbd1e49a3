"""Checkpoints that mmx knows by name, without loading any: the ones it ships, and the field's usual ones."""

import json
import os
import re
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

from mmx.errors import UsageError

WEIGHTS = Path(__file__).parent / "weights"
DEFAULT_MODEL = "shapes-lxmert"
FOR_PHOTOGRAPHS = "unc-nlp/lxmert-vqa-uncased"


@dataclass(frozen=True)
class Default:
    """The checkpoint that is taken where none is named and `what` is asked, and one that knows photographs."""

    name: str
    what: str
    for_photographs: str


QUESTIONS = Default(DEFAULT_MODEL, "a question", FOR_PHOTOGRAPHS)
TEXTS = Default("shapes-clip", "--text", "openai/clip-vit-base-patch32")
CLASSES = Default("shapes-vit", "a class, or for a picture alone", "google/vit-base-patch16-224")
OBJECTS = Default("shapes-detr", "--threshold, --query or --class", "facebook/detr-resnet-50")
DEFAULTS = (QUESTIONS, TEXTS, CLASSES, OBJECTS)


@dataclass(frozen=True)
class CatalogEntry:
    """One checkpoint: `shipped` ones work offline at once, the others are fetched from the hub when first used."""

    name: str
    family: str
    task: str
    knows: str
    shipped: bool


_HUB = (
    CatalogEntry(FOR_PHOTOGRAPHS, "lxmert", "question answering", "photographs (VQA v2)", False),
    CatalogEntry(TEXTS.for_photographs, "clip", "image-text matching", "photographs (web captions)", False),
    CatalogEntry(CLASSES.for_photographs, "vit", "image classification", "photographs (ImageNet)", False),
    CatalogEntry(OBJECTS.for_photographs, "detr", "object detection", "photographs (COCO)", False),
)
_WITHOUT_A_HEAD = {"CLIPModel": "image-text matching"}


def shipped_names() -> list[str]:
    return sorted(path.parent.name for path in WEIGHTS.glob("*/config.json"))


def catalog() -> list[CatalogEntry]:
    """Every checkpoint that `mmx models` lists, shipped ones first."""
    shipped = [CatalogEntry(name, config["model_type"], _task(config["architectures"][0]), "drawn shapes", True)
               for name in shipped_names() for config in [_config(name)]]
    return [*shipped, *_HUB]


def entries_as_dicts() -> list[dict]:
    return [asdict(entry) for entry in catalog()]


def _task(architecture: str) -> str:
    """ "question answering" of "LxmertForQuestionAnswering"."""
    if architecture in _WITHOUT_A_HEAD:
        return _WITHOUT_A_HEAD[architecture]
    words = re.findall("[A-Z][a-z]+", architecture.partition("For")[2])
    return " ".join(words).lower()


def _config(name: str) -> dict:
    return json.loads((WEIGHTS / name / "config.json").read_text(encoding="utf-8"))


def default_for(*, question: bool, texts: bool, detections: bool) -> Default:
    """By what is asked; a class, or nothing, is asked of a classifier."""
    return QUESTIONS if question else TEXTS if texts else OBJECTS if detections else CLASSES


def default_model(config_folder: str, own: str = DEFAULT_MODEL) -> tuple[str, str | None]:
    """The checkpoint used where none is named, and where that was set (None: nowhere, it is mmx's `own` default).

    The environment variable MMX_MODEL goes first, then `model = "..."` in config.toml of `config_folder`.
    """
    if os.environ.get("MMX_MODEL"):
        return os.environ["MMX_MODEL"], "MMX_MODEL"
    path = Path(config_folder) / "config.toml"
    if not path.is_file():
        return own, None
    try:
        model = tomllib.loads(path.read_text(encoding="utf-8")).get("model")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from error
    if model is None:
        return own, None
    if not isinstance(model, str):
        raise UsageError(f"'model' in {path} is not a name in quotes.")
    return model, str(path)
