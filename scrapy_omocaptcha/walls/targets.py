"""Remember what the addresses that redirects lead to, their targets, have proven to be. Nothing is sent here."""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from scrapy import Request
from scrapy.utils.datatypes import LocalCache

from scrapy_omocaptcha.urls import public_address, route_of

_MAX_KNOWN = 10_000
"""Targets that are remembered."""
_MAX_DROPPED = 1000
"""Dropped redirects that are kept for each."""


class Kind(Enum):
    """What a target has proven to be. Who is *through* was sent with a clearance."""

    UNKNOWN = "no answer of it was seen"
    FAILED = "it has failed, so that nobody knows"
    PAGE = "it has shown a page, and no challenge so far"
    WALL = "it has shown a challenge, in the place of this page or of what redirects here"
    IN_PLACE = "who is through is redirected there, too: its challenge is in the place of this page"
    GATE = "who is through is not redirected there any more: it is an address of the wall's own"
    RETURNING = "a gate that has led a request back to what was asked for, and so had withheld that"


GATES = (Kind.GATE, Kind.RETURNING)
SHOWS_CHALLENGES = (Kind.WALL, *GATES)


@dataclass
class Target:
    """What is known of the addresses of one route."""

    kind: Kind = Kind.UNKNOWN
    finder: int = 0
    """Stamp, which no other request has, of the one whose redirect there is being followed and shows what the target
    is; 0 if none is."""
    dropped: deque[Request] = field(default_factory=lambda: deque(maxlen=_MAX_DROPPED))
    """Redirects there that Scrapy has dropped as duplicates meanwhile."""


class Targets:
    """The targets of one crawl's redirects."""

    def __init__(self) -> None:
        self._targets: LocalCache[str, Target] = LocalCache(_MAX_KNOWN)
        self._scripts: LocalCache[str, bool] = LocalCache(_MAX_KNOWN)
        """Paths that have redirected to themselves: what is there is told apart by the words in their queries."""
        self.has_met_wall = False

    def route_of(self, url: str) -> str:
        """Return what an address has in common with others of which the same is known: its path, or its route."""
        path = public_address(url)
        return route_of(url) if path in self._scripts else path

    def record_redirect(self, by: str, url: str) -> None:
        """Record that the address ``by`` redirects to ``url``."""
        if public_address(url) == public_address(by) and route_of(url) != route_of(by):
            self._scripts[public_address(url)] = True

    def of(self, url: str) -> Target:
        """Return what is known of an address."""
        return self._targets.setdefault(self.route_of(url), Target())

    def record_page(self, url: str) -> None:
        """Record that an address has shown a page."""
        target = self.of(url)
        if target.kind in (Kind.UNKNOWN, Kind.FAILED):
            target.kind = Kind.PAGE

    def record_failed(self, url: str) -> None:
        """Record that a request to an address had no answer that tells what is there."""
        target = self.of(url)
        if target.kind is Kind.UNKNOWN:
            target.kind = Kind.FAILED

    def record_challenge(self, url: str) -> None:
        """Record that an address has shown a challenge, or has redirected to one."""
        self.has_met_wall = True
        target = self.of(url)
        if target.kind in (Kind.UNKNOWN, Kind.FAILED, Kind.PAGE):
            target.kind = Kind.WALL

    def record_in_place(self, url: str) -> None:
        """Record that the challenge of an address is in the place of its page, to which redirects lead."""
        self.of(url).kind = Kind.IN_PLACE

    def record_gate(self, url: str, *, leads_back: bool = False) -> None:
        """Record that who is through is not redirected to an address any more, or led back to what was asked for."""
        target = self.of(url)
        if leads_back or target.kind is not Kind.RETURNING:
            target.kind = Kind.RETURNING if leads_back else Kind.GATE

    def may_be_gate(self, url: str) -> bool:
        """Tell whether an address may be a gate, for all that is known in a crawl that has met a wall."""
        return self.has_met_wall and self.of(url).kind in (Kind.FAILED, Kind.WALL)

    def dropped(self) -> list[deque[Request]]:
        """Return the redirects that were dropped, for each target."""
        return [target.dropped for target in self._targets.values()]
