"""Record a request to a site: what was sent, and how it was answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from scrapy_omocaptcha.challenge import TOKEN_FIELD
from scrapy_omocaptcha.testing.server import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping

Shown = Literal["page", "challenge", "csrf", "sent on", "open", "missing"]
"""What the answer showed: a page from behind the wall, the challenge, the refusal of a form of another session, a
redirect or a page of thanks, a page that is never walled, or an error 404."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A request to a :class:`~scrapy_omocaptcha.testing.WalledSite`."""

    at: float
    """Time of arrival by the service's clock, in seconds."""
    method: str
    host: str
    """The Host header, without its port."""
    path: str
    url: str
    query: tuple[tuple[str, str], ...]
    form: tuple[tuple[str, str], ...]
    """Fields of a urlencoded or multipart body in order; for a file, its name."""
    headers: Mapping[str, str] = field(repr=False)
    """Headers by case-insensitive name."""
    cookies: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    """Body as it was sent; empty for multipart."""
    status: int = 0
    """HTTP status of the answer before a fault changed it; 0 if a fault replaced the answer."""
    shown: Shown | None = None
    token: str | None = None
    """Result of a submission: ``"accepted"`` or an error code; None if nothing was submitted."""
    fault: str | None = None
    """Fault that was applied."""

    @property
    def submits(self) -> bool:
        """Tell whether the form or the query has a field for the token."""
        return any(name == TOKEN_FIELD for name, _ in (*self.form, *self.query))

    @property
    def json(self) -> Any:
        """Return the decoded JSON of the body, or None if it is not JSON."""
        return read_json(self.body)

    @property
    def target(self) -> str:
        """Return path and query."""
        return "/" + self.url.split("/", 3)[3]


async def read_visit(request: web.Request, at: float) -> Visit:
    """Read a request. Characters that cannot be decoded are replaced."""
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
    except LookupError:  # unknown encoding
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
