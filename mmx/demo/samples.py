"""Drawn scenes, each with something to ask about it: one click on the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from mmx.asking import Asking
from mmx.demo.uploads import data_url, sent_as
from mmx.shapes.world import draw_scene, render

_SIZE, _THUMB = 480, 144


@dataclass(frozen=True)
class Sample:
    """The scene of a seed; `told` is what stands beside its picture."""

    seed: int
    told: str
    question: str = ""
    texts: tuple[str, ...] = ()

    @property
    def picture(self) -> dict[str, str]:
        return sent_as(f"scene-{self.seed}.png", self._drawn(_SIZE))

    @property
    def shown(self) -> dict[str, str]:
        """As the page lists it."""
        buffer = BytesIO()
        self._drawn(_THUMB).save(buffer, "WEBP", quality=80)
        return {"told": self.told, "url": data_url(buffer.getvalue(), "image/webp")}

    def _drawn(self, size: int) -> Image.Image:
        return render(draw_scene(self.seed), size).image


def _asking(seed: int, question: str) -> Sample:
    return Sample(seed, question, question=question)


def _matching(seed: int, *texts: str) -> Sample:
    return Sample(seed, " / ".join(texts), texts=texts)


_NEEDING: dict[str | None, tuple[Sample, ...]] = {
    "question": (_asking(5029, "what color is the circle?"), _asking(5188, "which shape is the purple object?"),
                 _asking(5222, "is there a red triangle?"), _asking(5252, "how many squares are in the picture?")),
    "texts": (_matching(5029, "a yellow circle", "a purple star"), _matching(5268, "a blue square", "a red square"),
              _matching(5343, "there is a green star", "there is a purple circle")),
    None: (Sample(5029, "five things"), Sample(5188, "a purple star"), Sample(5343, "a green star")),
}
_SPEAKING = (_asking(5029, "what do you see?"), *_NEEDING["question"])
_OBJECTS = (Sample(5029, "five things"), Sample(5268, "two triangles and more"), Sample(5167, "a cyan circle"))


def samples_for(asking: Asking) -> Sequence[Sample]:
    """Those that have what a model needs to be asked, or can be."""
    needs = asking.subject.needs
    can_be_asked = {"question": _SPEAKING, "queries": _OBJECTS} if needs is None else {}
    return next((found for field, found in can_be_asked.items() if field in asking.fields), _NEEDING[needs])
