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
class CatalogEntry:
    """One checkpoint: `shipped` ones work offline at once, the others are fetched from the hub when first used."""

    name: str
    family: str
    task: str
    knows: str
    shipped: bool


_HUB = (CatalogEntry(FOR_PHOTOGRAPHS, "lxmert", "question answering", "photographs (VQA v2)", False),)


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
    words = re.findall("[A-Z][a-z]+", architecture.partition("For")[2])
    return " ".join(words).lower()


def _config(name: str) -> dict:
    return json.loads((WEIGHTS / name / "config.json").read_text(encoding="utf-8"))


def default_model(config_folder: str) -> tuple[str, str | None]:
    """The checkpoint used where none is named, and where that was set (None: nowhere, it is mmx's own default).

    The environment variable MMX_MODEL goes first, then `model = "..."` in config.toml of `config_folder`.
    """
    if os.environ.get("MMX_MODEL"):
        return os.environ["MMX_MODEL"], "MMX_MODEL"
    path = Path(config_folder) / "config.toml"
    if not path.is_file():
        return DEFAULT_MODEL, None
    try:
        model = tomllib.loads(path.read_text(encoding="utf-8")).get("model", DEFAULT_MODEL)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from error
    if not isinstance(model, str):
        raise UsageError(f"'model' in {path} is not a name in quotes.")
    return model, str(path)
