"""Which classes of a model are what a category of an annotation file is, by their names."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmx.errors import UsageError, shown_path, unknown_choice

_WORDNET_ID = re.compile(r"\bn\d{8}\b")
_SHIPPED = Path(__file__).parent / "coco_imagenet.json"
_HINT = 'Give a JSON object such as {"dog": ["pug", "beagle"], "tv": ["television"]}.'


@dataclass(frozen=True)
class Synonyms:
    """Further names of categories: what else a class may be called that is of them, and WordNet's ids.

    Attributes:
        names: by category, in lower case; an entry is a name, an id such as "n02123045", or both.
        given: those of them that a user gave, as written.
        sha256: of all that decides on a match.
    """

    names: Mapping[str, Sequence[str]]
    given: Mapping[str, Sequence[str]]
    sha256: str

    @classmethod
    def read(cls, path: Path | None = None) -> "Synonyms":
        """ImageNet's classes that are of COCO's categories, and a user's file, whose categories are as it has them.

        Raises:
            UsageError: it is no object of lists of names.
        """
        given = {} if path is None else _parsed(path)
        shipped = json.loads(_SHIPPED.read_text(encoding="utf-8"))
        names = {_plain(category): tuple(map(_plain, several)) for category, several in {**shipped, **given}.items()}
        told = json.dumps([sorted(names.items()), sorted(given.items())])
        return cls(names, given, hashlib.sha256(told.encode()).hexdigest())

    def called(self, category: str) -> str:
        """What a text calls a category: the first name that a user gave, or its own."""
        several = {_plain(one): names for one, names in self.given.items()}.get(_plain(category), ())
        return next((name for name in several if not _WORDNET_ID.search(name)), category)

    def check(self, categories: Sequence[str]) -> None:
        """Raises UsageError where a user gave names of a category that is not among these."""
        known = set(map(_plain, categories))
        for name in self.given:
            if _plain(name) not in known:
                raise unknown_choice(f"The synonyms are of '{name}', which is no category of the annotation file.",
                                     name, "categories", list(categories), 20)

    def classes_of(self, labels: Sequence[str], categories: Mapping[int, str]) -> dict[int, tuple[int, ...]]:
        """By category, the classes that are of it; without those that none is of.

        A label such as "tabby, tabby cat" is several names. Where every category is a class of its own name, names
        alone count. Else synonyms go first, since a name may mean something else: ImageNet's "kite" is a bird.

        Args:
            labels: of the model's classes, by number.
            categories: names by id.
        """
        named = [_names_in(label) for label in labels]
        plain = {number: _plain(name) for number, name in categories.items()}
        own = {number: [index for index, names in enumerate(named) if name in names] for number, name in plain.items()}
        if not self.given and all(own.values()):
            return {number: tuple(classes) for number, classes in own.items()}
        further = {number: [index for index, names in enumerate(named) if self._is_of(names, name)]
                   for number, name in plain.items()}
        taken = {index for classes in further.values() for index in classes}
        found = {number: sorted({*further[number], *(index for index in own[number] if index not in taken)})
                 for number in plain}
        return {number: tuple(classes) for number, classes in found.items() if classes}

    def _is_of(self, names: set[str], category: str) -> bool:
        """By WordNet's id where a label has one, else by any of its names."""
        ids = {name for name in names if _WORDNET_ID.fullmatch(name)}
        for entry in self.names.get(category, ()):
            own = _WORDNET_ID.findall(entry)
            if ids.intersection(own) or (not (ids and own) and _WORDNET_ID.sub("", entry).strip() in names - {""}):
                return True
        return False


def _names_in(label: str) -> set[str]:
    ids = _WORDNET_ID.findall(label)
    return {*ids, *(_plain(name) for name in _WORDNET_ID.sub("", label).split(","))} - {""}


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").lower().split())


def _parsed(path: Path) -> dict[str, list[str]]:
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{shown_path(path)} cannot be read ({error.strerror}).", "Check the path.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{shown_path(path)} is no JSON.", _HINT) from error
    if not isinstance(found, dict) or not all(
            isinstance(names, list) and names and all(isinstance(name, str) and name.strip() for name in names)
            for names in found.values()):
        raise UsageError(f"{shown_path(path)} has no list of names for each category.", _HINT)
    return found
