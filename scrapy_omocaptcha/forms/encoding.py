"""Encode form data: its charset, and two formats written byte for byte as browsers write them.

A character that the charset lacks becomes a numeric character reference, and every line break becomes CR LF.
"""

import json
import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from hashlib import sha256
from string import printable
from urllib.parse import parse_qsl, quote_plus, urlsplit

from scrapy import Request
from w3lib.encoding import resolve_encoding

from scrapy_omocaptcha.urls import public_address

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
"""Methods of requests that may be sent again though they may have been executed: a POST could order twice."""
FORM_TYPE = b"application/x-www-form-urlencoded"
_PART_NAME = re.compile(rb'\r\nContent-Disposition: form-data; name="([^"]*)"')


def choose_charset(accepted: str, encoding: str) -> str:
    """Return the charset, as Python spells it, for a form's ``accept-charset`` and the encoding of its page."""
    labels = accepted.replace(",", " ").split()
    known = filter(None, map(resolve_encoding, (*labels, encoding)))
    # Browsers write the forms of pages in gb18030 in the older charset.
    written = ("gbk" if charset == "gb18030" else charset for charset in known)
    return next(filter(_extends_ascii, written), "utf-8")


def percent_encode(text: str, charset: str = "utf-8") -> str:
    """Encode one name or value as ``application/x-www-form-urlencoded``."""
    return quote_plus(_encode(text, charset), safe="*").replace("~", "%7E")


def urlencode(fields: Iterable[tuple[str, str]], charset: str) -> str:
    """Encode pairs as ``application/x-www-form-urlencoded``: the body of a POST request, the query of a GET request."""
    return "&".join([f"{percent_encode(name, charset)}={percent_encode(value, charset)}" for name, value in fields])


def multipart(fields: Iterable[tuple[str, str]], charset: str, files: Collection[str]) -> tuple[bytes, str]:
    """Return the body of pairs as ``multipart/form-data``, and its boundary; ``files`` are inputs without a file."""
    parts = []
    for name, value in fields:
        quoted = _encode(name, charset).replace(b"\r", b"%0D").replace(b"\n", b"%0A").replace(b'"', b"%22")
        head = b'Content-Disposition: form-data; name="' + quoted + b'"'
        if name in files:
            head += b'; filename=""\r\nContent-Type: application/octet-stream'
        parts.append(head + b"\r\n\r\n" + _encode(value, charset) + b"\r\n")
    # A digest makes the body the same for the same fields, and cannot occur in the values that it is computed from.
    boundary = "----FormBoundary" + sha256(b"".join(parts)).hexdigest()[:16]
    line = b"--" + boundary.encode()
    return b"".join([line + b"\r\n" + part for part in parts]) + line + b"--\r\n", boundary


def body_type(request: Request) -> bytes:
    """Return the media type of a request's body in lower case, without parameters; empty if it states none."""
    return (request.headers.get("Content-Type") or b"").partition(b";")[0].strip().lower()


def field_names(request: Request) -> list[str]:
    """Return the names of the fields that a request sends in its form, its JSON or its address.

    Of a body in another format there are none: it may hold anything.
    """
    kind, body = body_type(request), request.body
    if not body:
        return _names(urlsplit(request.url).query)
    if kind == b"multipart/form-data":
        return [name.decode("utf-8", "replace") for name in _PART_NAME.findall(body)]
    if kind == b"application/json":
        with suppress(ValueError):
            document = json.loads(body)
            return list(document) if isinstance(document, dict) else []
    return _names(body.decode("latin-1")) if kind == FORM_TYPE else []


def sent_pairs(request: Request) -> list[tuple[str, str]]:
    """Return the fields that a request has in its body, if that is ``application/x-www-form-urlencoded``."""
    return parse_qsl(request.body.decode("latin-1"), keep_blank_values=True)


def missing_pairs(names: Collection[str], url: str, asked: Request) -> list[tuple[str, str]]:
    """Return the fields of ``asked``, a POST, that a form with other ``names`` lacks, which is sent to its address.

    There are none unless its body is ``application/x-www-form-urlencoded``.
    """
    is_same = asked.method == "POST" and public_address(url) == public_address(asked.url)
    if not is_same or body_type(asked) != FORM_TYPE:
        return []
    return [pair for pair in sent_pairs(asked) if pair[0] not in names]


def repeats(submission: Request, asked: Request) -> bool:
    """Tell whether a form sends what ``asked`` has sent to the same address, and may thereby execute it.

    That is so if it has all fields of ``asked``, be they in its body or its query.
    """
    is_same = submission.method == asked.method and public_address(submission.url) == public_address(asked.url)
    if not is_same or asked.method in SAFE_METHODS:
        return False
    if asked.body and not field_names(asked):
        # A body in another format may have any fields.
        return False
    own, sent = ({*field_names(request), *_names(urlsplit(request.url).query)} for request in (asked, submission))
    return own <= sent


def _names(pairs: str) -> list[str]:
    return [name for name, _ in parse_qsl(pairs, keep_blank_values=True)]


def _encode(text: str, charset: str) -> bytes:
    return re.sub(r"\r\n|\r|\n", "\r\n", text).encode(charset, "xmlcharrefreplace")


def _extends_ascii(charset: str) -> bool:
    """Return whether ``charset`` extends ASCII, which rules out codecs that only Python knows: hex, idna, EBCDIC."""
    try:
        return printable.encode(charset) == printable.encode("ascii")
    except (LookupError, UnicodeError):
        return False
