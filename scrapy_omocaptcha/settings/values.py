"""The value of one setting, in the type that is wanted.

Whatever the setting is called: a value that means nothing raises ``ValueError``, which names the setting, the value
and what is valid.
"""

from __future__ import annotations

import ipaddress
import math
import os
from typing import TYPE_CHECKING, overload
from urllib.parse import urlsplit

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


@overload
def read_word(settings: BaseSettings, name: str, default: str) -> str: ...


@overload
def read_word(settings: BaseSettings, name: str, default: None) -> str | None: ...


def read_word(settings: BaseSettings, name: str, default: str | None) -> str | None:
    value = settings.get(name, default)
    if value is None and default is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, str)) or not str(value).strip():
        raise nonsense(name, value, "a text" if default is None else f"a text such as {default!r}")
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


def read_domains(settings: BaseSettings, name: str) -> tuple[str, ...] | None:
    if settings.get(name) is None:
        return None
    valid = "a list of host names such as 'example.com'"
    try:
        domains = settings.getlist(name)
    except TypeError:
        raise nonsense(name, settings.get(name), valid) from None
    for domain in domains:
        if not isinstance(domain, str) or not domain.strip(". ") or "/" in domain or ":" in domain:
            raise nonsense(name, domain, valid)
    return tuple(domain.strip(". ").lower() for domain in domains)


def read_base_url(settings: BaseSettings, name: str, default: str) -> str:
    """An address below which calls with a credential go."""
    value = settings.get(name) or default
    valid = "a URL such as 'https://…/api', without user, query or fragment; http only to a loopback address"
    if "@" in str(value) or "?" in str(value):
        # not echoed: what stands there may be a credential
        raise ValueError(f"{name} carries a user, a password or a query; it must be {valid}")
    try:
        parts = urlsplit(value)
        # urlsplit reads the port only when asked
        acceptable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except (TypeError, ValueError, AttributeError):
        raise nonsense(name, value, valid) from None
    secure = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))
    # urlsplit overlooks white space and an empty fragment, programs read a backslash differently
    odd = any(c in "\\#" or c.isspace() or not c.isprintable() for c in str(value))
    if not acceptable or not secure or odd:
        raise nonsense(name, value, valid)
    return str(value).rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_redis_url(settings: BaseSettings, name: str) -> str | None:
    """The address of a Redis, which may hold a password; it may also be in the environment."""
    value = settings.get(name)
    if value is None:
        value = os.environ.get(name) or None
    if value is None:
        return None
    scheme, _, place = value.partition("://") if isinstance(value, str) else ("", "", "")
    odd = any(c == "#" or c.isspace() or not c.isprintable() for c in place)
    if scheme not in ("redis", "rediss", "unix") or not place or odd:
        # not echoed: it may hold a password
        raise ValueError(
            f"{name} must be a URL such as 'redis://127.0.0.1:6379/0' (or rediss://, unix://) in which '#' is written "
            "'%23', or None"
        )
    return str(value)
