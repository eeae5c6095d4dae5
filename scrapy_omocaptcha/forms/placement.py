"""``meta["omocaptcha"]["put"]``: where in a request a token goes that is wanted before the request is sent.

Pure: a request and a token go in, a request comes out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus

from scrapy import Request

from scrapy_omocaptcha.forms.encoding import urlencode
from scrapy_omocaptcha.forms.submission import TOKEN_META, Submission

_VALID = "form:NAME, json:/pointer, header:NAME, query:NAME or cookie:NAME"
_HTTP_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FORM_TYPE = b"application/x-www-form-urlencoded"

Changes = dict[str, Any]


def check_put(put: str) -> None:
    """Say whether ``put`` is understood, before anything is bought for it.

    :raises ValueError: it is not; the message names it and what is valid.
    """
    _parse(put)


def put_token(request: Request, put: str, token: str) -> Submission:
    """``request`` with ``token`` at the place that ``put`` names; all else, its callback included, as it was.

    :raises ValueError: ``put`` is not understood, or the request has no such place.
    """
    kind, name = _parse(put)
    changes = {"meta": {**request.meta, **TOKEN_META}, "dont_filter": True, "headers": request.headers.copy()}
    try:
        _PLACES[kind](request, name, token, changes)
    except ValueError as error:
        raise ValueError(f"{put!r} in meta['omocaptcha'] does not fit {request}: {error}") from error
    # Not request.replace(): what a subclass adds (JsonRequest, FormRequest) has gone into the body already.
    kept = {attribute: getattr(request, attribute) for attribute in Request.attributes}
    return Submission(**{**kept, **changes}, secret=token)


def _parse(put: str) -> tuple[str, str]:
    kind, colon, name = put.partition(":") if isinstance(put, str) else ("", "", "")
    valid = bool(kind in _PLACES and colon and name)
    if kind in ("header", "cookie"):
        valid = valid and bool(_HTTP_NAME.fullmatch(name)) and (kind, name.lower()) != ("header", "cookie")
    if kind == "json":
        valid = valid and name.startswith("/") and not re.search(r"~(?![01])", name)
    if not valid:
        raise ValueError(f"{put!r} in meta['omocaptcha'] is not understood: put is one of {_VALID}")
    return kind, name


def _into_form(request: Request, name: str, token: str, changes: Changes) -> None:
    stated = request.headers.get("Content-Type")
    if stated is not None and stated.partition(b";")[0].strip().lower() != _FORM_TYPE:
        raise ValueError(f"its body is {stated.decode('latin-1')}, not {_FORM_TYPE.decode()}")
    if stated is None and request.method == "GET":
        raise ValueError("a GET request has no form in its body; query:NAME puts the token into its address")
    changes["headers"].setdefault("Content-Type", _FORM_TYPE)
    changes["body"] = _with_pair(request.body.decode("latin-1"), name, token).encode("latin-1")


def _into_query(request: Request, name: str, token: str, changes: Changes) -> None:
    address, hash_, fragment = request.url.partition("#")
    path, _, query = address.partition("?")
    changes["url"] = path + "?" + _with_pair(query, name, token) + hash_ + fragment


def _with_pair(pairs: str, name: str, token: str) -> str:
    """``pairs`` with the first of that name changed and further ones left out, or with one more."""
    pair = f"{urlencode(name)}={urlencode(token)}"
    result: list[str] = []
    for old in pairs.split("&") if pairs else ():
        if unquote_plus(old.partition("=")[0]) != name:
            result.append(old)
        elif pair not in result:
            result.append(pair)
    return "&".join(result if pair in result else [*result, pair])


def _into_json(request: Request, name: str, token: str, changes: Changes) -> None:
    try:
        document = json.loads(request.body)
    except ValueError as error:
        raise ValueError("its body is not JSON") from error
    *path, last = [key.replace("~1", "/").replace("~0", "~") for key in name.split("/")[1:]]
    place = document
    for key in path:
        place = _step(place, key)
    if isinstance(place, dict):
        place[last] = token
    elif isinstance(place, list) and last in ("-", str(len(place))):
        place.append(token)
    else:
        _step(place, last)
        place[int(last)] = token
    changes["headers"].setdefault("Content-Type", b"application/json")
    changes["body"] = json.dumps(document).encode()


def _step(place: Any, key: str) -> Any:
    if isinstance(place, dict) and key in place:
        return place[key]
    if isinstance(place, list) and re.fullmatch(r"0|[1-9][0-9]*", key) and int(key) < len(place):
        return place[int(key)]
    raise ValueError(f"its JSON has nothing at {key!r}")


def _into_header(request: Request, name: str, token: str, changes: Changes) -> None:
    changes["headers"][name] = token


def _into_cookie(request: Request, name: str, token: str, changes: Changes) -> None:
    changes["cookie"] = name


_PLACES: dict[str, Callable[[Request, str, str, Changes], None]] = {
    "form": _into_form,
    "json": _into_json,
    "header": _into_header,
    "query": _into_query,
    "cookie": _into_cookie,
}
