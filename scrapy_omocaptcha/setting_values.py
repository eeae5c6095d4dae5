"""The value of one setting, in the type that is wanted.

Whatever the setting is called: a value that means nothing raises ``ValueError``, which names the setting, the value
and what is valid.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scrapy.settings import BaseSettings


def nonsense(name: str, value: object, valid: str) -> ValueError:
    """The error for a value that means nothing."""
    return ValueError(f"{name} is {value!r}; it must be {valid}")


def read_bool(settings: BaseSettings, name: str, default: bool) -> bool:
    try:
        return settings.getbool(name, default)
    except (TypeError, ValueError):
        raise nonsense(name, settings.get(name), "True or False") from None


def read_number(
    settings: BaseSettings, name: str, default: float, *, least: float = 0.0, most: float = math.inf
) -> float:
    value = settings.get(name, default)
    valid = f"a number of at least {least:g}" + (f" and at most {most:g}" if most < math.inf else "")
    try:
        if isinstance(value, bool):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise nonsense(name, value, valid) from None
    if not math.isfinite(number) or not least <= number <= most:
        raise nonsense(name, value, valid)
    return number


def read_count(settings: BaseSettings, name: str, default: int, *, least: int = 0) -> int:
    number = read_number(settings, name, default, least=least)
    if number != int(number):
        raise nonsense(name, settings.get(name), f"a whole number of at least {least}")
    return int(number)


def read_word(settings: BaseSettings, name: str, default: str) -> str:
    value = settings.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, str)) or not str(value).strip():
        raise nonsense(name, value, f"a text such as {default!r}")
    return str(value).strip()


def read_choice(settings: BaseSettings, name: str, default: str, valid: tuple[str, ...]) -> str:
    value = settings.get(name, default)
    if value not in valid:
        raise nonsense(name, value, " or ".join(repr(word) for word in valid))
    return str(value)


def read_path(settings: BaseSettings, name: str) -> str | None:
    value = settings.get(name)
    if value is None:
        return None
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise nonsense(name, value, "the path of a file, or None")
    return str(os.fspath(value))
