"""Answer the visits to forms that want a token, a search and a login, which are not behind a wall; and to a sitemap."""

from __future__ import annotations

import secrets
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from scrapy_omocaptcha.challenge import TOKEN_FIELD
from scrapy_omocaptcha.testing import pages
from scrapy_omocaptcha.testing.gate import CSRF, CSRF_FIELD
from scrapy_omocaptcha.testing.shop import Answer, with_cookies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scrapy_omocaptcha.testing.gate import Gate, Session
    from scrapy_omocaptcha.testing.visit import Visit

Refusal = Literal["page", "redirect"] | int
"""Way in which a form refuses a token: with its own page, a redirect to that page, or an HTTP status."""

PASSWORD = "correct horse"
RESULT_PAGES = 3
_FURTHER = tuple(map(str, range(2, RESULT_PAGES + 1)))
_ONCE = "/find/once"
_BUILT = "/find/built"
_POSTBACK = "/find/postback"
_FORMS = {"/find": "post", "/find/get": "get", _ONCE: "post", _BUILT: "post"}


@dataclass(eq=False)
class TokenForms:
    """The search and the login of a site."""

    gate: Gate
    sitekey: str
    refusal: Refusal
    last_page: int

    def __post_init__(self) -> None:
        self._one_time: defaultdict[str, set[str]] = defaultdict(set)
        """Values of the one-time fields that have not been sent yet, by session."""
        self._states: dict[tuple[str, str], str] = {}
        """Searches on the pages whose form has not been sent yet, by session and one-time field."""
        self._searches: set[tuple[str, str]] = set()
        """Sessions that have searched, with their searches."""
        self._users: dict[str, str] = {}
        """The users that are logged in, by session."""

    def answer(self, visit: Visit) -> Answer | None:
        """Answer a visit, or return None where it is for other pages."""
        if visit.path == "/sitemap.xml":
            origin = visit.url.removesuffix(visit.target)
            return Answer(pages.sitemap(origin, self.last_page), content_type="application/xml")
        by_path = {
            **dict.fromkeys(map("/find/{}".format, _FURTHER), self._more_results),
            **dict.fromkeys(_FORMS, self._search),
            _POSTBACK: self._postback,
            "/login": self._login,
            **dict.fromkeys(("/account", "/orders"), self._account),
        }
        if visit.path not in by_path:
            return None
        session = self.gate.session(visit)
        return with_cookies(by_path[visit.path](visit, session), session)

    def _search(self, visit: Visit, session: Session) -> Answer:
        by_get = _FORMS[visit.path] == "get"
        fields = dict(visit.query if by_get else visit.form)
        if not fields and (by_get or visit.method != "POST"):
            return self._search_form(visit.path, session)
        if visit.path == _ONCE and not self._take_one_time(session, fields):
            return Answer(pages.csrf_failure(), 403, "csrf", CSRF)
        error = self._check_token(fields)
        if error is not None:
            return self._refuse(self._search_form(visit.path, session, f"Not confirmed: {error}."), visit, error)
        sought = fields.get("q", "")
        self._searches.add((session.id, sought))
        return Answer(pages.results(sought, 1, RESULT_PAGES), token="accepted")

    def _search_form(self, path: str, session: Session, error: str = "") -> Answer:
        if path == _BUILT:
            return Answer(pages.built_search_form(self.sitekey, path, error))
        hidden = []
        if path == _ONCE:
            hidden.append((CSRF_FIELD, secrets.token_hex(16)))
            self._one_time[session.id].add(hidden[0][1])
        return Answer(pages.search_form(self.sitekey, path, _FORMS[path], hidden, error))

    def _take_one_time(self, session: Session, fields: Mapping[str, str]) -> bool:
        value = fields.get(CSRF_FIELD, "")
        known = value in self._one_time[session.id]
        self._one_time[session.id].discard(value)
        return known

    def _more_results(self, visit: Visit, session: Session) -> Answer:
        """Show further results to the session that has searched, without another token."""
        number, sought = visit.path.removeprefix("/find/"), dict(visit.query).get("q", "")
        if (session.id, sought) not in self._searches:
            return Answer("", 302, headers={"Location": "/find"})
        return Answer(pages.results(sought, int(number), RESULT_PAGES))

    def _postback(self, visit: Visit, session: Session) -> Answer:
        """Answer the search, and the links to further results, which send the form of their page."""
        if visit.method != "POST":
            return Answer(pages.search_form(self.sitekey, _POSTBACK, "post", self._state(session)))
        fields = dict(visit.form)
        sought = self._states.pop((session.id, fields.get("__VIEWSTATE", "")), None)
        if sought is None:
            return Answer(pages.csrf_failure(), 403, "csrf", CSRF)
        number = fields.get("__EVENTARGUMENT", "").removeprefix("Page$")
        if sought and number in _FURTHER:
            return Answer(pages.results(sought, int(number), RESULT_PAGES, self._state(session, sought)))
        error = self._check_token(fields)
        if error is not None:
            page = pages.search_form(self.sitekey, _POSTBACK, "post", self._state(session), f"Not confirmed: {error}.")
            return self._refuse(Answer(page), visit, error)
        sought = fields.get("q", "")
        return Answer(pages.results(sought, 1, RESULT_PAGES, self._state(session, sought)), token="accepted")

    def _state(self, session: Session, sought: str = "") -> list[tuple[str, str]]:
        """Return the hidden fields of a page, as ASP.NET names them."""
        value = secrets.token_hex(16)
        self._states[session.id, value] = sought
        return [("__EVENTTARGET", ""), ("__EVENTARGUMENT", ""), ("__VIEWSTATE", value)]

    def _login(self, visit: Visit, session: Session) -> Answer:
        if visit.method != "POST":
            return Answer(pages.login(self.sitekey, session.csrf))
        fields = dict(visit.form)
        error = CSRF if fields.get(CSRF_FIELD) != session.csrf else self._check_token(fields)
        if error is not None:
            page = Answer(pages.login(self.sitekey, session.csrf, f"Not confirmed: {error}."))
            return self._refuse(page, visit, error)
        if not fields.get("user") or fields.get("password") != PASSWORD:
            wrong = pages.login(self.sitekey, session.csrf, "Wrong user or password.")
            return Answer(wrong, token="accepted")
        self._users[session.id] = fields["user"]
        return Answer("", 302, token="accepted", headers={"Location": "/account"})

    def _account(self, visit: Visit, session: Session) -> Answer:
        user = self._users.get(session.id)
        if user is None:
            return Answer("", 302, headers={"Location": "/login"})
        return Answer(pages.account(user) if visit.path == "/account" else pages.orders(user))

    def _check_token(self, fields: Mapping[str, str]) -> str | None:
        return self.gate.check_request_token(fields.get(TOKEN_FIELD, ""))

    def _refuse(self, page: Answer, visit: Visit, error: str) -> Answer:
        page.token = error
        if self.refusal == "redirect":
            return Answer("", 302, token=error, headers={"Location": visit.path})
        if isinstance(self.refusal, int):
            page.status = self.refusal
        return page
