"""A credential that no representation shows."""

from __future__ import annotations

from typing import NoReturn

PIECE = 8
"""Length from which a piece of a secret tells something of it."""


class Secret:
    """Shown as ``***``; who needs it has to say so."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a credential cannot be pickled")


def masked(text: str, secret: str) -> str:
    """``text`` with ``***`` in the place of ``secret`` and of every piece of it."""
    length = min(PIECE, len(secret))
    pieces = {secret[at : at + length] for at in range(len(secret) - length + 1)} - {""}
    shown: list[str] = []
    done = 0
    for at in range(len(text) - length + 1):
        if text[at : at + length] in pieces:
            if at >= done:
                shown += (text[done:at], "***")
            done = at + length
    return "".join((*shown, text[done:]))
