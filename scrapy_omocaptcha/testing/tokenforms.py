"""Answer the visits to forms that want a token, a search and a login, which are not behind a wall."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scrapy_omocaptcha.challenge import TOKEN_FIELD
from scrapy_omocaptcha.testing import pages
from scrapy_omocaptcha.testing.gate import CSRF, CSRF_FIELD
from scrapy_omocaptcha.testing.shop import Answer, redirect, with_cookies

if TYPE_CHECKING:
    from scrapy_omocaptcha.testing.gate import Gate, Session
    from scrapy_omocaptcha.testing.visit import Visit

PASSWORD = "correct horse"
RESULT_PAGES = 3
_FURTHER = tuple(map(str, range(2, RESULT_PAGES + 1)))
_BY_GET, _BUILT, _POSTBACK = "/find/get", "/find/built", "/find/postback"
_SEARCHES = ("/find", _BY_GET, _BUILT, _POSTBACK)


@dataclass(eq=False)
class TokenForms:
    """The search and the login of a site."""

    gate: Gate
    sitekey: str

    def __post_init__(self) -> None:
        self._unsent: dict[tuple[str, str], str] = {}
        """Sessions and view states that have not been sent yet, with what the page that has one is a result of."""
        self._searches: set[tuple[str, str]] = set()
        """Sessions that have searched, with their searches."""
        self._users: dict[str, str] = {}
        """The users that are logged in, by session."""

    def answer(self, visit: Visit) -> Answer | None:
        """Answer a visit, or return None where it is for other pages."""
        by_path = {
            **dict.fromkeys(map("/find/{}".format, _FURTHER), self._more_results),
            **dict.fromkeys(_SEARCHES, self._search),
            "/login": self._login,
            **dict.fromkeys(("/account", "/orders"), self._account),
        }
        if visit.path not in by_path:
            return None
        session = self.gate.session(visit)
        return with_cookies(by_path[visit.path](visit, session), session)

    def _search(self, visit: Visit, session: Session) -> Answer:
        """Answer a search; for ``/find/postback``, also the links to further results, which send its form."""
        path, by_get = visit.path, visit.path == _BY_GET
        fields = dict(visit.query if by_get else visit.form)
        if not fields and (by_get or visit.method != "POST"):
            return self._search_form(path, session)
        if path == _POSTBACK:
            sought = self._unsent.pop((session.id, fields.get("__VIEWSTATE", "")), None)
            if sought is None:
                return Answer(pages.csrf_failure(), 403, "csrf", CSRF)
            number = fields.get("__EVENTARGUMENT", "").removeprefix("Page$")
            if sought and number in _FURTHER:
                return self._results(path, session, sought, int(number))
        error = self.gate.check_request_token(fields.get(TOKEN_FIELD, ""))
        if error is not None:
            return replace(self._search_form(path, session, f"Not confirmed: {error}."), token=error)
        sought = fields.get("q", "")
        self._searches.add((session.id, sought))
        return replace(self._results(path, session, sought, 1), token="accepted")

    def _search_form(self, path: str, session: Session, error: str = "") -> Answer:
        if path == _BUILT:
            return Answer(pages.built_search_form(self.sitekey, path, error))
        method = "get" if path == _BY_GET else "post"
        return Answer(pages.search_form(self.sitekey, path, method, self._state(path, session), error))

    def _results(self, path: str, session: Session, sought: str, number: int) -> Answer:
        return Answer(pages.results(sought, number, RESULT_PAGES, self._state(path, session, sought)))

    def _state(self, path: str, session: Session, sought: str = "") -> list[tuple[str, str]]:
        """Return the hidden fields of a page of ASP.NET, whose form can be sent only once."""
        if path != _POSTBACK:
            return []
        value = secrets.token_hex(16)
        self._unsent[session.id, value] = sought
        return [("__EVENTTARGET", ""), ("__EVENTARGUMENT", ""), ("__VIEWSTATE", value)]

    def _more_results(self, visit: Visit, session: Session) -> Answer:
        """Show further results to the session that has searched, without another token."""
        number, sought = visit.path.removeprefix("/find/"), dict(visit.query).get("q", "")
        if (session.id, sought) not in self._searches:
            return redirect("/find", "open")
        return self._results("/find", session, sought, int(number))

    def _login(self, visit: Visit, session: Session) -> Answer:
        if visit.method != "POST":
            return Answer(pages.login(self.sitekey, session.csrf))
        fields = dict(visit.form)
        error: str | None = CSRF
        if fields.get(CSRF_FIELD) == session.csrf:
            error = self.gate.check_request_token(fields.get(TOKEN_FIELD, ""))
        if error is not None:
            return Answer(pages.login(self.sitekey, session.csrf, f"Not confirmed: {error}."), token=error)
        if not fields.get("user") or fields.get("password") != PASSWORD:
            return Answer(pages.login(self.sitekey, session.csrf, "Wrong user or password."), token="accepted")
        self._users[session.id] = fields["user"]
        return redirect("/account", "open", "accepted")

    def _account(self, visit: Visit, session: Session) -> Answer:
        user = self._users.get(session.id)
        if user is None:
            return redirect("/login", "open")
        return Answer(pages.account(user) if visit.path == "/account" else pages.orders(user))
