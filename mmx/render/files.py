"""Files are written whole or not at all: `mmx.files` does it."""

from mmx.files import write_atomically, write_together

__all__ = ["write_atomically", "write_together"]
