"""Keep credentials out of logs, tracebacks and pickles."""

from typing import NoReturn

PIECE = 8
"""Length of the shortest part of a secret, in characters, that must not be shown."""


class Secret:
    """Credential that is printed as ``***``; :meth:`reveal` returns it."""

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
    """Replace ``secret``, and each part of it of :data:`PIECE` characters or more, by ``***`` in ``text``."""
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
