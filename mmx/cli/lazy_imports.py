"""What libraries import on the way, and hardly a command uses, is imported when it is used.

For a few decorators transformers and torchvision import all of PyTorch's compiler, for a loss SciPy's optimizers, and
Typer a reader of Markdown: a second and 0.2 GB. In the process of a command these names are stand-ins. Calling one, or
asking for anything else of its package, imports the package itself. Where mmx is a library, in the process of somebody
else's program, nothing of this is done.
"""

import gc
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

NAMES: Mapping[str, frozenset[str]] = {
    "rich.markdown": frozenset({"Markdown"}),
    "rich.traceback": frozenset({"Traceback"}),
    "scipy.optimize": frozenset({"linear_sum_assignment"}),
    "torch._dynamo": frozenset({"allow_in_graph", "assume_constant_result", "disable"}),
    "torch._dynamo._trace_wrapped_higher_order_op": frozenset({"TransformGetItemToIndex"}),
    "torch._dynamo.utils": frozenset({"is_compile_supported"}),
}
"""What is put off, by module: a class or function that is called, or asked whether something is one of it."""
MARKS = frozenset({"allow_in_graph", "assume_constant_result", "disable"})
"""Decorators that tell the compiler how to treat a function: no command compiles anything."""


def postpone_imports(names: Mapping[str, frozenset[str]] = NAMES) -> None:
    """From here on, for packages that are not imported yet."""
    roots = {name for name in names if not any(name.startswith(f"{other}.") for other in names)}
    sys.meta_path.insert(0, _Finder(names, roots - set(sys.modules)))


@contextmanager
def without_collector() -> Iterator[None]:
    """Around heavy imports: the collector would look through all that is there again and again, and find nothing.

    What has been imported stays, so the collector leaves it out from then on.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


class _Finder:
    """Finds stand-ins for the packages that are put off, until something else of one is wanted."""

    def __init__(self, names: Mapping[str, frozenset[str]], roots: set[str]) -> None:
        self.names, self.roots = names, roots

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        root = self.root_of(name)
        if root is None:
            return None
        if name not in self.names:
            self.load(name)
            return ModuleSpec(name, self, loader_state=sys.modules[name])  # type: ignore[arg-type]
        real = PathFinder.find_spec(name, path, target)
        if real is None:
            return None
        spec = ModuleSpec(name, self, origin=real.origin)  # type: ignore[arg-type]
        spec.submodule_search_locations, spec.has_location = real.submodule_search_locations, real.has_location
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        if spec.loader_state is None:
            return _StandIn(spec.name, self)
        spec.loader_state = spec.loader_state, spec.loader_state.__spec__
        return spec.loader_state[0]

    def exec_module(self, module: ModuleType) -> None:
        """A module that was imported in the meantime keeps what it says of itself."""
        if not isinstance(module, _StandIn):
            _, module.__spec__ = module.__spec__.loader_state  # type: ignore[union-attr]

    def load(self, name: str) -> ModuleType:
        """The module itself, for good."""
        root = self.root_of(name)
        if root is not None:
            self.roots.remove(root)
            for one in self.names:
                if one == root or one.startswith(f"{root}."):
                    self._forget(one)
            import_module(root)
        return import_module(name)

    def _forget(self, name: str) -> None:
        parent, _, own = name.rpartition(".")
        sys.modules.pop(name, None)
        if isinstance(getattr(sys.modules.get(parent), own, None), _StandIn):
            delattr(sys.modules[parent], own)

    def root_of(self, name: str) -> str | None:
        return next((root for root in self.roots if name == root or name.startswith(f"{root}.")), None)


class _StandIn(ModuleType):
    """A module of which only some names are known."""

    def __init__(self, name: str, finder: _Finder) -> None:
        super().__init__(name)
        self._finder = finder

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        module, finder = self.__name__, self._finder
        if name not in finder.names[module] or finder.root_of(module) is None:
            return getattr(finder.load(module), name)
        return _unmarked if name in MARKS else _Later(name, (), {"_module": module, "_finder": finder})


class _Later(type):
    """A class or function that is imported when it is called, or when an attribute of it is asked for."""

    _module: str
    _finder: _Finder

    def _itself(cls) -> Any:
        return getattr(cls._finder.load(cls._module), cls.__name__)

    def __call__(cls, *args: Any, **options: Any) -> Any:
        return cls._itself()(*args, **options)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(cls._itself(), name)

    def __instancecheck__(cls, instance: Any) -> bool:
        """There is none before the module is imported."""
        return cls._finder.root_of(cls._module) is None and isinstance(instance, cls._itself())


def _unmarked(function: Any = None, *args: Any, **options: Any) -> Any:
    return _unmarked if function is None else function
