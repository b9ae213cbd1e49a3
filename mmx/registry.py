"""Names are files: a method or a family exists because its module lies in its folder, or another package offers it.

Another package offers a method or family as an entry point, in the group `mmx.methods` or `mmx.families`; it cannot
take a name that mmx has. Listing names imports none of the modules, so that `--help` needs no torch.
"""

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from mmx.errors import UsageError

T = TypeVar("T")


def module_names(package: str) -> list[str]:
    """Modules of `mmx.<package>`, without `base` and private ones, sorted."""
    folder = Path(__file__).parent.joinpath(*package.split("."))
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != "base" and not path.stem.startswith("_"))


def load_module(package: str, name: str) -> ModuleType:
    return import_module(f"mmx.{package}.{name}")


def offered_names(package: str) -> list[str]:
    """Names in `mmx.<package>`, then those that other packages offer, each sorted."""
    return [*module_names(package), *sorted(_elsewhere(package))]


def offered(package: str, name: str, what: str, kind: type[T]) -> tuple[T, ...]:
    """The object `what` of a module, or what another package offers under this name: one of a kind, or a tuple of them.

    Raises:
        UsageError: what is offered cannot be imported, or is something else.
    """
    if name in module_names(package):
        found = getattr(load_module(package, name), what)
        return found if isinstance(found, tuple) else (found,)
    point = _elsewhere(package)[name]
    source, mend = point.dist.name if point.dist else point.value, "Mend that package, or uninstall it."
    try:
        found = point.load()
    except Exception as error:  # whatever another package may raise
        first = next(iter(str(error).splitlines()), "")
        raise UsageError(f"'{name}' of mmx.{package} cannot be loaded from {source}: {type(error).__name__}: {first}.",
                         mend) from error
    several = found if isinstance(found, tuple) else (found,)
    if not all(isinstance(one, kind) for one in several):
        raise UsageError(f"'{name}' of mmx.{package}, which {source} offers, is no {kind.__name__}.", mend)
    return several


@cache
def _elsewhere(package: str) -> dict[str, EntryPoint]:
    own = module_names(package)
    found = {point.name.replace("-", "_"): point for point in entry_points(group=f"mmx.{package}")}
    return {name: point for name, point in found.items() if name not in own}
