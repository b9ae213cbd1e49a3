"""Every exception in words that a user can act on."""

from copy import copy
from errno import ENOSPC

from mmx.cli.fields import with_options
from mmx.errors import Interrupted, MmxError, UsageError


class Stopped(MmxError):
    """Ctrl-C, told as every error is."""

    exit_code = 130


def stopped(error: KeyboardInterrupt) -> Stopped:
    """With what is kept and how to go on, where there is anything."""
    if isinstance(error, Interrupted):
        return Stopped(error.message, error.hint)
    return Stopped("Interrupted before there was anything to keep.", "Call it again.")


def as_told(error: Exception) -> MmxError:
    """mmx's own errors, naming options; the others with what they most likely mean."""
    found = copy(_in_words(error))
    found.message, found.hint = with_options(found.message), found.hint and with_options(found.hint)
    found.args = (with_options(str(found)),)
    return found


def _in_words(error: Exception) -> MmxError:
    if isinstance(error, MmxError):
        return error
    if misused_command(error):
        return _misuse(error)
    if isinstance(error, MemoryError) or "out of memory" in str(error):
        return MmxError("There is not enough memory.", "Try a smaller --batch-size, or --device cpu.")
    if isinstance(error, OSError) and error.filename is not None:
        return MmxError(f"{error.filename}: {error.strerror}.")
    if isinstance(error, OSError) and error.errno == ENOSPC:
        return MmxError(f"{error.strerror}.", "Make room, or print elsewhere.")
    reason = f"{type(error).__name__}: {error}".rstrip(": .")
    return MmxError(f"{reason}.", "This is a fault of mmx; --debug shows where it is.")


def misused_command(error: Exception) -> str | None:
    """The command that Typer's own complaint is about; None of any other error."""
    if not hasattr(error, "format_message"):
        return None
    return getattr(getattr(error, "ctx", None), "command_path", "mmx")


def _misuse(error: Exception) -> UsageError:
    message = error.format_message()  # type: ignore[attr-defined]
    return UsageError(message if message.endswith((".", "?")) else f"{message}.",
                      f"See '{misused_command(error)} --help'.")
