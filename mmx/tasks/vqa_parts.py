"""What a model that answers about regions needs beside its weights: the regions, and what its answers are called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

from mmx.catalog import ANSWERS, REGION_DETECTOR, REGION_FEATURES, parse_names
from mmx.checkpoints import Source, read_extra
from mmx.errors import CheckpointError, UsageError, shown_path
from mmx.families._vqa import VqaFamily
from mmx.hub import fetch_vocabulary
from mmx.regions.base import RegionProvider, RegionSet, make_provider
from mmx.tasks.precomputed import PrecomputedRegions
from mmx.types import Picture

_WAYS = (f"Fetch it where there is a network ('mmx models pull {REGION_DETECTOR}'), or give its folder (--regions "
         "frcnn:FOLDER) or features (--features FILE); --regions grid runs without, and answers mean nothing then.")


@dataclass(frozen=True)
class Given:
    """What the user says of these, in the place of what the checkpoint says or mmx knows; see `mmx.load`."""

    regions: Mapping[str, Any] | None = None
    features: Path | None = None
    answers: Sequence[str] | Path | None = None


NOTHING_GIVEN = Given()


class VqaParts:
    """Each is read when it is first needed."""

    def __init__(self, source: Source, family: VqaFamily, config: PreTrainedConfig, device: str, given: Given) -> None:
        self._source, self._family, self._config, self._device, self._given = source, family, config, device, given
        self._size = family.region_features(config)

    @cached_property
    def _own_regions(self) -> dict[str, Any] | None:
        """Those that the checkpoint was trained on, where that is known."""
        said = read_extra(self._source, "regions.json")
        return said or ({"provider": "frcnn"} if self._size == REGION_FEATURES else None)

    @property
    def region_options(self) -> dict[str, Any]:
        """Which region provider it is, and how it is set."""
        return dict(self._given.regions or self._own_regions or {"provider": "grid"})

    @cached_property
    def region_provider(self) -> RegionProvider | PrecomputedRegions:
        """Features that were computed before, else what was asked for, else what the checkpoint was trained on."""
        if self._given.features is not None:
            return PrecomputedRegions(self._given.features, self._size)
        try:
            return make_provider(self.region_options, self._device, self._size)
        except CheckpointError as error:
            if self._given.regions is not None or self.region_options != {"provider": "frcnn"}:
                raise
            told = f"{self._source.name} takes the regions of a detector: {error.message}"
            raise CheckpointError(told, _WAYS) from error
        except (UsageError, LookupError, TypeError, ValueError) as error:
            why = str(error) if isinstance(error, UsageError | ValueError) else repr(error)
            if isinstance(error, UsageError) and self._given.regions is not None:
                raise
            if self._given.regions is not None:
                raise UsageError(f"These regions do not fit {self._source.name}: {why}.") from error
            raise CheckpointError(f"The regions.json of {self._source.name} cannot be used: {why}") from error

    def regions_of(self, pictures: Sequence[Picture]) -> list[RegionSet]:
        provider = self.region_provider
        if isinstance(provider, PrecomputedRegions):
            return provider.of(pictures)
        return provider.regions([picture.image for picture in pictures])

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of every result must know."""
        provider = self.__dict__.get("region_provider")
        return (*self._region_warnings, *getattr(provider, "warnings", ()), *self._named_answers[1])

    @cached_property
    def _region_warnings(self) -> tuple[str, ...]:
        given, own = self._given.regions, self._own_regions
        if self._given.features is not None:
            return ()
        if given is not None and own is not None and dict(given) != own and own != {"provider": given["provider"]}:
            return (f"{self._source.name} was trained on other regions than these: its answers mean little",)
        if given is not None or own is not None:
            return ()
        return (f"{self._source.name} names no region detector, so regions are cells of a plain grid: a model that was "
                "trained on detector features answers at random from these",)

    @property
    def answers(self) -> list[str]:
        """By index."""
        return self._named_answers[0]

    @cached_property
    def _named_answers(self) -> tuple[list[str], tuple[str, ...]]:
        """Those given, else the config's, else what the original release called them, else numbers and a warning."""
        count, given, name = self._family.answer_count(self._config), self._given.answers, self._source.name
        if isinstance(given, Path):
            return _read_answers(given, count), ()
        if given is not None:
            if len(given) != count:
                raise UsageError(f"{len(given)} answers were given; {name} has {count}.")
            return list(given), ()
        numbered = self._family.answers(self._config)
        if self._family.names_answers(self._config):
            return numbered, ()
        if name not in ANSWERS or ANSWERS[name].length != count:
            return numbered, (f"{name} does not name its answers, so they are numbers: give --answers FILE",)
        try:
            return fetch_vocabulary(ANSWERS[name]), ()
        except CheckpointError as error:
            return numbered, (f"answers are numbers: {error.message} Give --answers FILE",)


def _read_answers(path: Path, count: int) -> list[str]:
    try:
        return parse_names(path.read_bytes(), shown_path(path), count)
    except OSError as error:
        raise UsageError(f"{shown_path(path)} cannot be read ({error.strerror}).", "Check the path.") from error
    except CheckpointError as error:
        raise UsageError(error.message, error.hint) from error
