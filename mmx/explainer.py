"""A loaded checkpoint that explains: pictures and questions in, explanations out, in batches."""

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor, nn

from mmx import checkpoints
from mmx.engine import attribute
from mmx.errors import CheckpointError, UsageError
from mmx.families._vqa import VqaFamily
from mmx.families.base import Family, get_family
from mmx.images import open_picture
from mmx.methods import Method, get_method
from mmx.regions.base import RegionProvider, RegionSet, make_provider
from mmx.types import Explanation, ModelInfo, Picture, Prediction, Region, Token

RUNNERS_UP = 5


@dataclass(frozen=True)
class Job:
    """One question about one picture; `target` is an answer's text or index, None for the predicted one."""

    picture: Picture
    question: str
    target: str | int | None = None


class Model:
    """A checkpoint with its family, tokenizer and region provider; what `mmx.load` returns."""

    def __init__(self, source: checkpoints.Source, network: nn.Module, family: Family, info: ModelInfo,
                 regions: Mapping[str, Any] | None = None) -> None:
        self.source, self.network, self.family, self.info = source, network, family, info
        self._regions = regions

    @cached_property
    def tokenizer(self) -> Any:
        return checkpoints.load_tokenizer(self.source)

    @cached_property
    def processor(self) -> Any:
        """Of pictures, for families that take pixels."""
        return checkpoints.load_processor(self.source)

    @cached_property
    def region_provider(self) -> RegionProvider:
        """The one asked for at load, else the one that the checkpoint names, else a plain grid."""
        asked = self._regions
        options = asked or checkpoints.read_extra(self.source, "regions.json") or {"provider": "grid"}
        try:
            return make_provider(dict(options), self.info.device, self._vqa.region_features(self.network.config))
        except (UsageError, LookupError, TypeError, ValueError) as error:
            if asked is not None:
                raise
            why = str(error) if isinstance(error, UsageError | ValueError) else repr(error)
            raise CheckpointError(f"The regions.json of {self.info.name} cannot be used: {why}") from error

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of every result of this model must know."""
        own = checkpoints.read_extra(self.source, "regions.json")
        if self._regions is not None and own not in (None, dict(self._regions)):
            return (f"{self.info.name} was trained on other regions than these: its answers mean little",)
        if self._regions is not None or own is not None:
            return ()
        return (f"{self.info.name} names no region detector, so regions are cells of a plain grid: a model that was "
                "trained on detector features answers at random from these",)

    @cached_property
    def answers(self) -> list[str]:
        return self._vqa.answers(self.network.config)

    @property
    def _vqa(self) -> VqaFamily:
        if not isinstance(self.family, VqaFamily):
            raise UsageError(f"{self.info.name} does not answer questions.")
        return self.family

    def attribute(self, inputs: Mapping[str, Tensor], method: str = "relevance", target: object = None,
                  ) -> dict[str, Tensor]:
        """Raw scores for encoded inputs, {"text": (rows, tokens), "image": (rows, regions)}, finite and unscaled.

        Args:
            inputs: what the Hugging Face model's forward takes, batched; floating ones are cast to its dtype.
            method: name or alias, see `mmx methods`.
            target: index of the answer to explain; None is the predicted one. A list gives one row for each: one
                per sample, or, for a batch of one, any number. Padding in `inputs` counts as the reference counts it.
        """
        found, _ = attribute(self.network, self.family, self.to_model(inputs), [get_method(method)], target)
        return next(iter(found.values()))

    def explain(self, image: str | Path | Image, question: str, *, method: str = "relevance",
                target: str | int | None = None) -> Explanation:
        """Why the model answers `question` about `image` as it does, or what speaks for `target`."""
        return self.explain_methods(image, question, [method], target=target)[0]

    def explain_methods(self, image: str | Path | Image, question: str, methods: Sequence[str], *,
                        target: str | int | None = None) -> list[Explanation]:
        """The same by several methods, out of one run of the model."""
        job = Job(open_picture(image), question, target)
        self.check(question, target)
        return self.explain_batch([job], [get_method(name) for name in methods])[0]

    def check(self, question: str, target: str | int | None = None) -> None:
        """Raises UsageError where the question or the target cannot be used with this model."""
        if not question.strip():
            raise UsageError("The question is empty.", "Write one.")
        length, longest = len(self.tokenizer(question)["input_ids"]), self._longest_question
        if length > longest:
            raise UsageError(f"The question has {length} tokens; {self.info.name} takes {longest} at most.",
                             "Ask it in fewer words.")
        self._answer_index(target)

    def explain_batch(self, jobs: Sequence[Job], methods: Sequence[Method]) -> list[list[Explanation]]:
        """For each job, an explanation by each method. One forward and at most one backward for all of them."""
        regions = self._regions_of([job.picture for job in jobs])
        inputs = self.to_model(self._vqa.encode(self.tokenizer, [job.question for job in jobs], regions))
        targets = [self._answer_index(job.target) for job in jobs]
        found, outputs = attribute(self.network, self.family, inputs, methods, targets, ignore_padding=True,
                                  seeds=[seed_of(job.picture.sha256, job.question) for job in jobs])
        on_cpu = {name: {stream: rows.cpu().numpy() for stream, rows in scores.items()}
                  for name, scores in found.items()}
        probabilities = outputs["logits"].float().softmax(dim=1).cpu()
        return [[self._explanation(job, regions[index], targets[index], probabilities[index], method.name,
                                   {stream: rows[index] for stream, rows in on_cpu[method.name].items()})
                 for method in methods] for index, job in enumerate(jobs)]

    def _regions_of(self, pictures: Sequence[Picture]) -> list[RegionSet]:
        """A picture that several questions are about is looked at once."""
        distinct = {picture.sha256: picture.image for picture in pictures}
        found = dict(zip(distinct, self.region_provider.regions(list(distinct.values())), strict=True))
        return [found[picture.sha256] for picture in pictures]

    def _explanation(self, job: Job, regions: RegionSet, target: int | None, probabilities: Tensor, method: str,
                     scores: dict[str, np.ndarray]) -> Explanation:
        tokens, notes = tokens_of(self.tokenizer, job.question)
        width, height = job.picture.image.size
        boxes = regions.boxes_xyxy_unit * torch.tensor([width, height, width, height])
        best = probabilities.topk(min(RUNNERS_UP, len(probabilities))).indices.tolist()
        return Explanation(
            picture=job.picture, question=job.question, method=method,
            target=self._prediction(best[0] if target is None else target, probabilities),
            predictions=tuple(self._prediction(index, probabilities) for index in best),
            scores={"text": scores["text"][:len(tokens)], "image": scores["image"][:len(boxes)]}, tokens=tokens,
            regions=tuple(Region(tuple(box), label, confidence) for box, label, confidence in
                          zip(boxes.tolist(), regions.labels, regions.confidences, strict=True)),
            region_provider=self.region_provider.name, model=self.info, versions=versions(),
            notes=(*self.warnings, *notes))

    def _prediction(self, index: int, probabilities: Tensor) -> Prediction:
        return Prediction(index, self.answers[index], float(probabilities[index]))

    def _answer_index(self, target: str | int | None) -> int | None:
        """An answer by its text, else by its index."""
        if target is None:
            return None
        text = str(target).strip()
        lowered = [answer.lower() for answer in self.answers]
        if not isinstance(target, int) and text.lower() in lowered:
            return lowered.index(text.lower())
        if text.isdecimal() and int(text) < len(self.answers):
            return int(text)
        raise unknown_answer(text, self.answers)

    @property
    def _longest_question(self) -> int:
        return self._vqa.longest_question(self.network.config)

    def to_model(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Inputs on the model's device, floating ones in its dtype."""
        device, dtype = self.network.device, self.network.dtype
        return {name: value.to(device, dtype) if value.is_floating_point() else value.to(device)
                for name, value in inputs.items()}


