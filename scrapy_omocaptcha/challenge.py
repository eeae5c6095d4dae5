"""The values that travel through the package: what a page asks for, and the answer to it.

Plain frozen data. Nothing here reads a page, a setting or the network.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

TOKEN_FIELD = "g-recaptcha-response"
"""Name of the form field in which a reCAPTCHA v2 token travels (Google's documentation)."""


@dataclass(frozen=True, slots=True)
class Form:
    """An HTML form, as a browser would send it.

    ``fields`` are the pairs that are sent, in the order in which they are sent; the place of the token is held by
    a pair ``("g-recaptcha-response", "")``.
    """

    method: str
    """``"GET"`` or ``"POST"``."""
    url: str
    """Absolute address that the form is sent to."""
    fields: tuple[tuple[str, str], ...]
    enctype: str = "application/x-www-form-urlencoded"
    charset: str = "utf-8"
    """Encoding in which the fields are sent."""
    files: frozenset[str] = frozenset()
    """Names of file inputs; they are sent empty."""
    place: int | None = None
    """Which of ``fields`` takes the token; ``None``: the first pair that holds a place, else one more at the end."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """A live reCAPTCHA v2 widget on a page, and what the page wants done with its token."""

    url: str
    """Address of the page that carries the widget."""
    sitekey: str | None
    """The widget's public key; ``None`` when the page does not show it."""
    invisible: bool = False
    enterprise: bool = False
    data_s: str | None = None
    """Value of ``data-s``, which Google's own pages carry; ``None`` elsewhere."""
    callback: str | None = None
    """The name in ``data-callback``, of the page's function that is handed the token; ``None`` without one."""
    form: Form | None = None
    """The form that holds the widget, or ``None``."""
    blocking: bool = False
    """The page is the challenge: it withholds its content until the widget is solved."""
    evidence: tuple[str, ...] = ()
    """Why ``blocking`` is what it is, in short phrases for a person."""
    scripted: bool = False
    """The page's script does something with the token that no submission of ``form`` does."""
    others: tuple[Challenge, ...] = ()
    """Further widgets of the page, in document order."""


@dataclass(frozen=True, slots=True)
class Token:
    """The answer of a job: good for one use, for two minutes, on the site of its key.

    Its value is in no representation of it, and it cannot be pickled, so that it reaches neither a log nor a disk.
    """

    value: str = field(repr=False)
    sitekey: str
    made_at: float
    """When the job was last seen unfinished, in seconds of the monotonic clock: the token is no older than that."""
    job: str = ""
    """The job's id at the service."""

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token is used once and at once; it cannot be pickled")
