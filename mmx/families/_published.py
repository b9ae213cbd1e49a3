"""What a family says of the checkpoints that mmx knows by name."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Names:
    """Names in a small file of their authors'; `has_synonyms` where a line holds several for one thing."""

    what: str
    url: str
    file_name: str
    length: int
    sha256: str | None = None
    has_synonyms: bool = False


@dataclass(frozen=True)
class Checkpoint:
    """One that mmx knows by name; one that ships lies in mmx/weights.

    Attributes:
        size_mb: of the weights, in float32.
        licence: of the checkpoint, or else of its authors' code, which is marked so.
        needs: other checkpoints of the hub without which it cannot answer.
        default_for: the fields of `Asked` that choose it where no checkpoint is named, "" for a picture alone; of one
            that does not ship, those for which it is named as the one for photographs.
        revision: where the main branch does not do, the branch that does.
        tokenizer: whose tokenizer it uses, where it has none.
        names: what its answers are called, where its config does not say.
        accuracy: as published, with the source.
    """

    name: str
    knows: str = "drawn shapes"
    size_mb: float = 0.0
    licence: str = "MIT"
    needs: tuple[str, ...] = ()
    default_for: tuple[str, ...] = ()
    revision: str | None = None
    tokenizer: str | None = None
    names: Names | None = None
    accuracy: tuple[float, str] | None = None
