"""Search what a crawl has left behind for secrets, whole or in part."""

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
from urllib.parse import unquote

PIECE = 16
"""Length of the parts of a secret that must not be found anywhere, in characters."""
HALF = PIECE // 2


class Search:
    """Search for any part of some secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        secrets = list(secrets)
        self._pieces = _parts(secrets, PIECE)
        self._halves = _parts(secrets, HALF)
        assert self._pieces, "no secret to look for"
        self.characters = 0
        """How many characters have been searched."""

    def finds(self, text: str) -> str | None:
        """Return the text around a part of a secret in ``text``, or None."""
        self.characters += len(text)
        if "%" in text:
            text += unquote(text)
        # Wherever a piece begins, one of these halves is in it.
        for half in range(0, len(text) - HALF + 1, HALF + 1):
            if text[half : half + HALF] in self._halves:
                for at in range(max(0, half - HALF), half + 1):
                    if text[at : at + PIECE] in self._pieces:
                        return text[max(0, at - 200) : at + 60]
        return None

    def in_texts(self, texts: Iterable[str]) -> list[str]:
        return [found for text in dict.fromkeys(texts) if (found := self.finds(text))]

    def in_folder(self, folder: Path) -> list[str]:
        """Search every file below ``folder``: ledgers, JOBDIR, HttpCache, reports."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return self.in_texts(f"{path}: {path.read_bytes().decode('latin-1')}" for path in files)

    def in_objects(self, roots: Iterable[object], *, keepers: tuple[type, ...]) -> list[str]:
        """Search what is reachable from ``roots`` by attributes, closures and frames, but not through ``keepers``."""
        return [
            f"{found} ({_way(ways, key)})"
            for key, text, ways in _reachable(roots, keepers)
            if (found := self.finds(text)) is not None
        ]


def _parts(secrets: Iterable[str], length: int) -> set[str]:
    return {secret[at : at + length] for secret in secrets for at in range(len(secret) - length + 1)}


def log_texts(records: Iterable[logging.LogRecord]) -> Iterator[str]:
    """Yield the messages of a log, with tracebacks that show the local variables of each frame, as some tools do."""
    for record in records:
        yield record.getMessage()
        if record.exc_info and record.exc_info[1]:
            yield from error_texts(record.exc_info[1])


def error_texts(error: BaseException) -> Iterator[str]:
    yield repr(error)
    yield str(error)
    yield from traceback.TracebackException.from_exception(error, capture_locals=True).format()


def pickled(thing: object) -> str:
    """Return what a disk queue would write for ``thing``, or nothing if it cannot be pickled."""
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


# These belong to the program and not to a crawl; thread objects lead to the frames of the test itself.
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
