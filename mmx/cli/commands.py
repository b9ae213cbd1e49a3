"""What every command is: panels of its help in one order, and imported only when it is the one that is called."""

from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from mmx.cli.errors import stopped

ASKED, MODEL, REGIONS, OUTPUT = "What is asked", "Model", "Regions", "Output"
DRAWING, MACHINE = "How it is drawn", "Machine"
PANELS = (None, ASKED, MODEL, REGIONS, OUTPUT, DRAWING, MACHINE)


class Command(TyperCommand):
    """Its help has panels in one order, and beside an option what it takes, where it takes something."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:  # Typer would swallow what it says
            raise stopped(error) from error

    def get_params(self, ctx: Any) -> list[Any]:
        return _arranged(super().get_params(ctx))


class Group(TyperGroup):
    """The same, of commands."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _arranged(super().get_params(ctx))


class LazyCommand:
    """A command by its name and its line in a list. Whatever else is asked of it imports it: options, subcommands."""

    hidden = deprecated = False
    rich_help_panel = None

    def __init__(self, name: str, home: str, help: str) -> None:
        self.name, self.help, self.short_help, self._home = name, help, help, home

    @cached_property
    def itself(self) -> Any:
        module, _, what = self._home.partition(":")
        found = getattr(import_module(module), what)
        if isinstance(found, typer.Typer):
            return get_group(found)
        alone = typer.Typer(add_completion=False)
        alone.command(cls=Command)(found)
        return get_command(alone)

    def get_short_help_str(self, limit: int = 45) -> str:
        return TyperCommand(self.name, short_help=self.help).get_short_help_str(limit)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.itself, name)


class Root(Group):
    """A group whose commands, given in its table `lazy`, wait in the modules where they are."""

    lazy: ClassVar[Mapping[str, tuple[str, str]]] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands |= {name: LazyCommand(name, *told) for name, told in self.lazy.items()}  # type: ignore[misc]

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.itself if isinstance(command, LazyCommand) else command, rest


def help_if_alone(context: typer.Context) -> None:
    """Typer's own no_args_is_help ends as an error that has no message."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _arranged(params: list[Any]) -> list[Any]:
    for one in params:
        if getattr(one, "is_flag", False):
            one.metavar = ""
        elif one.param_type_name == "argument":
            one.display_type_rich = lambda ctx: None
    return sorted(params, key=lambda one: PANELS.index(getattr(one, "rich_help_panel", None)))
