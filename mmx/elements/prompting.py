"""Prompts of a language model that is shown pictures, as the checkpoint's own processor writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from PIL import Image
from torch import Tensor

from mmx.checkpoints.processors import load_whole_processor
from mmx.elements.base import Context
from mmx.errors import CheckpointError, UsageError

_MARK = "mmxquestion"
"""Stands for a question where it is looked for in what a chat template makes of it."""


@dataclass(frozen=True)
class Rendered:
    """A prompt before its pictures are put into it, and where the question stands there."""

    text: str
    start: int
    stop: int
    ends: str = ""

    @property
    def given(self) -> str:
        """What the processor is given: its end it writes itself."""
        return self.text.removesuffix(self.ends)


class Prompting:
    """What a checkpoint's processor makes of pictures and questions."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @classmethod
    def of(cls, context: Context) -> "Prompting":
        """The one that all encoders of a checkpoint share."""
        return context.shared.setdefault("prompting", cls(context))

    @cached_property
    def processor(self) -> Any:
        """The whole of it: image processor, tokenizer, chat template."""
        found = load_whole_processor(self._context.given.processor or self._context.source)
        found.image_processor = _Remembering(found.image_processor)
        return found

    @property
    def tokenizer(self) -> Any:
        """Its tokenizer."""
        return self.processor.tokenizer

    @property
    def name(self) -> str:
        """The checkpoint's."""
        return self._context.source.name

    def rendered(self, question: str, pictures: int = 1, form: str = "{question}", ends: str = ""
                 ) -> Rendered:
        """The prompt that asks a question.

        Args:
            form, ends: of the prompt, where the checkpoint has no chat template; see `Prompt`.

        Raises:
            UsageError: the question has a token that stands for something else.
        """
        for token in self.tokenizer.all_special_tokens:
            if token in question:
                raise UsageError(f"The question has '{token}', which stands for something else in prompts of "
                                 f"{self.name}.", "Say it in other words.")
        text, marked = (self._templated(one, pictures, form) for one in (question.strip(), _MARK))
        start = marked.rfind(_MARK)
        if start < 0 or text[start:start + len(question.strip())] != question.strip():
            raise CheckpointError(f"The chat template of {self.name} leaves the question out.",
                                  "Look at its chat_template.")
        return Rendered(text, start, start + len(question.strip()), "" if self._has_template else ends)

    @property
    def _has_template(self) -> bool:
        return bool(getattr(self.processor, "chat_template", None))

    def _templated(self, question: str, pictures: int, form: str) -> str:
        if not self._has_template:
            return form.format(question=question, image=str(getattr(self.processor, "image_token", "")) * pictures)
        content = [*({"type": "image"} for _ in range(pictures)), {"type": "text", "text": question}]
        try:
            return self.processor.apply_chat_template([{"role": "user", "content": content}], tokenize=False,
                                                      add_generation_prompt=True)
        except Exception as error:  # whatever a template written by others may raise
            raise CheckpointError(f"The chat template of {self.name} fails: {' '.join(str(error).split())}.",
                                  "Look at its chat_template.") from error

    def encoded(self, pictures: Sequence[Image.Image], prompt: Rendered) -> Mapping[str, Tensor]:
        """What the model's forward takes of a prompt and its pictures. Raises CheckpointError where that fails.

        They are given as those of one prompt, as a chat template does: some processors show them otherwise then.
        """
        try:
            found = dict(self.processor(images=[list(pictures)], text=prompt.given, return_tensors="pt",
                                        add_special_tokens=self.adds_special(prompt.text)))
            return {name: value for name, value in found.items() if name != "labels"}  # which some make to train with
        except MemoryError:
            raise
        except Exception as error:  # whatever settings without sense lead to
            why = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            sizes = " and ".join(f"{one.width} x {one.height}" for one in pictures)
            raise CheckpointError(f"The processor of {self.name} ({type(self.processor).__name__}) fails on a picture "
                                  f"of {sizes} pixels: {why}.", "Look at its preprocessor_config.json and "
                                  "processor_config.json.") from error

    @property
    def made(self) -> Mapping[str, Any]:
        """What the image processor made of the last pictures, what no forward takes among it."""
        return dict(self.processor.image_processor.found)

    def adds_special(self, text: str) -> bool:
        """Whether the tokenizer adds its own tokens: not where a template has written the first one."""
        first = self.tokenizer.bos_token
        return first is None or not text.startswith(first)


class _Remembering:
    """An image processor that remembers what it made last: questions about one picture share it."""

    def __init__(self, own: Any) -> None:
        self._own = own
        self._given, self._options, self.found = list[Any](), "", None

    def __call__(self, images: Any, **options: Any) -> Any:
        flat, told = _flat(images), repr(sorted(options.items(), key=str))
        if self.found is None or told != self._options or list(map(id, flat)) != list(map(id, self._given)):
            self.found = self._own(images, **options)
            self._given, self._options = flat, told
        return type(self.found)(dict(self.found))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)


def _flat(images: Any) -> list[Any]:
    return [one for several in images for one in _flat(several)] if isinstance(images, list | tuple) else [images]
