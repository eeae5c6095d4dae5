"""One request that reached a site, as plain frozen data: what was sent, and what became of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from scrapy_omocaptcha.challenge import TOKEN_FIELD

if TYPE_CHECKING:
    from collections.abc import Mapping

Shown = Literal["page", "challenge", "csrf", "sent on", "open", "missing"]
"""What the visitor saw: a page from behind the wall, the challenge, the refusal of a CSRF field of another
session, a redirect or a word of thanks, something that is never walled, or nothing (404)."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A request to a :class:`~scrapy_omocaptcha.testing.WalledSite`."""

    at: float
    """Seconds of the service's clock."""
    method: str
    host: str
    """The Host header, without its port."""
    path: str
    url: str
    """The whole address."""
    query: tuple[tuple[str, str], ...]
    form: tuple[tuple[str, str], ...]
    """Fields of an urlencoded or multipart body, in the order in which they were sent; of a file its name."""
    headers: Mapping[str, str] = field(repr=False)
    """Looked up without regard to case."""
    cookies: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    """As it came; empty for a multipart body."""
    status: int = 0
    """Of the answer; 0 where a fault let nothing be done."""
    shown: Shown | None = None
    token: str | None = None
    """What a token that was handed in came to: ``"accepted"`` or why it was not; None: there was none."""
    fault: str | None = None
    """What went wrong on the way."""

    @property
    def submits(self) -> bool:
        """A token, be it empty, was handed in by form or address."""
        return any(name == TOKEN_FIELD for name, _ in (*self.form, *self.query))

    @property
    def json(self) -> Any:
        """The decoded JSON body; None if it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def target(self) -> str:
        """Path and query, as a link on the same site spells them."""
        return "/" + self.url.split("/", 3)[3]


async def read_visit(request: web.Request, at: float) -> Visit:
    """Read a request to its end. What is not in the encoding that it claims comes with question marks."""
    if request.content_type == "multipart/form-data":
        body, form = b"", await _multipart(request)
    else:
        body = await request.read()
        form = _urlencoded(request, body)
    return Visit(
        at=at,
        method=request.method,
        host=request.host.partition(":")[0],
        path=request.path,
        url=str(request.url),
        query=tuple(request.query.items()),
        form=form,
        headers=request.headers,
        cookies=dict(request.cookies),
        body=body,
    )


def _urlencoded(request: web.Request, body: bytes) -> tuple[tuple[str, str], ...]:
    if request.content_type != "application/x-www-form-urlencoded":
        return ()
    text = body.decode("ascii", "replace")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, encoding=request.charset or "utf-8", errors="replace")
    except LookupError:  # an encoding that does not exist
        pairs = parse_qsl(text, keep_blank_values=True)
    return tuple(pairs)


async def _multipart(request: web.Request) -> tuple[tuple[str, str], ...]:
    try:
        parts = await request.post()
    except (ValueError, HttpProcessingError):
        return ()
    pairs = []
    for name, value in parts.items():
        if isinstance(value, web.FileField):
            value.file.close()
            pairs.append((name, value.filename))
        else:
            pairs.append((name, value if isinstance(value, str) else value.decode("utf-8", "replace")))
    return tuple(pairs)
