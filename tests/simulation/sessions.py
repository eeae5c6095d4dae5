"""Judge what the sites of a simulated crawl saw of each session: its cookies and forms, and why it was not let in.

Each request of the spider tells its name in a header, and in some crawls its cookiejar in a cookie.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

from scrapy_omocaptcha.testing import WALLS
from scrapy_omocaptcha.testing.gate import CLEARANCE_COOKIE, CSRF, FOREIGN_HOST, INCOMPLETE, SESSION_COOKIE
from tests.simulation.network import NAME, PLACE
from tests.simulation.plan import LIMITS, redirects
from tests.simulation.spider import VISITOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scrapy_omocaptcha.testing import Visit, WalledSite
    from tests.simulation.network import Exchange
    from tests.simulation.plan import Plan, Site, Wanted
    from tests.simulation.spider import Record
    from tests.simulation.world import World

_ALIKE = ("User-Agent", "Accept", "Accept-Language", "Accept-Encoding")
_FIELDS = {"csrf", "next", "action", "g-recaptcha-response", "q", "name", "email", "id"}
SPOILED = ("empty", "html")
"""Faults that leave a whole answer, which is no page, without the cookies that it would have set."""
HANGING_SECONDS = 30.0
"""How long a form waits at most for other answers of its session, each of which may outdate it."""
SLOW = ("AUTOTHROTTLE_ENABLED", "DOWNLOAD_DELAY")
_VOID_FORMS = (*SLOW, "HTTPCACHE_ENABLED")
"""Settings with which a form may be void that was good when its page was shown."""
_FAILED = {"attempts", "service", "broke", "account", "breaker"}
"""Why a challenge stays closed where something went wrong."""
_REASONS = {"callback_only": "browser", "no_key": "unsolvable", "data_s": "unsolvable"}
"""Reasons why walls are not solved; those of others have the name of the wall."""
_BOUNDS = (*LIMITS, "OMOCAPTCHA_MIN_BALANCE")


def wanted_of(planned: Plan, name: str) -> Wanted:
    """Return what was planned for a request, or for the one whose callback or errback has sent it."""
    number = int(name.partition(" ")[0])
    return max((wanted for wanted in planned.wanted if wanted.number <= number), key=lambda wanted: wanted.number)


def at_once(spans: Iterable[tuple[float, float]]) -> int:
    """Return the greatest number of spans that hold the same moment."""
    steps = sorted(step for begin, end in spans for step in ((begin, 1), (end, -1)))
    return max(accumulate(step for _, step in steps), default=0)


def check(planned: Plan, world: World, record: Record) -> Iterator[str]:
    """Return everything that is wrong with what each site saw."""
    for number in range(len(planned.sites)):
        seen = Seen(planned, world, record, number)
        yield from (*seen.cookies(), *seen.forms(), *seen.reasons())


@dataclass
class Seen:
    """What one site saw."""

    planned: Plan
    world: World
    record: Record
    number: int

    def __post_init__(self) -> None:
        self.site: WalledSite = self.world.sites[self.number]
        self.told: Site = self.planned.sites[self.number]
        self.named = [(visit.headers[NAME], visit) for visit in self.site.requests if NAME in visit.headers]

    def session(self, name: str) -> int | None:
        return wanted_of(self.planned, name).cookiejar

    @property
    def stays_open(self) -> bool:
        """Tell whether a token opens the wall for its session, once and for all."""
        wall = replace(WALLS[self.told.wall], **self.told.changes)
        is_limited = wall.clearance_pages or wall.free_pages or wall.clearance == "none"
        is_plain = self.told.kind in ("walled", "one address")
        # What another run or crawl did cannot be told apart.
        is_one_run = not self.planned.stops and self.planned.end not in ("two crawls", "fleet")
        return is_one_run and is_plain and self.told.is_solvable and not (is_limited or self.is_spoiled)

    @property
    def is_spoiled(self) -> bool:
        """Tell whether the answer to an accepted token came without its clearance, as if it were good for one page."""
        return any(visit.token == "accepted" and visit.fault in SPOILED for visit in self.site.requests)

    def cookies(self) -> Iterator[str]:
        """Check that each request came with the spider's own cookie, with none of another session, and one head."""
        heads = {tuple(visit.headers.get(name, "") for name in _ALIKE) for visit in self.site.requests}
        if len(heads) > 1:
            yield f"headers: {self.site.url} got {sorted(heads)}"
        # Scrapy keeps no cookies from run to run, nor those of another worker.
        if not keeps_cookies(self.planned) or self.planned.stops or self.planned.end == "fleet":
            return
        owners: dict[str, str] = {}
        for name, visit in self.named:
            session = str(self.session(name))
            if visit.cookies.get(VISITOR) != (session if self.planned.has_cookie else None):
                yield f"cookies: request {name} came to {visit.path} without the spider's own"
            for cookie in (SESSION_COOKIE, CLEARANCE_COOKIE):
                value = visit.cookies.get(cookie, "")
                # HttpCache gives what one session has got to all, with its cookies.
                is_known = value and "HTTPCACHE_ENABLED" not in self.planned.settings
                if is_known and owners.setdefault(value, session) != session:
                    yield f"cookies: request {name} of session {session} came with those of {owners[value]}"

    def forms(self) -> Iterator[str]:
        """Check that only walls' forms were sent, whole and as they were at the time, and nothing else with them."""
        for name, visit in self.named:
            if visit.shown == CSRF and not self._crossed(name, visit):
                yield f"form: request {name} sent one to {self.site.url} that was void at {visit.at:.3f} s"
            if visit.token in (INCOMPLETE, FOREIGN_HOST):
                yield f"form: that of request {name} was {visit.token}"
            fields = {field for field, _ in visit.form}
            if visit.submits and visit.path != "/find" and not fields <= _FIELDS:
                yield f"form: request {name} sent {sorted(fields - _FIELDS)} to {visit.path}"
            if visit.method == "POST" and visit.path == "/contact":
                yield f"form: request {name} sent {visit.path} unasked"

    def _crossed(self, name: str, void: Visit) -> bool:
        """Tell whether a form was voided by what came while it was on its way, so that its crawl could not know.

        That is an answer to what was asked for before the form's page came, or one that came while the form waited in
        the queue of a slot with a delay. What HttpCache gives may be void, and a broken page may lack its cookie. What
        a callback downloads itself has no name here, and may cross as well. Where each page wants a token, or seems to,
        others of the session are at the site all the time. And a form waits for an answer that hangs only so long.
        """
        is_awaited = any(wanted.kind == "nested" and wanted.site == self.number for wanted in self.planned.wanted)
        if is_awaited or self.is_spoiled or not self.planned.settings.keys().isdisjoint(_VOID_FORMS):
            return True
        crawler = self._exchange(void).crawler
        shown = [
            (other, visit)
            for other, visit in self.named
            if visit.shown == "challenge"
            and visit.at < void.at
            and self.session(other) == self.session(name)
            and self._exchange(visit).crawler is crawler
        ]
        page = next((visit for other, visit in reversed(shown) if other == name), None)
        if page is None or page.fault is not None:
            return page is not None
        same = [visit for other, visit in self.named if other != name and self.session(other) == self.session(name)]
        between = [visit for visit in same if page.at < visit.at < void.at]
        if any(visit.submits and not _is_upfront(visit) for visit in between):
            # Another one was let solve the wall as well.
            return True
        spans = [self._exchange(visit) for other, visit in shown if other != name]
        if any(span.ended - span.began > HANGING_SECONDS and span.ended <= void.at for span in spans):
            return True
        later = [visit for _, visit in shown if visit.at > page.at]
        came = self._exchange(page).ended
        return bool(later) and all(self._exchange(visit).began < came for visit in later)

    def _exchange(self, visit: Visit) -> Exchange:
        return self.world.exchanges[int(visit.headers[PLACE])]

    def reasons(self) -> Iterator[str]:
        """Check that each refusal has a reason that the site, the settings or what goes wrong can explain."""
        planned = self.planned
        reasons = {_REASONS.get(self.told.wall, self.told.wall)}
        reasons |= {name.removeprefix("OMOCAPTCHA_").lower() for name in planned.settings if name in _BOUNDS}
        reasons |= set() if keeps_cookies(planned) else {"cookies"}
        if not (planned.is_calm and self.stays_open):
            reasons |= _FAILED
        # A POST is not sent again where its wall does not lead back to it.
        reasons |= {"maybe_executed"} if redirects(self.told) or self.told.kind == "orders" else set()
        for name, how in self.record.ends.items():
            error, _, reason = how.partition(" ")
            is_refusal = error in ("ChallengeNotSolved", "HttpError") and reason != ""
            if is_refusal and wanted_of(planned, name).site == self.number and reason not in reasons:
                yield f"reason: request {name} was not let through, for {reason}; it may be {sorted(reasons)}"


def _is_upfront(visit: Visit) -> bool:
    """Tell whether a request wanted its token before it was sent."""
    return visit.path in ("/find", "/api/header")


def keeps_cookies(planned: Plan) -> bool:
    """Tell whether Scrapy keeps the cookies of a crawl."""
    return planned.settings.get("COOKIES_ENABLED", True)
