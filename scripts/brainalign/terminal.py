"""A terminal on which one line is written again and again, and others above it."""

from typing import IO

CLEARED = "\r\x1b[K"  # takes the line that stands off a terminal


def clearing(stream: IO[str]) -> str:
    """What goes before a line so that it replaces the one that stands; nothing in a file."""
    return CLEARED if stream.isatty() else ""