def seed_of(*parts: str) -> int:
    """A number that depends on the parts alone, so that what is random is the same in any batch and on any day."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()[:7], "big")


def unknown_answer(text: str, answers: Sequence[str]) -> UsageError:
    close = get_close_matches(text.lower(), answers, n=1, cutoff=0.6)
    shown = ", ".join(answers[:30]) + (", ..." if len(answers) > 30 else "")
    return UsageError(f"'{text}' is not an answer that this model can give.",
                      (f"Did you mean '{close[0]}'? " if close else "") + f"Its {len(answers)} answers: {shown}.")


def tokens_of(tokenizer: Any, question: str) -> tuple[tuple[Token, ...], tuple[str, ...]]:
    """The tokens of a question as it was typed, and a note on the words that the tokenizer does not know."""
    encoded = tokenizer(question, return_offsets_mapping=True, return_special_tokens_mask=True)
    pieces = tokenizer.convert_ids_to_tokens(encoded["input_ids"])
    tokens = tuple(
        Token(piece if special else question[start:end], piece, bool(special), None if special else (start, end))
        for piece, special, (start, end) in zip(pieces, encoded["special_tokens_mask"], encoded["offset_mapping"],
                                                strict=True))
    unknown = list(dict.fromkeys(token.text for token in tokens
                                 if token.piece == tokenizer.unk_token and not token.special))
    return tokens, (f"words that the model does not know: {', '.join(unknown)}",) if unknown else ()


@cache
def versions() -> dict[str, str]:
    packages = ("mmx", "torch", "transformers", "torchvision", "pillow", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def load(name: str | Path, device: str = "cpu", dtype: str = "auto", *, revision: str | None = None,
         regions: Mapping[str, Any] | None = None) -> Model:
    """A model by shipped name, local `from_pretrained` folder or hub id.

    Args:
        device: "auto", "cpu", "cuda" or "mps".
        dtype: "auto" (float32), "float32", "float64", "bfloat16" or "float16".
        regions: a region provider's options, {"provider": "grid", "rows": 6, "columns": 6}; by default the
            checkpoint's own.

    Raises:
        UsageError: no such name, family, device or dtype.
        CheckpointError: the files are missing or broken.
    """
    device, dtype = checkpoints.pick_device(device), checkpoints.check_dtype(dtype)
    source = checkpoints.resolve(name, revision)
    config = checkpoints.read_config(source)
    family = get_family(config.model_type)
    network = checkpoints.load_network(source, family.architecture, device=device, dtype=dtype)
    info = ModelInfo(source.name, config.model_type, checkpoints.revision_of(source, config), device, dtype)
    return Model(source, network, family, info, regions)
