"""Runs the model on many reduced inputs at once, each distinct one a single time."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmx.arrays import Bool, Int, Shaped
from mmx.devices import is_out_of_memory, make_room
from mmx.errors import Notice
from mmx.perturbation.removal import Inputs, Removal

_BITS = 62  # in a word of a key


@dataclass(frozen=True)
class Subsets:
    """Reduced inputs to be: the sample each is made of, and what it keeps, by modality."""

    samples: Int[Tensor, " rows"]
    kept: Mapping[str, Bool[Tensor, "rows _tokens"]]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, rows: Int[Tensor, " fewer"] | Bool[Tensor, " rows"]) -> "Subsets":
        return Subsets(self.samples[rows], {modality: mask[rows] for modality, mask in self.kept.items()})

    @classmethod
    def of_steps(cls, kept: Bool[Tensor, "samples steps tokens"], modality: str,
                 present: Mapping[str, Bool[Tensor, "samples _tokens"]]) -> "Subsets":
        """Those of every sample and step, sample by sample: one modality reduced, the other whole."""
        samples = torch.arange(len(kept), device=kept.device).repeat_interleave(kept.shape[1])
        whole = {other: mask[samples] for other, mask in present.items()}
        return cls(samples, {**whole, modality: kept.flatten(0, 1)})

    @classmethod
    def joined(cls, several: Sequence["Subsets"]) -> "Subsets":
        """One after another."""
        return cls(torch.cat([one.samples for one in several]),
                   {modality: torch.cat([one.kept[modality] for one in several]) for modality in several[0].kept})

    def distinct(self) -> tuple["Subsets", Int[Tensor, " rows"]]:
        """Each once, and for every row its place among them."""
        keys = torch.cat([self.samples[:, None], *(_packed(mask) for mask in self.kept.values())], dim=1)
        places = torch.unique(keys, dim=0, return_inverse=True)[1]
        rows = torch.arange(len(self), device=places.device)
        first = rows.new_full((int(places.max()) + 1,), len(self)).scatter_reduce_(0, places, rows, "amin")
        return self[first], places


Read = Callable[[Inputs, Int[Tensor, " rows"]], Shaped[Tensor, "rows ..."]]
"""What is found of reduced inputs, given the sample that each is made of."""


@torch.inference_mode()
def run_subsets(removal: Removal, inputs: Inputs, subsets: Subsets, *, tokens_at_once: int,
                read: Read | None = None) -> Shaped[Tensor, "{len(subsets)} ..."]:
    """What `read` finds of every row, in order; without, its logits.

    Rows of similar length run together, so that little is padded.

    Args:
        inputs: the whole samples, as the model's forward takes them.
        tokens_at_once: words and regions, padding included, that one forward takes at most.
    """
    read = read or (lambda reduced, samples: removal.run(reduced)["logits"])
    wanted, places = subsets.distinct()
    counts = removal.lengths(wanted.kept)
    order = (counts["image"] * (1 + int(counts["text"].max())) + counts["text"]).argsort(descending=True, stable=True)
    lengths = torch.stack([counts["text"], counts["image"]], dim=1)[order].tolist()
    found = []
    for start, end, words, regions in _turns(lengths, tokens_at_once, removal.pads_texts):
        found += _read(removal, inputs, wanted[order[start:end]], {"text": words, "image": regions}, read)
    return torch.cat(found)[order.argsort()[places]]


def _read(removal: Removal, inputs: Inputs, rows: Subsets, sizes: Mapping[str, int], read: Read) -> list[Tensor]:
    """Of rows in order, in halves where the device has no room for all of them."""
    try:
        return [read(removal.reduced(inputs, rows.samples, rows.kept, sizes), rows.samples)]
    except Exception as error:
        if len(rows) == 1 or not is_out_of_memory(error):
            raise
    make_room(rows.samples.device)  # when the error has let go of what it held
    warnings.warn("reduced inputs go through the model in smaller batches, for want of memory", Notice, stacklevel=2)
    places = torch.arange(len(rows), device=rows.samples.device)
    return [one for half in places.chunk(2) for one in _read(removal, inputs, rows[half], sizes, read)]


def _turns(lengths: list[list[int]], tokens_at_once: int, pads_texts: bool) -> Iterator[tuple[int, int, int, int]]:
    """Where each forward begins and ends, and to how many words and regions its rows are padded, 1 at least."""
    start, words, regions = 0, 1, 1
    for end, (text, image) in enumerate(lengths):
        longer = max(words, text), max(regions, image)
        too_many = (end + 1 - start) * sum(longer) > tokens_at_once
        if end > start and (too_many or not (pads_texts or text == words)):
            yield start, end, words, regions
            start, longer = end, (max(1, text), max(1, image))
        words, regions = longer
    yield start, len(lengths), words, regions


def _packed(mask: Bool[Tensor, "rows tokens"]) -> Int[Tensor, "rows words"]:
    """Masks as numbers, int64."""
    padded = torch.nn.functional.pad(mask.long(), (0, -mask.shape[1] % _BITS))
    weights = 2 ** torch.arange(_BITS, device=mask.device)
    return (padded.reshape(len(mask), -1, _BITS) * weights).sum(dim=2)
