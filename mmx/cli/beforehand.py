"""What can be said of a command line before torch is loaded, which takes seconds: names, kinds and paths."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from mmx.checkpoints.catalog import Default
from mmx.checkpoints.choices import Source, check_dtype, kind_of_device, resolve
from mmx.checkpoints.families import check_given, check_problem, family_of
from mmx.checkpoints.folders import (
    SAVE_ANEW,
    SHOWN_BY,
    plain_config,
    processor_settings,
    refuse_pointers,
    text_files,
    weight_files,
)
from mmx.cli.opening import chosen_model, parse_regions
from mmx.errors import CheckpointError, UsageError, shown_path, shown_value
from mmx.families.base import Family, Pixels
from mmx.methods import named_methods
from mmx.results import Asked, check_fits

if TYPE_CHECKING:
    from mmx.show.saving import Drawing

_SOON = 16 * 2**20  # bytes


def check_choices(methods: Sequence[str], device: str, dtype: str = "auto") -> None:
    """Raises UsageError for a name that is unknown."""
    named_methods(methods)
    kind_of_device(device)
    check_dtype(dtype)


def check_model(name: str | None, revision: str | None, default: Default | None = None, *, regions: str | None = None,
                features: Path | None = None, answers: Path | None = None, processor: str | None = None,
                asked: Sequence[Asked] = (), check: Callable[[Family, str], None] = lambda family, name: None,
                of_family: bool = True) -> None:
    """That there is such a checkpoint, fetched if need be, of a family that takes what is given with it.

    Args:
        asked: what is asked of it.
        check: what else must be true of its family.
        of_family: whether it must be of one, or is only looked over.

    Raises:
        UsageError: there is none, or something that is asked or given with it is not there or does not fit.
        CheckpointError: it cannot be fetched, or a file of it is missing or damaged.
    """
    options, source = parse_regions(regions), resolve(chosen_model(name, default)[0], revision)
    shown_by = None if processor is None else resolve(processor, kinds=SHOWN_BY)
    if of_family:
        _check_family(source, (options, features, answers), shown_by, asked, check)
    if options and "checkpoint" in options:
        resolve(options["checkpoint"])
    if features is not None and not features.exists():
        raise UsageError(f"{shown_path(features)} does not exist.", "Check the path.")
    if answers is not None:
        check_file(answers)


def drawing_of(kind: str, formats: Sequence[str] | None, cmap: str | None, alpha: float | None,
               cells: bool) -> "Drawing":
    """What is drawn and how. Raises UsageError for what there is not."""
    from mmx.show.colors import Look
    from mmx.show.saving import Drawing

    return Drawing(kind, tuple(dict.fromkeys(formats or ["png"])), Look(cmap, alpha, cells))


def check_file(path: Path) -> None:
    """Raises UsageError where it cannot be read."""
    try:
        with path.open("rb"):
            pass
    except (OSError, ValueError) as error:
        raise UsageError(f"{shown_path(path)} cannot be read ({error.args[-1]}).", "Check the path.") from error


def check_folder(path: Path, what: str) -> None:
    """Raises UsageError where it is none."""
    if not path.is_dir():
        raise UsageError(f"{what} {shown_path(path)} is not a folder.", "Give the pictures' folder.")


def read_soon(read: Callable[[], object], *files: Path | None) -> None:
    """Reads files for what is wrong with them, where that takes less time than torch; else that they can be read."""
    given = [path for path in files if path is not None]
    for path in given:
        check_file(path)
    if sum(path.stat().st_size for path in given) < _SOON:
        read()


def _check_family(source: Source, given: tuple[object, object, object], processor: Source | None,
                  asked: Sequence[Asked], check: Callable[[Family, str], None]) -> None:
    """What is said without a word to transformers; a config that names no kind of model is left to it."""
    name, folder = source.name, source.folder
    config = plain_config(name, folder)
    named = config.get("architectures") or []
    if not isinstance(named, str) and not (isinstance(named, list) and all(isinstance(one, str) for one in named)):
        raise CheckpointError(f"The config.json of {name} has the architectures {shown_value(named)}.", SAVE_ANEW)
    kinds = SimpleNamespace(**dict.fromkeys(("architectures", "model_type", "problem_type")) | config)
    if not named and not isinstance(kinds.model_type, str):
        return
    _, family, _ = family_of(kinds, name)
    check_given(family, name, *given, processor)
    check(family, name)
    for one in asked:
        check_fits(one, f"{name} {family.does}", family.takes, family.needs, family.score.choices)
    check_problem(family, kinds, name)
    weight_files(name, folder)
    refuse_pointers(text_files(folder))
    if any(isinstance(one, Pixels) for one in family.inputs):
        shown_by = processor or source
        processor_settings(shown_by.name, shown_by.folder)
