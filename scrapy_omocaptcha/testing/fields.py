"""How the offline service reads the fields of a call: strictly, with a refusal that names the field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy_omocaptcha.testing.account import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping


def text(data: Mapping[str, Any], *spellings: str) -> str:
    """The field that the documents spell in these ways; a client may send any, or all with one value."""
    values = {spelling: data[spelling] for spelling in spellings if spelling in data}
    for spelling, value in values.items():
        if not isinstance(value, str) or not value:
            raise RefusedError(f"Field {spelling} is not a text.")
    if not values:
        raise RefusedError(f"Missing field: {spellings[0]}.")
    if len(set(values.values())) > 1:
        raise RefusedError(f"Fields {' and '.join(values)} differ.")
    return next(iter(values.values()))  # type: ignore[no-any-return]


def address(data: Mapping[str, Any], *spellings: str) -> str:
    """As :func:`text`, for the address of a page."""
    value = text(data, *spellings)
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise RefusedError("The address of the page is not one.")
    return value


def flag(data: Mapping[str, Any], name: str) -> bool:
    """A truth value that may be missing: then it is False."""
    value = data.get(name, False)
    if not isinstance(value, bool):
        raise RefusedError(f"Field {name} is not a boolean.")
    return value


def checked(body: object, credential: str, secret: str) -> Mapping[str, Any]:
    """``body`` if it is a JSON object whose field ``credential`` is ``secret``."""
    if not isinstance(body, dict):
        raise RefusedError("The body is not a JSON object.")
    if body.get(credential) != secret:
        raise RefusedError("Invalid api token.", "ERROR_KEY_DOES_NOT_EXIST")
    return body
