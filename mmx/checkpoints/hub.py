"""The Hugging Face hub: what of it lies in the local cache, and fetching what does not.

What is cached is used as it is, without asking the network. Cache, mirror, token and offline mode are those of
`huggingface_hub`: HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE and the proxies'.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from mmx.checkpoints import openclip
from mmx.checkpoints.catalog import known_checkpoint, shipped_names
from mmx.checkpoints.names import names_in
from mmx.errors import CheckpointError
from mmx.families.base import Names

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

MARKERS = ("config.json", "config.yaml", openclip.CONFIG)
WEIGHT_FILES = ("*.safetensors", "pytorch_model*.bin", openclip.WEIGHTS[1])
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt")
SETTINGS_FILES = ("*.json", "*.txt", "*.yaml", "*.model")
"""Config, tokenizer, processor, regions, indices of shards: all beside the weights that decides what comes out."""
_PATIENCE_S = 5


def cached_folder(name: str, revision: str | None = None, kinds: Sequence[str] = WEIGHT_FILES) -> Path | None:
    """Where a hub checkpoint lies in the local cache, with files of these kinds, or None. Asks no network."""
    from huggingface_hub import try_to_load_from_cache

    for marker in MARKERS:
        found = try_to_load_from_cache(name, marker, revision=revision or _known_revision(name))
        folder = Path(found).parent if isinstance(found, str) else None
        if folder is not None and any(path.exists() for kind in kinds for path in folder.glob(kind)):
            return folder
    return None


def fetch(name: str, revision: str | None = None, kinds: Sequence[str] = WEIGHT_FILES) -> Path:
    """Downloads what of a hub checkpoint is not cached, and gives its folder.

    Args:
        kinds: of the files beside its settings, the first kind that it has.

    Raises:
        CheckpointError: there is no such checkpoint, or the hub cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    revision = revision or _known_revision(name)
    wanted = _wanted_files(_ask(name, revision), kinds)
    silent = are_progress_bars_disabled()
    (enable_progress_bars if sys.stderr.isatty() else disable_progress_bars)()
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=wanted))
    except Exception as error:  # the hub, its transport and the disk each raise their own kinds
        raise CheckpointError(f"{name} could not be fetched from the hub: {_first_line(error)}.",
                              "Try again: what has come already is kept.") from error
    finally:
        (disable_progress_bars if silent else enable_progress_bars)()


def _known_revision(name: str) -> str | None:
    known = known_checkpoint(name)
    return known.revision if known else None


def is_offline() -> bool:
    """Whether the user forbids the network."""
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE


def _ask(name: str, revision: str | None) -> "ModelInfo":
    """What the hub says of a checkpoint: asked once and not for long, where its own client tries for half a minute."""
    from huggingface_hub import HfApi
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    there = f"{name}@{revision}" if revision else name
    if is_offline():
        raise _missing(there, "HF_HUB_OFFLINE forbids fetching it", HF_HUB_CACHE)
    try:
        return HfApi().model_info(name, revision=revision, timeout=_PATIENCE_S)
    except RevisionNotFoundError as error:
        raise CheckpointError(f"{name} has no revision '{revision}' on the hub.", "Leave `revision=` out.") from error
    except GatedRepoError as error:
        raise CheckpointError(f"{name} is given out on request only.", "Ask for it on the hub, then set HF_TOKEN, or "
                              "run 'hf auth login'.") from error
    except RepositoryNotFoundError as error:
        raise CheckpointError(f"There is no checkpoint {name} on the hub, or it is private.",
                              "Check the name; for a private one set HF_TOKEN.") from error
    except Exception as error:
        raise _missing(there, f"the hub cannot be reached ({_first_line(error)})", HF_HUB_CACHE) from error


def _missing(name: str, why: str, cache: str) -> CheckpointError:
    shipped = f", or take one that ships with mmx: {', '.join(shipped_names())}" if shipped_names() else ""
    return CheckpointError(f"{name} is not in the local cache ({cache}), and {why}.",
                           f"Where there is a network, run 'mmx models pull {name.partition('@')[0]}' and take the "
                           f"cache along (HF_HOME); or name a folder that holds the checkpoint{shipped}.")


def _wanted_files(info: "ModelInfo", kinds: Sequence[str]) -> list[str]:
    """Settings, and what of the first of the kinds there is, of what lies at the top of a checkpoint."""
    top = [one.rfilename for one in info.siblings or () if "/" not in one.rfilename]
    unwanted = _in_the_other_format(top, info.config)
    others = _of_first_kind([name for name in top if name not in unwanted], kinds) or _of_first_kind(top, kinds)
    return [*(name for name in top if any(fnmatch(name, kind) for kind in SETTINGS_FILES)), *others]


def _of_first_kind(names: Sequence[str], kinds: Sequence[str]) -> list[str]:
    return next((found for kind in kinds if (found := [name for name in names if fnmatch(name, kind)])), [])


def _in_the_other_format(names: Sequence[str], config: Mapping[str, Any] | None) -> set[str]:
    """What is not read of a checkpoint in transformers' and open_clip's formats, by what the hub says of its config."""
    if openclip.CONFIG not in names or config is None:
        return set()
    return set(openclip.WEIGHTS) if "model_type" in config else set(names) - set(openclip.WEIGHTS)


def fetch_names(names: Names) -> list[str]:
    """The names in a file, out of the cache (HF_HOME/mmx) or else from where its authors keep it.

    Raises:
        CheckpointError: it is not cached and cannot be fetched, or it is not what it was.
    """
    from huggingface_hub.constants import HF_HOME

    path = Path(HF_HOME) / "mmx" / names.file_name
    if not path.is_file():
        content = _download(names)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(content)
        os.replace(file.name, path)
    return names_in(names, path.read_bytes())


def _download(names: Names) -> bytes:
    if is_offline():
        raise CheckpointError(f"{names.what} are not cached, and HF_HUB_OFFLINE forbids fetching them.")
    try:
        with urlopen(names.url, timeout=_PATIENCE_S) as reply:
            content = reply.read()
    except OSError as error:
        raise CheckpointError(f"{names.what} cannot be fetched from {names.url} ({_first_line(error)}).") \
            from error
    if names.sha256 not in (None, hashlib.sha256(content).hexdigest()):
        raise CheckpointError(f"{names.what} at {names.url} are no longer what they were.")
    names_in(names, content)
    return content


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".:")
