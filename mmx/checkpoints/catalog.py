"""Checkpoints that mmx knows by name, without loading any: the ones it ships, and the field's usual ones.

They stand in their families' files; here are the ones that no family has, and what is taken where none is named.
"""

import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmx.checkpoints.families import all_families, family_of_architecture
from mmx.errors import UsageError
from mmx.families.base import Checkpoint, Names

WEIGHTS = Path(__file__).parents[1] / "weights"
_WORDS = {"question": "a question", "texts": "--text", "targets": "a class", "threshold": "--threshold",
          "queries": "--query", "class_name": "--class", "answer": "--answer", "": "a picture alone"}


@dataclass(frozen=True)
class CatalogEntry:
    """A checkpoint that `mmx models` lists: its family, its class, and what it does.

    A family of several classes says of the first of them which checkpoints there are.
    """

    name: str
    family: str
    does: str
    knows: str
    shipped: bool
    size_mb: float
    licence: str
    needs: tuple[str, ...] = ()
    architecture: str | None = None


@dataclass(frozen=True)
class ClassEntry:
    """A class of `transformers` that mmx explains.

    Attributes:
        must, may: the fields of `Asked` that must and that can be given.
        covers: what relevance is of, by part: "text" → "words".
        checkpoints: names of those of this class, shipped ones first.
    """

    name: str
    family: str
    does: str
    must: tuple[str, ...]
    may: tuple[str, ...]
    covers: Mapping[str, str]
    checkpoints: tuple[str, ...]


@dataclass(frozen=True)
class Default:
    """The checkpoint that is taken where none is named and one of these `fields` is asked, and one for photographs."""

    name: str
    fields: tuple[str, ...]
    for_photographs: str | None

    @property
    def what(self) -> str:
        """ "--threshold, --query or --class" """
        named = [_WORDS[field] for field in self.fields]
        return " or ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


REGION_DETECTOR = "unc-nlp/frcnn-vg-finetuned"
REGION_FEATURES = 2048
"""Numbers that this detector gives for a region; a model that takes as many was most likely trained on it."""
_VG = "https://raw.githubusercontent.com/airsplay/py-bottom-up-attention/master/demo/data/genome/1600-400-20/"
OBJECTS_OF_REGIONS = Names(
    "The names of Visual Genome's 1600 objects", f"{_VG}objects_vocab.txt", "objects_vocab.txt", 1600,
    "d985096938db111f585a311ff0a2ee9092fbc325c3a619ac9622e57e5389722f", has_synonyms=True)
ATTRIBUTES_OF_REGIONS = Names(
    "The names of Visual Genome's 400 attributes", f"{_VG}attributes_vocab.txt", "attributes_vocab.txt", 400,
    "19981b5a288f284c576545a21de78634f1a78c26b6949f7acf12b924739fdc66", has_synonyms=True)
_DETECTOR = CatalogEntry(REGION_DETECTOR, "faster r-cnn", "finds regions", "photographs (Visual Genome)", False, 262,
                         "Apache-2.0 (code)")


def shipped_names() -> list[str]:
    return sorted(path.parent.name for path in WEIGHTS.glob("*/config.json"))


def known_checkpoint(name: str) -> Checkpoint | None:
    """What a family says of a checkpoint."""
    return next((one for _, family in all_families() for one in family.checkpoints if one.name == name), None)


def tokenizer_names() -> set[str]:
    """Checkpoints of the hub that others take their tokenizer from."""
    return {one.tokenizer for _, family in all_families() for one in family.checkpoints if one.tokenizer}


def catalog() -> list[CatalogEntry]:
    """Every checkpoint that `mmx models` lists, shipped ones first."""
    shipped = [_shipped(name) for name in shipped_names()]
    others = [CatalogEntry(one.name, key, family.does, one.knows, False, one.size_mb, one.licence, one.needs,
                           family.architectures[0])
              for key, family in all_families() for one in family.checkpoints if "/" in one.name]
    return [*shipped, *others, _DETECTOR]


def _shipped(name: str) -> CatalogEntry:
    config = json.loads((WEIGHTS / name / "config.json").read_text(encoding="utf-8"))
    found = family_of_architecture(config["architectures"][0])
    assert found is not None, f"{name} ships without a family"
    size = sum(path.stat().st_size for path in (WEIGHTS / name).glob("*.safetensors"))
    return CatalogEntry(name, found[0], found[1].does, "drawn shapes", True, round(size / 1e6, 1), "MIT",
                        architecture=config["architectures"][0])


def classes() -> list[ClassEntry]:
    """Every class that mmx explains, each once; those that are asked alike stand together, questions first."""
    known = catalog()
    found = [ClassEntry(name, key, family.does, tuple(filter(None, [family.needs])),
                        tuple(sorted(family.takes, key=_place)),
                        {one.part: one.consists_of for one in family.inputs},
                        tuple(entry.name for entry in known if entry.architecture == name))
             for key, family in all_families() for name in family.architectures]
    each = {one.name: one for one in reversed(found)}.values()
    return sorted(each, key=lambda one: (min(map(_place, (*one.must, *one.may))), one.does, one.may, one.name))


def _place(field: str) -> tuple[int, str]:
    """What chooses a checkpoint goes first."""
    return list(_WORDS).index(field) if field in _WORDS else len(_WORDS), field


def defaults() -> list[Default]:
    """What is taken where none is named: the first one is for a question."""
    found = []
    for _, family in all_families():
        own = [one for one in family.checkpoints if one.default_for]
        photographs = next((one.name for one in own if "/" in one.name), None)
        found += [Default(one.name, one.default_for, photographs) for one in own if "/" not in one.name]
    return sorted(found, key=lambda one: list(_WORDS).index(one.fields[0]))


def default_for(asked: Iterable[str]) -> Default:
    """By the fields of `Asked` that are given; what none of them chooses is asked of a picture alone."""
    given = {*asked, ""}
    by_field = {field: one for one in defaults() for field in one.fields}
    return next(by_field[field] for field in _WORDS if field in given and field in by_field)


def default_model(config_folder: str, own: str) -> tuple[str, str | None]:
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
