"""Fetching a checkpoint with all that goes with it: detector, tokenizer and what its answers are called."""

from collections.abc import Iterator

from mmx.checkpoints.catalog import (
    ATTRIBUTES_OF_REGIONS,
    OBJECTS_OF_REGIONS,
    REGION_DETECTOR,
    catalog,
    known_checkpoint,
    tokenizer_names,
)
from mmx.checkpoints.hub import TOKENIZER_FILES, WEIGHT_FILES, fetch, fetch_names


def pull_all(name: str, revision: str | None = None) -> Iterator[str]:
    """Asks the hub for what is newer than the cache, fetches it, and says of each thing where it lies.

    Raises:
        CheckpointError: something cannot be fetched.
    """
    needs = next((entry.needs for entry in catalog() if entry.name == name), ())
    for one in (name, *needs):
        kinds = TOKENIZER_FILES if one in tokenizer_names() else WEIGHT_FILES
        yield f"{one} is in {fetch(one, revision if one == name else None, kinds)}"
    known = known_checkpoint(name)
    files = [known.names] if known and known.names else []
    if REGION_DETECTOR in (name, *needs):
        files += [OBJECTS_OF_REGIONS, ATTRIBUTES_OF_REGIONS]
    for one in files:
        fetch_names(one)
        yield f"{one.what} are in {one.file_name}"
