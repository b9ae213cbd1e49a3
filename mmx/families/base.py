"""What a family says of itself: a table, read by everything above it. It needs no torch.

A family is one file in this folder (or an entry point `mmx.families` of another package) with one `FAMILY`,
or a tuple of them where several classes are alike.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from mmx.families._inputs import (
    FORMER_END,
    Completion,
    Input,
    PatchedPixels,
    Pixels,
    Prompt,
    PromptPixels,
    Regions,
    Reread,
    Shown,
    Text,
    Written,
)
from mmx.families._published import Checkpoint, Names
from mmx.families._scores import (
    LOGIT,
    LOGPROB,
    PROBABILITY,
    SCORES,
    SIMILARITY,
    UNIT_OF_PROBLEM,
    Classes,
    Labelled,
    Matches,
    Pairs,
    Queries,
    Score,
    TextQueries,
    Tokens,
)
from mmx.families._tilings import Tiling
from mmx.reference import Reference
from mmx.schedule import Link, Schedule, Site, Step, Told

__all__ = [
    "FORMER_END", "LEVELS", "LOGIT", "LOGPROB", "PROBABILITY", "SCORES", "SIMILARITY", "TOKENS", "UNIT_OF_PROBLEM",
    "Checkpoint", "Classes", "Completion", "Family", "Input", "Labelled", "Matches", "Names", "Pairs", "Part",
    "PatchedPixels", "Pixels", "Prompt", "PromptPixels", "Queries", "Read", "Regions", "Reread", "Score", "Shown",
    "Tensors", "Text", "TextQueries", "Tiling", "Tokens", "Tower", "Written", "layers", "places"]

Tensors = Mapping[str, Any]
"""name → tensor, batched: what a model's forward takes, or what is read of its output"""


@dataclass(frozen=True)
class Read:
    """The row of a stream's relevance that explains a score, or a mean of rows.

    Attributes:
        row: its number; or a function of inputs and outputs that gives one for each entry of the stream's batch,
            (entries,); or None where it is the row of what is explained: a query's, or before a written token.
        part: in which queries are counted, of a stream that has other tokens too.
        weights: in its place, the weight of each part, shared out equally among its tokens, or a function of the config
            that gives them, or none for the row alone; beside a query's row, which then has the rest of 1.
        share: of what explains the score, where it is read in several streams that reach the same parts.
        omits_itself: the token that is read gets no relevance of its own, as in the reference.
        omits_identity: of relevance, R - I is read. A token that is shown itself has 1 from the start, and in a mean of
            rows each has the same, far more than attention adds where tokens are many: beside it nothing is seen.
    """

    stream: str
    row: int | Callable[[Tensors, Tensors], Any] | None = 0
    part: str = ""
    weights: Mapping[str, float] | Callable[[Any], Mapping[str, float]] | None = None
    share: float = 1.0
    omits_itself: bool = False
    omits_identity: bool = False

    def parts(self, config: Any) -> Mapping[str, float]:
        """The weight of each part; of none where a row alone is read."""
        return (self.weights(config) if callable(self.weights) else self.weights) or {}


@dataclass(frozen=True)
class Part:
    """Some tokens of a stream: a number of them, as many as axis 1 of an input, or (None) all that are left.

    `size` may also be the name of a number in the config, or a function of the config and the inputs. With `token` they
    stand anywhere among the others: where the inputs have the id that the config has under this name.
    """

    name: str
    size: int | str | Callable[[Any, Tensors], int] | None = None
    token: str = ""


@dataclass(frozen=True)
class Tower:
    """The vision tower that the image tokens of a language model come out of: "image", a stream of its own.

    Attributes:
        schedule: its sites; a picture in tiles is one stream whose tiles are windows.
        root: as of `Family`.
        into: the token of the language model's stream that each of its tokens becomes a part of; see `Link`.
        tokens: the parts of its stream.
    """

    schedule: Callable[[Any], Schedule]
    root: str
    into: Told
    tokens: tuple[Part, ...] = (Part("image"),)


TOKENS, TOWER, TOWER_NORMALIZED = LEVELS = ("tokens", "tower", "tower-normalized")
"""Where scores of pictures are read: at a language model's image tokens; carried back through the tower they come out
of to its patches; the same by N(R) of eq. 8 and 9 in the place of the tower's R."""


