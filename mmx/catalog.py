"""Checkpoints that mmx knows by name, without loading any: the ones it ships, and the field's usual ones."""

import json
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from mmx.errors import CheckpointError, UsageError

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
class Vocabulary:
    """Names in a small file of their authors'; `has_synonyms` where a line holds several for one thing."""

    what: str
    url: str
    file_name: str
    length: int
    sha256: str | None = None
    has_synonyms: bool = False

    def parse(self, content: bytes) -> list[str]:
        names = parse_names(content, self.file_name, self.length)
        return [name.partition(",")[0] for name in names] if self.has_synonyms else names


def parse_names(content: bytes, file_name: str, length: int) -> list[str]:
    """`length` names out of an array in JSON, or one a line. CheckpointError where there are more, fewer or none."""
    try:
        text = content.decode("utf-8")
        names = json.loads(text) if file_name.endswith(".json") else text.removesuffix("\n").split("\n")
    except ValueError as error:
        raise CheckpointError(f"{file_name} holds no names: {error}.", "Give a JSON array, or one a line.") from error
    if not isinstance(names, list):
        raise CheckpointError(f"{file_name} holds no names.", "Give a JSON array of them, or a name a line.")
    if len(names) != length:
        raise CheckpointError(f"{file_name} holds {len(names)} names where there must be {length}.",
                              "It is of another model, or cut short.")
    return [str(name).strip() for name in names]


@dataclass(frozen=True)
class CatalogEntry:
    """One checkpoint: `shipped` ones work offline at once, the others are fetched from the hub when first used.

    Attributes:
        size_mb: of the weights, in float32.
        licence: of the checkpoint, or else of its authors' code, which is marked so.
        needs: other checkpoints of the hub without which it cannot answer.
    """

    name: str
    family: str
    task: str
    knows: str
    shipped: bool
    size_mb: float
    licence: str
    needs: tuple[str, ...] = ()


REGION_DETECTOR = "unc-nlp/frcnn-vg-finetuned"
REGION_FEATURES = 2048
"""Numbers that this detector gives for a region; a model that takes as many was most likely trained on it."""
BERT = "google-bert/bert-base-uncased"
TOKENIZERS = {"uclanlp/visualbert-vqa": BERT}
"""Checkpoints that were published without their tokenizer, and whose it is."""
REVISIONS = {"facebook/detr-resnet-50": "no_timm", "facebook/detr-resnet-101": "no_timm"}
"""Where the main branch needs a package that mmx does not (timm), the authors' branch that does without."""

_VG = "https://raw.githubusercontent.com/airsplay/py-bottom-up-attention/master/demo/data/genome/1600-400-20/"
OBJECTS_OF_REGIONS = Vocabulary(
    "The names of Visual Genome's 1600 objects", f"{_VG}objects_vocab.txt", "objects_vocab.txt", 1600,
    "d985096938db111f585a311ff0a2ee9092fbc325c3a619ac9622e57e5389722f", has_synonyms=True)
ATTRIBUTES_OF_REGIONS = Vocabulary(
    "The names of Visual Genome's 400 attributes", f"{_VG}attributes_vocab.txt", "attributes_vocab.txt", 400,
    "19981b5a288f284c576545a21de78634f1a78c26b6949f7acf12b924739fdc66", has_synonyms=True)
ANSWERS = {
    FOR_PHOTOGRAPHS: Vocabulary(
        "LXMERT's 3129 answers", "https://raw.githubusercontent.com/airsplay/lxmert/master/data/vqa/"
        "trainval_label2ans.json", "trainval_label2ans.json", 3129,
        "e72e568a6303130f5a627db06360605ee3b306366ff463aa5153d782adc12a7d"),
    "uclanlp/visualbert-vqa": Vocabulary(
        "MMF's 3129 answers", "https://dl.fbaipublicfiles.com/pythia/data/answers_vqa.txt", "answers_vqa.txt", 3129)}
"""What the answers of a checkpoint are whose config does not name them."""

_VQA, _ITM, _CLS, _DET = "question answering", "image-text matching", "image classification", "object detection"
_MIT, _APACHE, _NONE = "MIT (code)", "Apache-2.0", "none given"
_CLIP = "photographs (web captions)"
_IMAGENET = "photographs (ImageNet)"
_HUB = (
    CatalogEntry(FOR_PHOTOGRAPHS, "lxmert", _VQA, "photographs (VQA v2)", False, 856, _MIT, (REGION_DETECTOR,)),
    CatalogEntry("uclanlp/visualbert-vqa", "visual_bert", _VQA, "photographs (VQA v2)", False, 455, _NONE,
                 (REGION_DETECTOR, BERT)),
    CatalogEntry(OBJECTS.for_photographs, "detr", _DET, "photographs (COCO)", False, 167, _APACHE),
    CatalogEntry("facebook/detr-resnet-101", "detr", _DET, "photographs (COCO)", False, 243, _APACHE),
    CatalogEntry(TEXTS.for_photographs, "clip", _ITM, _CLIP, False, 605, _MIT),
    CatalogEntry("openai/clip-vit-base-patch16", "clip", _ITM, _CLIP, False, 599, _MIT),
    CatalogEntry("openai/clip-vit-large-patch14", "clip", _ITM, _CLIP, False, 1711, _MIT),
    CatalogEntry(CLASSES.for_photographs, "vit", _CLS, _IMAGENET, False, 346, _APACHE),
    CatalogEntry("facebook/deit-base-patch16-224", "vit", _CLS, _IMAGENET, False, 346, _APACHE),
    CatalogEntry("facebook/deit-tiny-patch16-224", "vit", _CLS, _IMAGENET, False, 23, _APACHE),
    CatalogEntry(REGION_DETECTOR, "faster r-cnn", "region features", "photographs (Visual Genome)", False, 262,
                 "Apache-2.0 (code)"),
)
_WITHOUT_A_HEAD = {"CLIPModel": "image-text matching"}


def shipped_names() -> list[str]:
    return sorted(path.parent.name for path in WEIGHTS.glob("*/config.json"))


def catalog() -> list[CatalogEntry]:
    """Every checkpoint that `mmx models` lists, shipped ones first."""
    shipped = [CatalogEntry(name, config["model_type"], _task(config["architectures"][0]), "drawn shapes", True,
                            _megabytes(name), "MIT")
               for name in shipped_names() for config in [_config(name)]]
    return [*shipped, *_HUB]


def _task(architecture: str) -> str:
    """ "question answering" of "LxmertForQuestionAnswering"."""
    if architecture in _WITHOUT_A_HEAD:
        return _WITHOUT_A_HEAD[architecture]
    words = re.findall("[A-Z][a-z]+", architecture.partition("For")[2])
    return " ".join(words).lower()


def _config(name: str) -> dict:
    return json.loads((WEIGHTS / name / "config.json").read_text(encoding="utf-8"))


def _megabytes(name: str) -> float:
    return round(sum(path.stat().st_size for path in (WEIGHTS / name).glob("*.safetensors")) / 1e6, 1)


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
