"""The three ways in which a form's pairs are written into a request, as browsers write them.

Pure functions from pairs to bytes. A character that the charset lacks becomes a numeric character reference,
and every line break is written as CR LF.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from hashlib import sha256

_LITERAL = frozenset(b"*-._0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_ESCAPED = [chr(byte) if byte in _LITERAL else "+" if byte == 0x20 else f"%{byte:02X}" for byte in range(256)]
_NEWLINE = re.compile(r"\r\n|\r|\n")


def urlencode(text: str, charset: str = "utf-8") -> str:
    """One name or value as ``application/x-www-form-urlencoded`` writes it."""
    return "".join([_ESCAPED[byte] for byte in _encode(text, charset)])


def urlencoded(fields: Iterable[tuple[str, str]], charset: str) -> str:
    """All pairs as ``application/x-www-form-urlencoded``: the body of a POST, the query of a GET."""
    return "&".join([f"{urlencode(name, charset)}={urlencode(value, charset)}" for name, value in fields])


def multipart(fields: Iterable[tuple[str, str]], charset: str, files: Collection[str]) -> tuple[bytes, str]:
    """Body and boundary of ``multipart/form-data``; the fields named in ``files`` are files not chosen."""
    parts = []
    for name, value in fields:
        quoted = _encode(name, charset).replace(b"\r", b"%0D").replace(b"\n", b"%0A").replace(b'"', b"%22")
        head = b'Content-Disposition: form-data; name="' + quoted + b'"'
        if name in files:
            head += b'; filename=""\r\nContent-Type: application/octet-stream'
        parts.append(head + b"\r\n\r\n" + _encode(value, charset) + b"\r\n")
    # A digest of what it parts: the same form gives the same bytes, and no value can hold it.
    boundary = "----FormBoundary" + sha256(b"".join(parts)).hexdigest()[:16]
    line = b"--" + boundary.encode()
    return b"".join([line + b"\r\n" + part for part in parts]) + line + b"--\r\n", boundary


def plain(fields: Iterable[tuple[str, str]], charset: str) -> bytes:
    """All pairs as ``text/plain``, one a line."""
    return b"".join([_encode(name, charset) + b"=" + _encode(value, charset) + b"\r\n" for name, value in fields])


def _encode(text: str, charset: str) -> bytes:
    return _NEWLINE.sub("\r\n", text).encode(charset, "xmlcharrefreplace")
