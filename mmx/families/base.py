"""What a family says of itself: a table, read by everything above it. It needs no torch.

A family is one file in this folder (or an entry point `mmx.families` of another package) with one `FAMILY`,
or a tuple of them where several classes are alike.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from mmx.families._published import Checkpoint, Names
from mmx.families._scores import (
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
from mmx.reference import Reference
from mmx.schedule import Schedule, Site, Step

__all__ = [
    "FORMER_END", "UNIT_OF_PROBLEM", "Checkpoint", "Classes", "Family", "Input", "Labelled", "Matches", "Names",
    "Pairs", "Part", "Pixels", "Queries", "Read", "Regions", "Score", "Tensors", "Text", "TextQueries", "Tokens",
    "Written", "layers"]

Tensors = Mapping[str, Any]
"""name → tensor, batched: what a model's forward takes, or what is read of its output"""
FORMER_END = 2
"""What old configs have for the end token, which then is the largest id of a text, as in CLIP's original code."""


@dataclass(frozen=True)
class Text:
    """Words, as the checkpoint's tokenizer has them.

    Attributes:
        ask: what a user gives: a question about the picture, or texts that are matched with it.
        names: what the model's forward takes of the tokenizer's result, the ids first.
        padding: to the longest of a batch, or always to the model's own length; or never, where the class attends to
            padding: then only texts of one length run together.
        config: where in the config the text model's settings are, "" for the config itself.
        until: the output that says at which token each text ends; what follows does not count. Without, the
            attention mask says what counts.
        first_position: of a text, where its model's position embeddings begin before it.
    """

    kind: ClassVar[str] = "text"
    consists_of: ClassVar[str] = "words"
    ask: Literal["question", "texts"] = "question"
    part: str = "text"
    names: tuple[str, ...] = ("input_ids", "attention_mask", "token_type_ids")
    padding: Literal["longest", "max_length", "never"] = "longest"
    config: str = ""
    until: str | None = None
    first_position: int = 0

    @property
    def mask(self) -> str:
        return "attention_mask"


@dataclass(frozen=True)
class Pixels:
    """A picture, as the checkpoint's image processor has it, in a grid of patches.

    Attributes:
        config: where in the config the vision model's settings are, "" for the config itself.
        takes_mask: forward takes `pixel_mask` too.
        any_size: the model takes pictures of other sizes than `image_size`, and its grid with them.
        shrinks: with `any_size`, smaller ones than `image_size` are sure to do, too.
        pads: a picture is padded to whole patches at the right and below; without, what is left over is not seen.
        resized_by: forward's argument with which it does, where it interpolates its position embeddings for that.
        cells: the output whose axis 1 has the grid's cells, where they are a backbone's and not the config's patches.
    """

    kind: ClassVar[str] = "pixels"
    consists_of: ClassVar[str] = "patches"
    part: str = "image"
    config: str = ""
    takes_mask: bool = False
    any_size: bool = False
    shrinks: bool = True
    pads: bool = False
    resized_by: str | None = None
    cells: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return ("pixel_values", "pixel_mask") if self.takes_mask else ("pixel_values",)

    @property
    def mask(self) -> str:
        return "pixel_mask"


@dataclass(frozen=True)
class PatchedPixels(Pixels):
    """A picture that the processor cuts into patches itself, in a grid of its own, padded to as many as all have."""

    kind: ClassVar[str] = "patched_pixels"

    @property
    def names(self) -> tuple[str, ...]:
        return "pixel_values", self.mask, "spatial_shapes"

    @property
    def mask(self) -> str:
        return "pixel_attention_mask"


@dataclass(frozen=True)
class Regions:
    """Regions of a picture, each a vector of features, by forward's own names.

    Attributes:
        size: name in the config of how many numbers a region has.
        constants: further inputs of one number for each region.
    """

    kind: ClassVar[str] = "regions"
    consists_of: ClassVar[str] = "regions"
    features: str
    mask: str
    size: str
    boxes: str | None = None
    constants: Mapping[str, int] = field(default_factory=dict, hash=False)
    part: str = "image"

    @property
    def names(self) -> tuple[str, ...]:
        return (self.features, *((self.boxes,) if self.boxes else ()), self.mask, *self.constants)


@dataclass(frozen=True)
class Written:
    """The answer that a model writes, token after token, behind a token that starts it.

    Attributes:
        config: where in the config the settings of the model that writes are, "" for the config itself.
        start: name in the config of the token that starts it; `end`: of the one that ends it.
    """

    kind: ClassVar[str] = "written"
    consists_of: ClassVar[str] = "words"
    part: str = "answer"
    names: tuple[str, ...] = ("decoder_input_ids", "decoder_attention_mask")
    config: str = ""
    start: str = "bos_token_id"
    end: str = "eos_token_id"

    @property
    def mask(self) -> str:
        return self.names[1]


Input = Text | Pixels | Regions | Written


@dataclass(frozen=True)
class Read:
    """The row of a stream's relevance that explains a score, or a mean of rows.

    Attributes:
        row: its number; or a function of inputs and outputs that gives one for each entry of the stream's batch,
            (entries,); or None where it is the row of what is explained: a query's, or before a written token.
        part: in which queries are counted, of a stream that has other tokens too.
        weights: in its place, the weight of each part, shared out equally among its tokens, or a function of the config
            that gives them; beside a query's row, which then has the rest of 1.
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


@dataclass(frozen=True)
class Part:
    """Some tokens of a stream: a number of them, as many as axis 1 of an input, or (None) all that are left.

    `size` may also be the name of a number in the config.
    """

    name: str
    size: int | str | None = None


@dataclass(frozen=True)
class Family:
    """One kind of model, on its unmodified `transformers` classes.

    Attributes:
        architectures: names of the classes, as `architectures` in a config has them.
        model_type: for configs that name no architecture.
        score: what is explained.
        inputs: what is asked with, and how that becomes the forward's arguments.
        schedule: the attention sites of a model with this config, in order.
        roots: modules at whose output the gradient starts, or "module:argument".
        reads: the rows that explain a score.
        tokens: what the tokens of a stream are, in order; a stream that is absent is one part of its own name.
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
    roots: tuple[str, ...]
    reads: tuple[Read, ...]
    tokens: Mapping[str, tuple[Part, ...]] = field(default_factory=dict)
    model_type: str = ""
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
        return next((one.ask for one in self.inputs if isinstance(one, Text)), None)

    @property
    def does(self) -> str:
        """What such a model does, in a few words."""
        chooses = self.needs == "question" and isinstance(self.score, Labelled)
        return "answers questions" if chooses else self.score.does

    def parts(self, stream: str) -> tuple[Part, ...]:
        return self.tokens.get(stream, (Part(stream),))


def layers(module: str, stream: str, count: int, cols: str | None = None) -> Iterator[Step]:
    """A stack of attention layers, one step each: "encoder.layer.{}.attention", with the layer's number for {}."""
    return ((Site(module.format(i), stream, cols or stream),) for i in range(count))
