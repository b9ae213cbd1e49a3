"""What answers and classes are called, out of small files of names."""

import json

from mmx.errors import CheckpointError
from mmx.families.base import Names


def names_in(file: Names, content: bytes) -> list[str]:
    """The names in the content of a file, of each line the first. Raises CheckpointError as `parse_names`."""
    names = parse_names(content, file.file_name, file.length)
    return [name.partition(",")[0] for name in names] if file.has_synonyms else names


def parse_names(content: bytes, file_name: str, length: int) -> list[str]:
    """`length` names out of an array in JSON, or one a line. CheckpointError where there are more, fewer or none."""
    try:
        text = content.decode("utf-8")
        names = json.loads(text) if file_name.endswith(".json") else text.removesuffix("\n").split("\n")
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{file_name} holds no names: {error}.", "Give a JSON array, or one a line.") from error
    if not isinstance(names, list):
        raise CheckpointError(f"{file_name} holds no names.", "Give a JSON array of them, or a name a line.")
    if len(names) != length:
        raise CheckpointError(f"{file_name} holds {len(names)} names where there must be {length}.",
                              "It is of another model, or cut short.")
    return [str(name).strip() for name in names]
