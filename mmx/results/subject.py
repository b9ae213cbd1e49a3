"""What a result is of. Two results of one subject and method are the same result."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmx.results.items import Asked, ModelInfo
from mmx.schema import SCHEMA_VERSION

_BESIDE = {"processor": "the image processor of another checkpoint", "tokenizer": "another tokenizer",
           "features": "other features", "regions": "regions of another detector",
           "answers": "other names of answers"}


def revision_with(own: str, beside: Mapping[str, str]) -> str:
    """A checkpoint's revision with what it was given beside its own files, by kind, as content hashes."""
    return " with ".join([own, *(f"{kind} {content}" for kind, content in sorted(beside.items()))])


def changed_in_revision(before: str, now: str) -> str | None:
    """What another revision is of, in words: "the same model with other features"; None where they are the same."""
    (own, *parts), (own_now, *parts_now) = before.split(" with "), now.split(" with ")
    if own != own_now:
        return "another model"
    changed = sorted({part.partition(" ")[0] for part in {*parts} ^ {*parts_now}})
    return f"the same model with {_BESIDE.get(changed[0], changed[0])}" if changed else None


@dataclass(frozen=True)
class Subject:
    """The pictures by their hashes, what was asked of them in full, and the model by its content."""

    question: str | None
    pictures: tuple[str, ...]
    asked: Mapping[str, Any]
    revision: str
    dtype: str

    @classmethod
    def of(cls, model: ModelInfo, pictures: Sequence[str], asked: Asked) -> "Subject":
        """`asked` is settled."""
        return cls(asked.question, tuple(pictures), json.loads(json.dumps(asked.to_dict())), model.revision,
                   model.dtype)

    @classmethod
    def read(cls, document: Any) -> "Subject | None":
        """That of an explanation's JSON form; None of anything else."""
        try:
            if document["schema_version"] != SCHEMA_VERSION:
                return None
            return cls(document["question"], tuple(one["sha256"] for one in document["images"]), document["asked"],
                       document["model"]["revision"], document["model"]["dtype"])
        except (LookupError, TypeError):
            return None

    def differs(self, other: "Subject") -> str | None:
        """In what first, in words; None where both are the same."""
        if self.question != other.question:
            return f"answers '{other.question}'"
        if self.pictures != other.pictures:
            return "is of another picture of that name"
        if self.asked != other.asked:
            return "answers something else that was asked"
        what = changed_in_revision(self.revision, other.revision)
        if what is not None:
            return f"is of {what}"
        if self.dtype != other.dtype:
            return f"is of the same model in {other.dtype}"
        return None
