"""Read the fields of a call to the offline service strictly: errors name the field."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy_omocaptcha.testing.account import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping


def text(data: Mapping[str, Any], *spellings: str) -> str:
    """Return the text of a field that may have several documented names, of which the first one that is sent counts."""
    name = next((name for name in spellings if name in data), None)
    if name is None:
        raise RefusedError(f"Missing field: {spellings[0]}.")
    value = data[name]
    if not isinstance(value, str) or not value:
        raise RefusedError(f"Field {name} must be a string.")
    return value


def address(data: Mapping[str, Any], *spellings: str) -> str:
    """Return a field as :func:`text` does, and check that it is the URL of a page."""
    value = text(data, *spellings)
    with suppress(ValueError):
        parts = urlsplit(value)
        if parts.scheme in ("http", "https") and parts.hostname:
            return value
    raise RefusedError("The URL of the page is invalid.")


def flag(data: Mapping[str, Any], name: str) -> bool:
    """Return a boolean field, False if it is missing."""
    value = data.get(name, False)
    if not isinstance(value, bool):
        raise RefusedError(f"Field {name} must be a boolean.")
    return value


def checked(body: object, credential: str, secret: str) -> Mapping[str, Any]:
    """Return ``body``, having checked that it is a JSON object whose field ``credential`` is ``secret``."""
    if not isinstance(body, dict):
        raise RefusedError("The body is not a JSON object.")
    if body.get(credential) != secret:
        raise RefusedError("Invalid api token.", "ERROR_KEY_DOES_NOT_EXIST")
    return body
