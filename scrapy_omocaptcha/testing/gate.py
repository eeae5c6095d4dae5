"""Who may pass a wall: sessions, their CSRF fields, and what a good token wins.

Pure: knows no HTTP and no HTML, only visits, a clock and a function that checks tokens.
"""

from __future__ import annotations

import hmac
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
"""The submit button's name and value, which the site wants to have been sent where a person presses it."""

PRESSED = frozenset({"checkbox", "explicit", "no_key", "enterprise", "data_s"})
"""Widgets beside which a person presses the submit button; elsewhere a script submits, without it."""

CSRF = "csrf"
INCOMPLETE = "incomplete-form"
FOREIGN_HOST = "hostname-mismatch"
NEVER = "not-good-enough"


@dataclass(slots=True)
class Session:
    """What a site remembers of one visitor."""

    id: str
    csrf: str
    is_new: bool
    pages: int = 0


@dataclass(slots=True)
class _Clearance:
    won_at: float
    pages: int = 0


class Gate:
    """The memory of one walled site.

    :param siteverify: answers for a token as Google's does.
    :param hostnames: hosts for which a token may have been made.
    """

    def __init__(
        self,
        wall: Wall,
        *,
        siteverify: Callable[[str], dict[str, Any]],
        hostnames: Collection[str],
        clock: Callable[[], float],
    ) -> None:
        self.wall = wall
        self._siteverify = siteverify
        self._hostnames = frozenset(hostnames)
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._clearances: dict[str, _Clearance] = {}

    def session(self, visit: Visit) -> Session:
        """The visitor's session; a visitor who brings no cookie of one gets a new one."""
        known = self._sessions.get(visit.cookies.get(SESSION_COOKIE, ""))
        if known is not None:
            known.is_new = False
            return known
        session = Session(id=secrets.token_hex(16), csrf=secrets.token_hex(16), is_new=True)
        self._sessions[session.id] = session
        return session

    def lets_in(self, visit: Visit, session: Session) -> bool:
        """The visitor may see a page without a token; the page is counted."""
        if session.pages < self.wall.free_pages:
            session.pages += 1
            return True
        key = session.id if self.wall.clearance == "session" else visit.cookies.get(CLEARANCE_COOKIE, "")
        clearance = self._clearances.get(key)
        if clearance is None:
            return False
        seconds, pages = self.wall.clearance_seconds, self.wall.clearance_pages
        if seconds is not None and self._clock() - clearance.won_at >= seconds:
            return False
        if pages is not None and clearance.pages >= pages:
            return False
        clearance.pages += 1
        return True

    def judge(self, fields: Mapping[str, str], session: Session) -> str | None:
        """None for a good submission, else what is wrong with it. A token that gets looked at is spent."""
        if self.wall.form != "none" and not hmac.compare_digest(
            fields.get(CSRF_FIELD, "").encode(), session.csrf.encode()
        ):
            return CSRF
        if self.wall.widget in PRESSED and fields.get(BUTTON[0]) != BUTTON[1]:
            return INCOMPLETE
        problem = self.check_token(fields.get(TOKEN_FIELD, ""))
        return problem if problem or self.wall.opens else NEVER

    def check_token(self, token: str) -> str | None:
        """None for a token that is good, else the error code. A good token is thereby spent."""
        verdict = self._siteverify(token)
        if not verdict["success"]:
            return str(verdict["error-codes"][0])
        return None if verdict["hostname"] in self._hostnames else FOREIGN_HOST

    def clear(self, session: Session) -> str | None:
        """Give the session its clearance: the value of a new cookie, or None where that is not the way."""
        if self.wall.clearance == "none":
            return None
        if self.wall.clearance == "session":
            self._clearances[session.id] = _Clearance(self._clock())
            return None
        value = secrets.token_hex(16)
        self._clearances[value] = _Clearance(self._clock())
        return value
