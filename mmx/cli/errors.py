"""Every exception in words that a user can act on."""

from mmx.errors import MmxError, UsageError


def as_told(error: Exception) -> MmxError:
    """mmx's own errors as they are; the others with what they most likely mean."""
    if isinstance(error, MmxError):
        return error
    if hasattr(error, "format_message"):
        return _misuse(error)
    if isinstance(error, MemoryError) or "out of memory" in str(error):
        return MmxError("There is not enough memory.", "Try a smaller --batch-size, or --device cpu.")
    if isinstance(error, OSError) and error.filename is not None:
        return MmxError(f"{error.filename}: {error.strerror}.")
    reason = f"{type(error).__name__}: {error}".rstrip(": .")
    return MmxError(f"{reason}.", "This is a fault of mmx; --debug shows where it is.")


def _misuse(error: Exception) -> UsageError:
    """Typer's own complaints about how it was called."""
    command = getattr(getattr(error, "ctx", None), "command_path", "mmx")
    message = error.format_message()  # type: ignore[attr-defined]
    return UsageError(message if message.endswith((".", "?")) else f"{message}.", f"See '{command} --help'.")
