"""Fetching a checkpoint with all that goes with it: detector, tokenizer and what its answers are called."""

from collections.abc import Iterator

from mmx.catalog import (
    ANSWERS,
    ATTRIBUTES_OF_REGIONS,
    OBJECTS_OF_REGIONS,
    REGION_DETECTOR,
    TOKENIZERS,
    catalog,
)
from mmx.hub import TOKENIZER_FILES, WEIGHT_FILES, fetch, fetch_vocabulary


def pull_all(name: str, revision: str | None = None) -> Iterator[str]:
    """Asks the hub for what is newer than the cache, fetches it, and says of each thing where it lies.

    Raises:
        CheckpointError: something cannot be fetched.
    """
    needs = next((entry.needs for entry in catalog() if entry.name == name), ())
    for one in (name, *needs):
        kinds = TOKENIZER_FILES if one in TOKENIZERS.values() else WEIGHT_FILES
        yield f"{one} is in {fetch(one, revision if one == name else None, kinds)}"
    vocabularies = [ANSWERS[name]] if name in ANSWERS else []
    if REGION_DETECTOR in (name, *needs):
        vocabularies += [OBJECTS_OF_REGIONS, ATTRIBUTES_OF_REGIONS]
    for vocabulary in vocabularies:
        fetch_vocabulary(vocabulary)
        yield f"{vocabulary.what} are in {vocabulary.file_name}"
