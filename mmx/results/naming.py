"""What the files of a result are called: after the picture and what was asked, so that no two questions share one."""

import hashlib
import json
import unicodedata
from pathlib import Path

from mmx.results.items import DEFAULT_THRESHOLD, Asked

_LONGEST_NAME, _LONGEST_ASKED = 150, 60  # bytes; a file system takes 255, and method and ending follow


def file_stem(source: str, asked: Asked) -> str:
    """The stem of the files of what was asked, in full, of a picture."""
    return stem_of(picture_name(source), asked)


def stem_of(name: str, asked: Asked) -> str:
    """`<name>` or `<name>.<asked>`, for a picture of that plain name."""
    what = _words_of(asked)
    return f"{name}.{what}" if what else name


def picture_name(source: str) -> str:
    """The name of a picture's file without folders and ending, as every file system takes it."""
    return plain_name(Path(source.strip("<>")).stem)


def plain_name(name: str) -> str:
    """What every file system takes: letters and marks of any script, digits and -_. within a length in bytes."""
    kept = "".join(char if _is_letter(char) or char in "-_. " else "_" for char in unicodedata.normalize("NFC", name))
    return _cut(kept, _LONGEST_NAME).strip(". ") or "picture"


def _words_of(asked: Asked) -> str:
    """Readable, and with a hash where reading it does not give what was asked."""
    parts = [("", asked.question or "", "?"), *(("", text, "") for text in asked.texts),
             *(("target-", str(target), "") for target in asked.targets), ("class-", asked.class_name or "", ""),
             *(("query-", str(query), "") for query in asked.queries),
             *((f"{kind}-", str(given), "") for kind, given in (
                 ("answer", asked.answer), ("against", asked.against), ("at", asked.level), ("by", asked.score),
                 ("tokens", asked.max_new_tokens), ("function", asked.function_name),
                 ("samples", asked.samples)) if given is not None)]
    named = [(f"{kind}{_hyphenated(text)}", _hyphenated(text).replace("-", " ") + ending == text)
             for kind, text, ending in parts if text]
    if asked.threshold not in (None, DEFAULT_THRESHOLD):
        named.append((f"above-{asked.threshold:g}", float(f"{asked.threshold:g}") == asked.threshold))
    words = "_".join(word for word, _ in named)
    if len(words.encode()) <= _LONGEST_ASKED and all(is_exact for _, is_exact in named):
        return words
    whole = json.dumps([parts, asked.threshold]).encode()
    return f"{_cut(words, _LONGEST_ASKED).strip('-_. ')}-{hashlib.sha256(whole).hexdigest()[:6]}".lstrip("-")


def _hyphenated(text: str) -> str:
    return "-".join("".join(char if _is_letter(char) else " " for char in unicodedata.normalize("NFC", text)).split())


def _is_letter(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char)[0] == "M"


def _cut(text: str, length: int) -> str:
    return text.encode(errors="replace")[:length].decode(errors="ignore")
