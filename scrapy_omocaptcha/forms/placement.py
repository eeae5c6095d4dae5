"""Write a token into a request that needs it from the start, where ``meta["omocaptcha"]["put"]`` says."""

import json
import re
from functools import reduce
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from scrapy import Request

from scrapy_omocaptcha.forms.encoding import FORM_TYPE, body_type, percent_encode
from scrapy_omocaptcha.forms.submission import Submission, as_submission
from scrapy_omocaptcha.urls import public_address

_VALID = "form:NAME, json:/pointer, header:NAME or query:NAME"
_NAMES = {
    "form": re.compile(r".+", re.DOTALL),
    "json": re.compile(r"/(?:[^~]|~[01])*"),
    "header": re.compile(r"(?!(?i:cookie)$)[!#$%&'*+.^_`|~0-9A-Za-z-]+"),
    "query": re.compile(r".+", re.DOTALL),
}
"""Patterns of valid names, by the kind of place."""
_PART = rb'(form-data; name="%s"\r\n\r\n).*?(?=\r\n--)'
"""Pattern of a field with its value in ``multipart/form-data``, with a name to be filled in."""


def parse_put(put: str) -> tuple[str, str]:
    """Return the kind and the name in ``put``, or raise a ``ValueError`` that names it and the valid forms."""
    kind, _, name = put.partition(":")
    if kind not in _NAMES or not _NAMES[kind].fullmatch(name):
        raise ValueError(f"{put!r} in meta['omocaptcha'] is not understood: put is one of {_VALID}")
    return kind, name


def put_token(request: Request, put: str, token: str) -> Submission:
    """Return ``request`` with ``token`` where ``put`` says, or raise a ``ValueError`` that says why it does not fit."""
    kind, name = parse_put(put)
    headers = request.headers.copy()
    changes: dict[str, Any] = {"headers": headers}
    try:
        match kind:
            case "form":
                changes["body"] = _form_with(request, name, token)
                headers.setdefault("Content-Type", FORM_TYPE)
            case "json":
                changes["body"] = _json_with(request, name, token)
                headers.setdefault("Content-Type", b"application/json")
            case "header":
                headers[name] = token
            case "query":
                parts = urlsplit(request.url)
                changes["url"] = parts._replace(query=_with_pair(parts.query, name, token)).geturl()
    except ValueError as error:
        raise ValueError(
            f"{put!r} in meta['omocaptcha'] does not fit {public_address(request.url)}: {error}"
        ) from error
    # Not request.replace(): JsonRequest and FormRequest would add their own data to the body once more.
    return as_submission(request, token, **changes)


def _form_with(request: Request, name: str, token: str) -> bytes:
    has_type = request.headers.get("Content-Type") is not None
    kind = body_type(request) if has_type else FORM_TYPE
    if kind == b"multipart/form-data":
        field = re.compile(_PART % re.escape(name.encode()), re.DOTALL)
        body, found = field.subn(lambda match: match[1] + token.encode(), request.body, count=1)
        if not found:
            raise ValueError(f"its multipart/form-data body has no field {name!r}")
        return body
    if kind != FORM_TYPE:
        raise ValueError(f"its body is {kind.decode('latin-1')}, not that of a form")
    if request.method == "GET" and not has_type:
        raise ValueError("a GET request has no form in its body; query:NAME puts the token into its address")
    return _with_pair(request.body.decode("latin-1"), name, token).encode("latin-1")


def _with_pair(pairs: str, name: str, token: str) -> str:
    """Replace the first of ``pairs`` that has that name and drop the others, or append a pair if there is none."""
    pair = f"{percent_encode(name)}={percent_encode(token)}"
    if not pairs:
        return pair
    parts = pairs.split("&")
    names = [unquote_plus(part.partition("=")[0]) for part in parts]
    if name not in names:
        return f"{pairs}&{pair}"
    kept = [part for part, other in zip(parts, names, strict=True) if other != name]
    kept.insert(names.index(name), pair)
    return "&".join(kept)


def _json_with(request: Request, name: str, token: str) -> bytes:
    try:
        document = json.loads(request.body)
    except ValueError as error:
        raise ValueError("its body is not JSON") from error
    *path, last = [key.replace("~1", "/").replace("~0", "~") for key in name.split("/")[1:]]
    parent = reduce(_child, path, document)
    if isinstance(parent, dict):
        parent[last] = token
    else:
        _child(parent, last)
        parent[int(last)] = token
    return json.dumps(document).encode()


def _child(parent: Any, key: str) -> Any:
    if isinstance(parent, dict) and key in parent:
        return parent[key]
    if isinstance(parent, list) and re.fullmatch(r"0|[1-9][0-9]*", key) and int(key) < len(parent):
        return parent[int(key)]
    raise ValueError(f"its JSON has nothing at {key!r}")
