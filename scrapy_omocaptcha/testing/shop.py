"""Answer the visits to a walled shop.

A :class:`~scrapy_omocaptcha.testing.visit.Visit` becomes an :class:`Answer`; the server is in ``site.py``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from scrapy_omocaptcha.challenge import TOKEN_FIELD
from scrapy_omocaptcha.testing import pages
from scrapy_omocaptcha.testing.gate import BUTTON, CLEARANCE_COOKIE, CSRF, CSRF_FIELD, NEXT_FIELD, SESSION_COOKIE
from scrapy_omocaptcha.testing.server import read_json

if TYPE_CHECKING:
    from scrapy_omocaptcha.testing.gate import Gate, Session
    from scrapy_omocaptcha.testing.visit import Shown, Visit

_ROBOTS = "User-agent: *\nAllow: /\n"


@dataclass(slots=True)
class Answer:
    """Answer to a visit."""

    body: str
    status: int = 200
    shown: Shown = "open"
    token: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    content_type: str = "text/html"


@dataclass(eq=False)
class Shop:
    """Content of a site, behind a wall or not, and the endpoints that need a token."""

    gate: Gate
    sitekey: str
    status: int
    """HTTP status of the challenge page."""
    robots_walled: bool
    catalogue_pages: int
    items_per_page: int

    def answer(self, visit: Visit) -> Answer:
        """Answer a visit."""
        unwalled = self._unwalled(visit)
        if unwalled is not None:
            return unwalled
        if visit.path in ("/verify", "/gate"):
            return self._checkpoint(visit)
        page = self._page(visit)
        if page is None:
            return Answer(pages.document("Not found", "<h1>Not found</h1>"), 404, "missing")
        return self.walled(visit, page)

    def _unwalled(self, visit: Visit) -> Answer | None:
        kind, number = _numbered(visit.path)
        if kind == "free" and number:
            return Answer(pages.free(number))
        if visit.path == "/robots.txt" and not self.robots_walled:
            return Answer(_ROBOTS, content_type="text/plain")
        if visit.path == "/contact":
            return Answer(pages.contact(self.sitekey))
        if visit.path == "/captcha.js":
            return Answer("/* The key would be in here. */", content_type="text/javascript")
        if visit.path in ("/api/search", "/api/header", "/api/query"):
            return self._api(visit)
        return None

    def _page(self, visit: Visit) -> Answer | None:
        """Return the page behind the wall, or None if there is none at this path."""
        if visit.path == "/":
            return Answer(pages.home())
        if visit.path == "/robots.txt":
            return Answer(_ROBOTS, content_type="text/plain")
        if visit.path == "/search":
            fields = (*visit.query, *visit.form)
            return Answer(pages.search(visit.method, [pair for pair in fields if pair[0] != TOKEN_FIELD]))
        kind, number = ("page", 1) if visit.path == "/catalogue/" else _numbered(visit.path)
        if kind == "page" and 0 < number <= self.catalogue_pages:
            first = (number - 1) * self.items_per_page + 1
            items = range(first, first + self.items_per_page)
            return Answer(pages.catalogue(number, self.catalogue_pages, items))
        if kind == "item" and 0 < number <= self.catalogue_pages * self.items_per_page:
            return Answer(pages.item(number))
        return None

    def walled(self, visit: Visit, page: Answer) -> Answer:
        """Answer a visit with ``page`` where it may pass the wall."""
        session = self.gate.session(visit)
        page.shown = "page"
        if self.gate.allows(visit, session):
            return with_cookies(page, session)
        if self.gate.wall.form == "page" and visit.method == "POST" and visit.submits:
            error = self.gate.check_form(dict(visit.form), session)
            if error is not None:
                return self._reject(visit, session, error, visit.target)
            page.token = "accepted"
            return with_cookies(page, session, self.gate.grant_clearance(session))
        if self.gate.wall.redirect:
            return with_cookies(redirect(f"/gate?{NEXT_FIELD}={quote(visit.target, safe='')}"), session)
        return self.challenge(visit, session, visit.target)

    def _checkpoint(self, visit: Visit) -> Answer:
        """Accept submissions at ``/verify`` and ``/gate``, and show the challenge at ``/gate``."""
        session = self.gate.session(visit)
        if self.gate.wall.widget == "callback":
            error = self.gate.check_form({TOKEN_FIELD: _member(visit, "token")}, session)
            if error is not None:
                return with_cookies(_json({"ok": False, "error": error}, self.status, error), session)
            return with_cookies(_json({"ok": True}, 200, "accepted"), session, self.gate.grant_clearance(session))
        by_query = self.gate.wall.form == "get"
        fields = dict(visit.query if by_query else visit.form)
        target = fields.get(NEXT_FIELD) or dict(visit.query).get(NEXT_FIELD, "/")
        if TOKEN_FIELD not in fields:
            if visit.path == "/gate":
                return self.challenge(visit, session, target)
            return with_cookies(redirect("/"), session)
        error = self.gate.check_form(fields, session)
        if error is not None:
            return self._reject(visit, session, error, target)
        if self.gate.wall.after == "thanks":
            answer = Answer(pages.thanks(target), shown="sent on")
        else:
            answer = redirect(target if self.gate.wall.after == "back" else "/")
        answer.token = "accepted"
        return with_cookies(answer, session, self.gate.grant_clearance(session))

    def challenge(self, visit: Visit, session: Session, target: str, error: str | None = None) -> Answer:
        """Show the challenge in place of ``target``, a path with its query."""
        carried = [pair for pair in visit.form if pair[0] not in (TOKEN_FIELD, CSRF_FIELD, BUTTON[0])]
        body = pages.challenge(self.gate.wall, self.sitekey, session.csrf, target, carried, error or "")
        return with_cookies(Answer(body, self.status, "challenge", error), session)

    def _reject(self, visit: Visit, session: Session, error: str, target: str) -> Answer:
        if error == CSRF:
            return with_cookies(Answer(pages.csrf_failure(), 403, "csrf", error), session)
        return self.challenge(visit, session, target, error)

    def _api(self, visit: Visit) -> Answer:
        tokens = {
            "/api/search": _member(visit, "token"),
            "/api/header": visit.headers.get("X-Captcha-Token", ""),
            "/api/query": dict(visit.query).get("token", ""),
        }
        if visit.path == "/api/search" and visit.method != "POST":
            return _json({"error": "POST only"}, 405, None)
        error = self.gate.check_request_token(tokens[visit.path])
        if error is not None:
            return _json({"error": error}, 403, error)
        return _json({"items": ["Thing 1", "Thing 2"], "query": _member(visit, "q")}, 200, "accepted")


def with_cookies(answer: Answer, session: Session, clearance: str | None = None) -> Answer:
    """Add the cookies of a new session and of a new clearance to an answer."""
    if session.is_new:
        answer.cookies[SESSION_COOKIE] = session.id
    if clearance is not None:
        answer.cookies[CLEARANCE_COOKIE] = clearance
    return answer


def redirect(location: str, shown: Shown = "sent on", token: str | None = None) -> Answer:
    """Return a redirect."""
    return Answer("", 302, shown, token, headers={"Location": location})


def _json(value: object, status: int, token: str | None) -> Answer:
    return Answer(json.dumps(value), status, "open", token, content_type="application/json")


def _member(visit: Visit, name: str) -> str:
    """Return a text of the JSON object that was sent."""
    sent = read_json(visit.body)
    member = sent.get(name) if isinstance(sent, dict) else None
    return member if isinstance(member, str) else ""


def _numbered(path: str) -> tuple[str, int]:
    """Return kind and number of a page such as ``/item/7``."""
    found = re.fullmatch(r"/(free|page|item)/([0-9]{1,9})", path)
    return (found[1], int(found[2])) if found else ("", 0)
