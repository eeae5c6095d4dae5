"""Decide which visits may pass a wall: sessions, CSRF fields, tokens and clearances.

This module knows neither HTTP nor HTML, only visits and a function that checks tokens.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scrapy_omocaptcha.challenge import TOKEN_FIELD

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from scrapy_omocaptcha.testing.visit import Visit
    from scrapy_omocaptcha.testing.walls import Wall

SESSION_COOKIE = "session"
CLEARANCE_COOKIE = "clearance"
CSRF_FIELD = "csrf"
NEXT_FIELD = "next"
BUTTON = ("action", "continue")
"""Name and value of the submit button. They must be sent where a person would press it."""

WITH_BUTTON = frozenset({"checkbox", "explicit", "no_key", "enterprise", "data_s"})
"""Widgets with a submit button for a person to press. With any other, a script submits the form without it."""

CSRF = "csrf"
INCOMPLETE = "incomplete-form"
FOREIGN_HOST = "hostname-mismatch"
NEVER = "not-good-enough"


@dataclass(slots=True)
class Session:
    """State of one visitor at a site."""

    id: str
    csrf: str
    is_new: bool
    pages: int = 0


@dataclass(eq=False)
class Gate:
    """Sessions and clearances of one walled site."""

    wall: Wall
    siteverify: Callable[[str], dict[str, Any]]
    """Checks a token as Google's ``siteverify`` does."""
    hostnames: Collection[str]
    """Hosts whose tokens are accepted."""
    refuse_every: int = 0
    """5 to refuse every fifth good token of a form or an API that wants one each time; 0 for none."""

    def __post_init__(self) -> None:
        self._good_tokens = 0
        self._sessions: dict[str, Session] = {}
        self._clearances: dict[str, int] = {}
        """How many pages were seen with each clearance."""

    def session(self, visit: Visit) -> Session:
        """Return the session of the visit's cookie, or else a new one."""
        session = self._sessions.get(visit.cookies.get(SESSION_COOKIE, ""))
        if session is None:
            session = Session(id=secrets.token_hex(16), csrf=secrets.token_hex(16), is_new=True)
            self._sessions[session.id] = session
        else:
            session.is_new = False
        return session

    def allows(self, visit: Visit, session: Session) -> bool:
        """Return whether a visit may see a page without a token, and count the page if so."""
        if session.pages < self.wall.free_pages:
            session.pages += 1
            return True
        key = session.id if self.wall.clearance == "session" else visit.cookies.get(CLEARANCE_COOKIE, "")
        clearance = self._clearances.get(key)
        if clearance is None or clearance == self.wall.clearance_pages:
            return False
        self._clearances[key] += 1
        return True

    def check_form(self, fields: Mapping[str, str], session: Session) -> str | None:
        """Check a submitted form. Return None if it is good, or else an error code.

        The token is used up, unless the form is refused before it is checked.
        """
        if self.wall.form != "none" and fields.get(CSRF_FIELD) != session.csrf:
            return CSRF
        if self.wall.widget in WITH_BUTTON and fields.get(BUTTON[0]) != BUTTON[1]:
            return INCOMPLETE
        error = self.check_token(fields.get(TOKEN_FIELD, ""))
        return error if error or self.wall.opens else NEVER

    def check_token(self, token: str) -> str | None:
        """Check a token, which uses it up. Return None if it is good, or else an error code."""
        verdict = self.siteverify(token)
        if not verdict["success"]:
            return str(verdict["error-codes"][0])
        return None if verdict["hostname"] in self.hostnames else FOREIGN_HOST

    def check_request_token(self, token: str) -> str | None:
        """Check the token of a form or an API that wants one each time; see :meth:`check_token`."""
        error = self.check_token(token)
        self._good_tokens += error is None
        if error is None and self.refuse_every and self._good_tokens % self.refuse_every == 0:
            return NEVER
        return error

    def grant_clearance(self, session: Session) -> str | None:
        """Grant the session its clearance, and return the value of a new cookie if the wall uses one."""
        value = secrets.token_hex(16) if self.wall.clearance == "cookie" else None
        if self.wall.clearance != "none":
            self._clearances[value or session.id] = 0
        return value
