"""Has signatures with shapes checked at every call, by jaxtyping and beartype.

jaxtyping's own import hook would compile torch anew for whatever imports it, and decorate closures at every call.
"""

import ast
import inspect
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any, get_args

import jaxtyping
from beartype import beartype

from mmx import arrays

_NAME = "_checked_"


def _checked(signed: Callable) -> Callable:
    """A function or dataclass that checks the shapes in its signature, if there are any; other types are pyright's."""
    called: Any = vars(signed).get("__init__") if isinstance(signed, type) else signed
    told = inspect.get_annotations(called) if called else {}
    shapes = {name: one for name, given in told.items() if _has_shape(one := _evaluated(given, called))}
    if not shapes:
        return signed
    called.__annotations__ = shapes
    # With `typechecker=beartype` the error would be wordier, and arguments be checked twice.
    checked = jaxtyping.jaxtyped(beartype(called), typechecker=None)
    if not isinstance(signed, type):
        return checked
    signed.__init__ = checked
    return signed


def _evaluated(annotation: Any, function: Any) -> Any:
    """What a string stands for; one that names no shape may name what is not there yet."""
    is_shape = isinstance(annotation, str) and any(f"{name}[" in annotation for name in arrays.__all__)
    return eval(annotation, function.__globals__) if is_shape else annotation


def _has_shape(annotation: Any) -> bool:
    is_shape = isinstance(annotation, type) and issubclass(annotation, jaxtyping.AbstractArray)
    return is_shape or any(map(_has_shape, get_args(annotation)))


class _Checked(SourceFileLoader):
    """Loads a module with a check around each of its functions and classes."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        tree = ast.parse(self.get_data(path), path)
        for node in tree.body:
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.test = ast.Constant(True)  # shapes need what is imported there
        inside = [node for one in tree.body if isinstance(one, ast.ClassDef) for node in one.body]
        for node in (*tree.body, *inside):
            if isinstance(node, ast.FunctionDef):
                node.decorator_list.append(ast.Name(_NAME, ast.Load()))  # before any other decorator is applied
            elif isinstance(node, ast.ClassDef):
                node.decorator_list.insert(0, ast.Name(_NAME, ast.Load()))  # once it is a dataclass
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        setattr(module, _NAME, _checked)
        super().exec_module(module)


class _Finder:
    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = tuple(modules)

    def find_spec(self, name: str, path: Sequence[str] | None, _target: object = None) -> ModuleSpec | None:
        if not any(name == one or name.startswith(f"{one}.") for one in self._modules):
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Checked(spec.loader.name, spec.loader.path)
        return spec


def check_shapes(modules: Sequence[str]) -> None:
    """From now on, for modules of these names and those inside them; they must not be imported yet."""
    assert not sys.modules.keys() & set(modules)
    for name in arrays.__all__:
        setattr(arrays, name, getattr(jaxtyping, name))
    sys.meta_path.insert(0, _Finder(modules))
