"""The folder of a run: one run at a time writes there, and nothing of another one is replaced unasked."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock, Timeout

from mmx.errors import Interrupted, OutputError, UsageError, shown_path
from mmx.studies.world import World, world_of

PARAMETERS, SUMMARY, TABLE = "run.json", "summary.json", "summary.csv"
_LOCK = ".run.lock"
_MOMENT_S = 0.3  # for one that only looks whether the folder is free


def shards(folder: Path) -> list[Path]:
    """The files of records, one for each process."""
    return sorted(folder.glob("records.*-of-*.jsonl"))


def path_of(given: str | Path | None) -> Path | None:
    """An empty name is none."""
    return Path(given) if given else None


@contextmanager
def study_folder(out: str | Path | None, world: World, *, resume: bool, overwrite: bool) -> Iterator[Path]:
    """The folder `out`, locked, or a temporary one that is gone afterwards. Raises UsageError where that cannot do."""
    if out is not None:
        with _locked(Path(out), resume, overwrite) if world.leads else nullcontext(), _kept(Path(out)):
            yield Path(out)
        return
    if resume or world.size > 1:
        raise UsageError("A run in a temporary folder cannot be gone on with or shared.", "Name a folder with `out=`.")
    with TemporaryDirectory(prefix="mmx-") as folder:
        try:
            yield Path(folder)
        except Interrupted as error:
            raise Interrupted("Interrupted; nothing is kept of a run without a folder.",
                              "Name one with `out=` to go on later.") from error


def check_out(out: Path, *, resume: bool, overwrite: bool) -> None:
    """Raises UsageError where another run is writing to the folder, or one is there and it is not said what to do.

    Needs no torch; of processes that share a run the leading one looks.
    """
    if not world_of(os.environ).leads:
        return
    if (out / _LOCK).is_file():
        with _locked(out, resume, overwrite):
            return
    refuse_replacing(out, resume=resume, overwrite=overwrite)


def refuse_replacing(folder: Path, *, resume: bool, overwrite: bool) -> None:
    """Raises UsageError where a run is in the folder, and it is not said whether it goes on or is replaced."""
    if resume and overwrite:
        raise UsageError("`resume=True` goes on with a run and `overwrite=True` replaces it.", "Give one of them.")
    there = [*shards(folder), *(path for path in (folder / PARAMETERS, folder / SUMMARY) if path.is_file())]
    if there and not (resume or overwrite):
        raise UsageError(f"{shown_path(folder)} holds a run already ({there[0].name}).",
                         "Go on with it (`resume=True`), replace it (`overwrite=True`), or choose another folder "
                         "with `out=`.")
    if resume and shards(folder) and not (folder / PARAMETERS).is_file():
        raise UsageError(f"{shown_path(folder)} has records but no {PARAMETERS}: it is not known what they are of.",
                         "Put that file back, replace the run with `overwrite=True`, or choose another folder "
                         "with `out=`.")


@contextmanager
def _locked(folder: Path, resume: bool, overwrite: bool) -> Iterator[None]:
    """The system lets go of the lock when its owner ends, however that is, so none is ever stale."""
    lock = FileLock(folder / _LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=_MOMENT_S)
    except Timeout as error:
        raise UsageError(f"Another run is writing to {shown_path(folder)}.",
                         "Wait until it has ended, or choose another folder with `out=`.") from error
    except OSError as error:
        raise OutputError(f"Nothing can be written to {shown_path(folder)}: {error.strerror}.",
                          "Choose another folder with `out=`.") from error
    except NotImplementedError:  # a file system without locks
        pass
    try:
        refuse_replacing(folder, resume=resume, overwrite=overwrite)
        yield
    finally:
        lock.release()
        if [path.name for path in folder.glob("*")] == [_LOCK]:
            (folder / _LOCK).unlink(missing_ok=True)


@contextmanager
def _kept(folder: Path) -> Iterator[None]:
    """Ctrl-C says what is kept, wherever it comes."""
    try:
        yield
    except Interrupted:
        raise
    except KeyboardInterrupt as error:
        if not shards(folder):
            raise
        raise Interrupted(f"Interrupted; the records in {shown_path(folder)} are kept.",
                          "Go on with `resume=True`.") from error
