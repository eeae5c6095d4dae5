"""Searches what a crawl has left behind for secrets, whole or in part."""

from __future__ import annotations

import gc
import logging
import pickle
import sys
import traceback
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PIECE = 16
"""Characters of a secret that must not be found anywhere."""


class Search:
    """Looks for any piece of some secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        pieces = {secret[at : at + PIECE] for secret in secrets for at in range(len(secret) - PIECE + 1)}
        assert pieces, "no secret to look for"
        self._pieces = pieces
        self.characters = 0
        """How much has been looked through."""

    def finds(self, text: str) -> str | None:
        """What stands around a piece of a secret in ``text``, or None."""
        self.characters += len(text)
        for at in range(len(text) - PIECE + 1):
            if text[at : at + PIECE] in self._pieces:
                return text[max(0, at - 200) : at + 60]
        return None

    def in_texts(self, texts: Iterable[str]) -> list[str]:
        return [found for text in dict.fromkeys(texts) if (found := self.finds(text))]

    def in_folder(self, folder: Path) -> list[str]:
        """Of every file below ``folder``: journals, JOBDIR, HttpCache, reports."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return self.in_texts(f"{path}: {path.read_bytes().decode('latin-1')}" for path in files)

    def in_objects(self, roots: Iterable[object], *, keepers: tuple[type, ...]) -> list[str]:
        """Of all that can be reached from ``roots`` but through ``keepers``, by attribute, closure or frame."""
        return [
            f"{found} ({_way(ways, key)})"
            for key, text, ways in _reachable(roots, keepers)
            if (found := self.finds(text)) is not None
        ]


def log_texts(records: Iterable[logging.LogRecord]) -> Iterator[str]:
    """The lines of a log, with tracebacks as a tool shows them that adds the variables of each frame."""
    for record in records:
        yield record.getMessage()
        if record.exc_info and record.exc_info[1]:
            yield from error_texts(record.exc_info[1])


def error_texts(error: BaseException) -> Iterator[str]:
    yield repr(error)
    yield str(error)
    yield from traceback.TracebackException.from_exception(error, capture_locals=True).format()


def pickled(thing: object) -> str:
    """What a disk queue would write of ``thing``; nothing where it refuses."""
    try:
        return pickle.dumps(thing).decode("latin-1")
    except Exception:
        return ""


def _reachable(roots: Iterable[object], keepers: tuple[type, ...]) -> Iterator[tuple[int, str, dict[int, Any]]]:
    ways: dict[int, Any] = {}
    unseen: list[object] = list(roots)
    ways.update({id(root): (None, root) for root in unseen})
    mine = {id(ways), id(unseen)}
    while unseen:
        thing = unseen.pop()
        if isinstance(thing, (str, bytes, bytearray)):
            yield id(thing), thing if isinstance(thing, str) else thing.decode("latin-1"), ways
            continue
        for further in _referents(thing):
            if id(further) in ways or id(further) in mine or isinstance(further, (*keepers, *_UNSEEN)):
                continue
            ways[id(further)] = (id(thing), further)
            unseen.append(further)


# What belongs to the program and not to a crawl; thread objects lead to the test's own frames.
_UNSEEN = (type, types.ModuleType, types.CodeType, logging.Handler, logging.Logger, logging.Manager)


def _referents(thing: object) -> Iterable[object]:
    if isinstance(thing, types.FrameType):
        return () if thing is sys._getframe() else list(thing.f_locals.values())
    if isinstance(thing, types.FunctionType):
        return [cell.cell_contents for cell in thing.__closure__ or () if _is_filled(cell)]
    return gc.get_referents(thing)


def _is_filled(cell: Any) -> bool:
    try:
        return bool(cell.cell_contents) or True
    except ValueError:
        return False


def _way(ways: dict[int, Any], key: int) -> str:
    steps: list[str] = []
    at: int | None = key
    while at is not None:
        at, thing = ways[at]
        steps.append(type(thing).__name__)
    return " < ".join(steps[:25])
