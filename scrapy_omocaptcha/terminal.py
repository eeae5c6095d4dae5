"""Words of pages, of the service and of files, made fit to be printed."""

from __future__ import annotations


def harmless(line: str) -> str:
    """``line`` without anything that a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in line)
