"""Kinds of input: what a family's models are asked with, and how that becomes the arguments of their forward."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from mmx.families._tilings import Tiling

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
    ask: Literal["question", "texts", ""] = "question"
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


@dataclass(frozen=True)
class Shown:
    """A picture that a processor has made ready for a prompt.

    Attributes:
        size: width and height of the picture.
        part: of the picture, left, top, right, bottom in its pixels, that the processor leaves of it.
        tensors: what the image processor makes of it.
        config: of the checkpoint.
        processor: the checkpoint's image processor.
        count: of the pictures in the prompt.
    """

    size: tuple[int, int]
    part: Callable[[], tuple[float, float, float, float]]
    tensors: Mapping[str, Any]
    config: Any
    processor: Any
    count: int = 1


@dataclass(frozen=True)
class PromptPixels(Pixels):
    """Pictures in the prompt of a language model, as the checkpoint's processor has them: whole, in tiles, in patches.

    Attributes:
        tiling: where in a picture its image tokens lie, and the patches of the tower.
        form: as of `Prompt`.
    """

    kind: ClassVar[str] = "prompt_pixels"
    tiling: Callable[[Shown], Tiling] = field(kw_only=True)
    form: str = "{question}"


@dataclass(frozen=True)
class Prompt(Text):
    """What a language model is asked about pictures, in the checkpoint's own chat template.

    Attributes:
        form: the prompt of a checkpoint without a template; {image} in it stands for what marks its pictures.
        ends: the end of a form, where the processor writes it itself.
        caption: what is asked where there is no question; `captioned`: in which form, where that is another.
    """

    kind: ClassVar[str] = "prompt"
    ask: Literal["question", "texts", ""] = ""
    names: tuple[str, ...] = ("input_ids", "attention_mask")
    form: str = "{question}"
    ends: str = ""
    caption: str = "Describe the picture."
    captioned: str = ""


@dataclass(frozen=True)
class Reread(Text):
    """A prompt as another part of the model reads it beside the language model, by words of its own.

    Attributes:
        names: of that part's ids, and of what says which of them count.
        tokenizer: its name in the processor.
    """

    kind: ClassVar[str] = "reread"
    ask: Literal["question", "texts", ""] = ""
    part: str = "question"
    names: tuple[str, ...] = ("qformer_input_ids", "qformer_attention_mask")
    tokenizer: str = "qformer_tokenizer"

    @property
    def mask(self) -> str:
        return self.names[1]


@dataclass(frozen=True)
class Completion(Written):
    """The answer that a language model writes behind its prompt.

    Attributes:
        constants: what further inputs have at its tokens, where not 0.
    """

    kind: ClassVar[str] = "completion"
    part: str = "text"
    names: tuple[str, ...] = ("input_ids", "attention_mask")
    end: str = ""
    constants: Mapping[str, int] = field(default_factory=dict, hash=False)


Input = Text | Pixels | Regions | Written
