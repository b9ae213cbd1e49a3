"""What Visual Genome's 1600 objects and 400 attributes are called."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmx.checkpoints import hub
from mmx.checkpoints.catalog import ATTRIBUTES_OF_REGIONS, OBJECTS_OF_REGIONS
from mmx.checkpoints.names import names_in
from mmx.errors import CheckpointError
from mmx.families.base import Names


@dataclass(frozen=True)
class RegionNames:
    """Empty lists where names are not at hand; `warning` says why."""

    objects: Sequence[str] = ()
    attributes: Sequence[str] = ()
    warning: str | None = None

    def of(self, objects: Sequence[int], attributes: Sequence[int]) -> tuple[str | None, ...]:
        """ "blue sky" for each region, or None."""
        if not self.objects:
            return (None,) * len(objects)
        return tuple(f"{self.attributes[attribute]} {self.objects[index]}"
                     for index, attribute in zip(objects, attributes, strict=True))


def region_names(folder: Path) -> RegionNames:
    """Out of objects_vocab.txt and attributes_vocab.txt in a folder, or else fetched once and cached."""
    try:
        return RegionNames(_read(folder, OBJECTS_OF_REGIONS), _read(folder, ATTRIBUTES_OF_REGIONS))
    except CheckpointError as error:
        return RegionNames(warning=f"regions go without names: {error.message} Put {OBJECTS_OF_REGIONS.file_name} and "
                                   f"{ATTRIBUTES_OF_REGIONS.file_name} into {folder}")


def _read(folder: Path, vocabulary: Names) -> list[str]:
    path = folder / vocabulary.file_name
    return names_in(vocabulary, path.read_bytes()) if path.is_file() else hub.fetch_names(vocabulary)