@dataclass(frozen=True)
class Family:
    """One kind of model, on its unmodified `transformers` classes.

    Attributes:
        architectures: names of the classes, as `architectures` in a config has them.
        model_type: for configs that name no architecture.
        settings: what a config has, of a family that has only some of its classes' checkpoints; it goes before those
            that have all of them.
        score: what is explained.
        inputs: what is asked with, and how that becomes the forward's arguments.
        schedule: the attention sites of a model with this config, in order.
        roots: by stream, the module at whose output the gradient starts, or "module:argument": what it gives are the
            embeddings of the stream's tokens.
        reads: the rows that explain a score.
        tokens: what the tokens of a stream are, in order; a stream that is absent is one part of its own name.
        tower: of a language model that is shown pictures, what its image tokens come out of.
        start_layers: by stream, the first layer that is read where none is asked for; -1 is the last one. A stream
            that is absent is read from its first layer on, and nothing else can be asked.
        output_of: the module whose output is read in the place of the model's, where that has less.
        outputs: what is read of the model's output; given that output, the network and the inputs.
        arguments: further arguments of forward.
        around: held while the model runs, given the network.
        completed: inputs with what forward needs and a caller may leave out.
        without_regions: modules whose first call gives zero for a sample that has lost all of its regions.
        reference: where the reference's code treats this family otherwise than the others.
        checkpoints: those that mmx knows by name.
    """

    architectures: tuple[str, ...]
    score: Score
    inputs: tuple[Input, ...]
    schedule: Callable[[Any], Schedule]
    roots: Mapping[str, str]
    reads: tuple[Read, ...]
    tokens: Mapping[str, tuple[Part, ...]] = field(default_factory=dict)
    model_type: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    tower: Tower | None = None
    start_layers: Mapping[str, int] = field(default_factory=dict)
    output_of: str = ""
    outputs: Callable[[Any, Any, Tensors], Tensors] = lambda found, network, inputs: {"logits": found.logits}
    arguments: Mapping[str, Any] = field(default_factory=dict)
    around: Callable[[Any], AbstractContextManager[Any]] | None = None
    completed: Callable[[Tensors], Tensors] = lambda inputs: inputs
    without_regions: Callable[[Any], tuple[str, ...]] | None = None
    reference: Reference = field(default_factory=Reference)
    checkpoints: tuple[Checkpoint, ...] = ()

    @property
    def needs(self) -> str | None:
        """What must be asked: "question" or "texts", or nothing."""
        return next((one.ask for one in self.inputs if isinstance(one, Text)), None) or None

    @property
    def sees(self) -> bool:
        """Whether it is asked about pictures."""
        return any(isinstance(one, Pixels | Regions) for one in self.inputs)

    @property
    def writes(self) -> bool:
        """Whether its answers are its own words, of which it has no list."""
        return isinstance(self.score, Tokens)

    @property
    def takes(self) -> frozenset[str]:
        """The fields of `Asked` that can be given beside what must be."""
        return self.score.takes - ({self.needs} if self.tower else {self.needs, "level"})

    @property
    def does(self) -> str:
        """What such a model does, in a few words."""
        chooses = self.needs == "question" and isinstance(self.score, Labelled)
        return "answers questions" if chooses else self.score.does

    def at(self, level: str) -> "Family":
        """The same where scores of pictures are read at one of `LEVELS`. Raises ValueError where it has no tower."""
        if level == TOKENS:
            return self
        if self.tower is None or level not in LEVELS:
            raise ValueError(level)
        tower, [stream] = self.tower, {read.stream for read in self.reads}
        joint = tuple(replace(part, name="image tokens") if part.name == "image" else part
                      for part in self.parts(stream))
        link = Link(stream, "image", tower.into, normalized=level == TOWER_NORMALIZED)
        return replace(self, roots={**self.roots, "image": tower.root},
                       tokens={**self.tokens, stream: joint, "image": tower.tokens},
                       schedule=lambda config: (*tower.schedule(config), link, *self.schedule(config)))

    def fits(self, config: Any) -> bool:
        """Whether it has the checkpoints of its classes with this config."""
        return all(getattr(config, name, None) == value for name, value in self.settings.items())

    def parts(self, stream: str) -> tuple[Part, ...]:
        return self.tokens.get(stream, (Part(stream),))


def places(here: Any) -> Any:
    """Where the tokens are for which a mask (batch, tokens) is true, in order, (batch, as many as each sample has).

    Raises ValueError where not all samples have as many.
    """
    first, *others = here.sum(dim=1).tolist()
    if any(one != first for one in others):
        raise ValueError(f"{[first, *others]}")
    return (~here).byte().sort(dim=1, stable=True).indices[:, :first]


def layers(module: str, stream: str, count: int, cols: str | None = None,
           windows: Told | None = None) -> Iterator[Step]:
    """A stack of attention layers, one step each: "encoder.layer.{}.attention", with the layer's number for {}."""
    return ((Site(module.format(i), stream, cols or stream, windows=windows),) for i in range(count))
