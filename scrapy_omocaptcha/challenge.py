"""Define the values that the other modules exchange: a challenge, its form, and the token that solves it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, NoReturn

TOKEN_FIELD = "g-recaptcha-response"
"""Name of the form field that carries a reCAPTCHA v2 token (Google's documentation)."""

Judgement = Literal["withholds", "acts", "doubtful"]


class Button(NamedTuple):
    """A button that sends a form, by what a browser finds it again."""

    number: int
    """Which it is of the form's submit buttons, from 0."""
    name: str
    value: str
    text: str


@dataclass(frozen=True, slots=True)
class Form:
    """An HTML form as a browser would submit it."""

    method: str
    """``"GET"`` or ``"POST"``."""
    url: str
    """Absolute address that the form is sent to."""
    fields: tuple[tuple[str, str], ...]
    """Names and values in the order in which they are sent. An empty ``g-recaptcha-response`` waits for the token."""
    enctype: str = "application/x-www-form-urlencoded"
    charset: str = "utf-8"
    """Encoding in which the fields are sent."""
    files: frozenset[str] = frozenset()
    """Names of file inputs; they are sent empty."""
    token_index: int | None = None
    """Index of the field that takes the token; ``None``: the first empty ``g-recaptcha-response``, or a new one."""
    copies: frozenset[str] = frozenset()
    """Names of hidden fields into which a script of the page copies the token."""
    number: int | None = field(default=None, compare=False)
    """Which it is of the page's forms, from 0; ``None`` if it was not read from a page."""
    button: Button | None = field(default=None, compare=False)
    """The button that sends it; ``None`` if it has none, or a script sends it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the fields that are sent."""
        return tuple(dict.fromkeys(name for name, _ in self.fields))


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
    """Name of the page's function that receives the token (``data-callback``); ``None`` if there is none."""
    form: Form | None = None
    """The form that holds the widget, or ``None``."""
    judgement: Judgement = "doubtful"
    """What the form is for, as far as the page tells: it withholds the page that was asked for until the widget is
    solved, or it acts in a person's name (a vote, an order, a comment)."""
    does: str = ""
    """What the form seems to do, in the page's own words, such as the label of its button; empty if nothing says so."""
    evidence: tuple[str, ...] = ()
    """Reasons for ``judgement``, in short phrases for a person."""
    scripted: bool = False
    """Whether the page's script does something with the token that submitting ``form`` does not do."""
    others: tuple[Challenge, ...] = ()
    """Further widgets of the page, in document order."""

    @property
    def blocking(self) -> bool:
        """Tell whether the page is the challenge: it withholds its content until the widget is solved."""
        return self.judgement == "withholds"


@dataclass(frozen=True, slots=True)
class Token:
    """The result of a job. It is valid once, for two minutes, on the site of its key.

    Its representation hides the value, and it cannot be pickled, so that the value reaches neither a log nor a disk.
    """

    value: str = field(repr=False)
    sitekey: str
    usable_until: float
    """Time at which the token is too old to be sent, in seconds of the monotonic clock."""
    job: str = ""
    """Id of the job at the service."""

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token is used once and immediately; it cannot be pickled")
