"""Write a token into a request that needs it from the start, where ``meta["omocaptcha"]["put"]`` says."""

import json
import re
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from scrapy import Request

from scrapy_omocaptcha.forms.encoding import percent_encode
from scrapy_omocaptcha.forms.submission import Submission, as_submission
from scrapy_omocaptcha.urls import public_address

_VALID = "form:NAME, json:/pointer, header:NAME or query:NAME"
_HTTP_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FORM_TYPE = b"application/x-www-form-urlencoded"
_FIELDS = {
    b"multipart/form-data": rb'(form-data; name="%s"\r\n\r\n).*?(?=\r\n--)',
    b"text/plain": rb"((?:^|(?<=\r\n))%s=)[^\r]*",
}
"""Patterns of a field with its value in other formats of a form, with a name to be filled in."""


def parse_put(put: str) -> tuple[str, str]:
    """Return the kind and the name in ``put``, or raise a ``ValueError`` that names it and the valid forms."""
    kind, _, name = put.partition(":")
    valid = kind in ("form", "json", "header", "query") and name != ""
    if kind == "header":
        valid = bool(_HTTP_NAME.fullmatch(name)) and name.lower() != "cookie"
    if kind == "json":
        valid = name.startswith("/") and not re.search(r"~(?![01])", name)
    if not valid:
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
                headers.setdefault("Content-Type", _FORM_TYPE)
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
    content_type = request.headers.get("Content-Type")
    kind = _FORM_TYPE if content_type is None else content_type.partition(b";")[0].strip().lower()
    if kind in _FIELDS:
        field = re.compile(_FIELDS[kind] % re.escape(name.encode()), re.DOTALL)
        body, found = field.subn(lambda match: match[1] + token.encode(), request.body, count=1)
        if not found:
            raise ValueError(f"its {kind.decode()} body has no field {name!r}")
        return body
    if kind != _FORM_TYPE:
        raise ValueError(f"its body is {kind.decode('latin-1')}, not that of a form")
    if content_type is None and request.method == "GET":
        raise ValueError("a GET request has no form in its body; query:NAME puts the token into its address")
    return _with_pair(request.body.decode("latin-1"), name, token).encode("latin-1")


def _with_pair(pairs: str, name: str, token: str) -> str:
    """Replace the first of ``pairs`` that has that name and drop the others, or append a pair if there is none."""
    pair = f"{percent_encode(name)}={percent_encode(token)}"
    result: list[str] = []
    for old in pairs.split("&") if pairs else ():
        if unquote_plus(old.partition("=")[0]) != name:
            result.append(old)
        elif pair not in result:
            result.append(pair)
    return "&".join(result if pair in result else [*result, pair])


def _json_with(request: Request, name: str, token: str) -> bytes:
    try:
        document = json.loads(request.body)
    except ValueError as error:
        raise ValueError("its body is not JSON") from error
    *path, last = [key.replace("~1", "/").replace("~0", "~") for key in name.split("/")[1:]]
    parent = document
    for key in path:
        parent = _child(parent, key)
    if isinstance(parent, dict):
        parent[last] = token
    elif isinstance(parent, list) and last in ("-", str(len(parent))):
        parent.append(token)
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
