"""A credential that no representation shows."""

from __future__ import annotations

from typing import NoReturn


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
