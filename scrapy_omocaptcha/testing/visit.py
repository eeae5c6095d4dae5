"""Record a request to a site: what was sent, and how it was answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from scrapy_omocaptcha.challenge import TOKEN_FIELD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

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
    def target(self) -> str:
        """Return path and query."""
        return "/" + self.url.split("/", 3)[3]


async def read_visit(request: web.Request, at: float) -> Visit:
    """Read a request."""
    body = b"" if request.content_type == "multipart/form-data" else await request.read()
    fields: Mapping[str, Any] = await request.post()
    return Visit(
        at=at,
        method=request.method,
        host=request.host.partition(":")[0],
        path=request.path,
        url=str(request.url),
        query=tuple(request.query.items()),
        form=tuple((name, getattr(value, "filename", value)) for name, value in fields.items()),
        headers=request.headers,
        cookies=dict(request.cookies),
        body=body,
    )
