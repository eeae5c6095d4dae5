"""Remember what the addresses that redirects lead to have proven to be: pages, walls, or pages behind a wall.

A site may show its challenge *in place*, at the address of the page that it withholds, or at an address of its own.
Nothing is sent or scheduled here.
"""

from dataclasses import dataclass, replace
from enum import Enum

from scrapy.utils.datatypes import LocalCache

from scrapy_omocaptcha.detection import wall_word
from scrapy_omocaptcha.tokens.judging import Marks
from scrapy_omocaptcha.urls import address_of, public_address, returns_to, route_of
from scrapy_omocaptcha.walls.originals import Original

_MAX_KNOWN = 10_000
"""Targets that are remembered."""


class Kind(Enum):
    """What the target of redirects has proven to be. Only the methods of :class:`Targets` change it."""

    UNKNOWN = "nobody has been there"
    FOLLOWED = "Scrapy follows a redirect there, and the answer is not there yet"
    PAGE = "it has shown no challenge"
    WALL = "it has shown a challenge"
    GATE = "a wall without a page of its own, for good: a request that is through is redirected to something else"
    OPEN = "it was a wall, and shows a page that no request has got yet"


WALLS = (Kind.WALL, Kind.GATE)
PAGES = (Kind.PAGE, Kind.OPEN)


@dataclass
class Target:
    """What is known of the target of redirects: a route, or one address where its query tells a page."""

    kind: Kind = Kind.UNKNOWN
    followed_for: Original | None = None
    """What Scrapy follows a redirect there for."""
    times_looked: int = 0
    """How often a request has looked at it."""
    has_been_wall: bool = False
    """Whether it was a wall, and then showed a page. A session that is not through meets the wall there."""
    was_gate: bool = False
    """Whether it was proven to be a gate, even if it shows a page of its own to those who are through."""
    marks: Marks | None = None
    """By what the challenge that it has shown is known again."""
    is_requested: bool = False
    """Whether the spider has requested it itself, and met the challenge."""
    has_stopped: bool = False
    """Whether a GET was redirected there and met a challenge."""
    is_always_closed: bool = False
    """Whether it shows its challenge also to a session that is through: a token for it has led to another page."""


class Targets:
    """The targets of one crawl's redirects."""

    def __init__(self) -> None:
        self._targets: LocalCache[str, Target] = LocalCache(_MAX_KNOWN)
        self._walled_pages: LocalCache[Marks | None, set[str]] = LocalCache(_MAX_KNOWN)
        """Pages to which redirects lead also once the wall is open that was met there, by the marks of the wall."""
        self.has_met_wall = False
        self._scripts: LocalCache[str, bool] = LocalCache(_MAX_KNOWN)
        """Paths that have redirected to themselves: what is there is told apart by the words in their queries."""

    def route_of(self, url: str) -> str:
        """Return what an address has in common with others of which the same is known: its path, or its route."""
        path = public_address(url)
        return route_of(url) if path in self._scripts else path

    def record_redirect(self, by: str, url: str) -> None:
        """Record that the address ``by`` redirects to ``url``."""
        if public_address(url) == public_address(by) and route_of(url) != route_of(by):
            self._scripts[public_address(url)] = True

    def of(self, url: str) -> Target:
        """Return what is known of an address, to read it.

        An address whose query tells a page has a record of its own; all others share that of their route.
        """
        return self._targets.get(address_of(url)) or self._targets.get(self.route_of(url)) or Target()

    def _record(self, url: str) -> Target:
        """Return the record of an address to write it; see :meth:`of`."""
        return self._targets.get(address_of(url)) or self._targets.setdefault(self.route_of(url), Target())

    def is_walled_page(self, url: str) -> bool:
        """Tell whether a target is a page behind a wall, which a session that is through is redirected to as well."""
        return self.is_in_place(url, self.of(url).marks)

    def is_in_place(self, url: str, marks: Marks | None) -> bool:
        """Tell whether a challenge with these marks is in the place of the page, as it was in that of two others."""
        return len(self._walled_pages.get(marks, ())) > 1 and self.may_be_page(url)

    def may_be_page(self, url: str) -> bool:
        return not self.is_named(url) and self.of(url).kind is not Kind.GATE

    def record_followed(self, url: str, original: Original | None) -> None:
        """Record that Scrapy follows a redirect of what was asked for, which shows what the target is."""
        target = self._record(url)
        if target.kind is Kind.UNKNOWN:
            target.kind, target.followed_for = Kind.FOLLOWED, original

    def record_dropped(self, url: str, original: Original) -> None:
        """Record that Scrapy has dropped a redirect of ``original``, which may be the one that was to be followed."""
        target = self._record(url)
        if target.kind is Kind.FOLLOWED and target.followed_for == original:
            # The spider has asked for the target itself.
            target.kind = Kind.UNKNOWN

    def record_open(self, url: str) -> None:
        """Record that what was a wall, or led to one, shows a page."""
        self._targets[url] = replace(self.of(url), kind=Kind.OPEN, has_been_wall=True, times_looked=0)

    def record_page_given(self, url: str) -> None:
        """Record that a request gets the page of a wall that is open, of which others are duplicates from now on."""
        target = self._record(url)
        if target.kind is Kind.OPEN:
            self._targets[url] = replace(target, kind=Kind.PAGE)

    def record_look(self, url: str) -> None:
        """Record that a request looks at an address."""
        self._record(url).times_looked += 1

    def record_stopped(self, url: str) -> None:
        """Record that a GET was redirected to an address, and met a challenge there."""
        self._record(url).has_stopped = True

    def record_always_closed(self, url: str) -> None:
        """Record that a token for an address has led to another page, and the address shows its challenge again."""
        self._record(url).is_always_closed = True

    def record_gate(self, url: str) -> None:
        """Record that a request which was redirected to a wall has a page of its own."""
        target = self._record(url)
        target.kind, target.was_gate = Kind.GATE, True

    def record_in_place(self, url: str, marks: Marks | None, *, is_open: bool = False) -> None:
        """Record that a target is a page, in whose place a challenge with these marks is.

        :param is_open: whether a request has been redirected there that has not got the page yet.
        """
        self._targets[address_of(url)] = Target(Kind.OPEN if is_open else Kind.PAGE, marks=marks)

    def may_withhold(self, url: str, asked: str) -> bool:
        """Tell whether a challenge at ``url`` withholds what redirects there, which is ``asked`` for, or claims to."""
        target = self.of(url)
        is_claimed = self.is_named(url) or returns_to(url, asked) or target.has_stopped or target.is_always_closed
        return target.kind is Kind.GATE or (target.kind is Kind.WALL and is_claimed)

    def record_behind_wall(self, url: str) -> None:
        """Record that a target is a page behind a wall, as are others with its marks if it is not the first one."""
        target = self._record(url)
        target.kind, marks = Kind.PAGE, target.marks
        if marks is None:
            return
        pages = self._walled_pages.setdefault(marks, set())
        pages.add(url)
        if len(pages) == 1:
            return
        for target in self._targets.values():
            if target.marks == marks and target.kind is not Kind.GATE:
                target.has_been_wall = False
                if target.kind is Kind.WALL:
                    # The request that was redirected there first is sent again, and gets the page.
                    target.kind = Kind.PAGE if target.is_requested else Kind.OPEN

    def has_been_wall(self, url: str) -> bool:
        """Tell whether an address that shows a page may show a challenge to other sessions, or later."""
        target = self.of(url)
        # An address that is named like a wall shows a page while its challenge is broken, too.
        return target.has_been_wall or (target.kind in PAGES and self.is_named(url))

    def is_named(self, url: str) -> bool:
        """Tell whether an address is named like that of a wall."""
        return wall_word(url) is not None

    def is_suspect(self, url: str) -> bool:
        """Tell whether nothing but the name of an address says that it may be a wall's."""
        return self.of(url).kind is Kind.UNKNOWN and self.is_named(url)

    def record_requested(self, url: str, *, is_wall: bool) -> None:
        """Record whether the spider has requested an address itself, and met a challenge."""
        self._targets.setdefault(address_of(url), Target()).is_requested = is_wall

    def record_shown(self, url: str, *, is_wall: bool, marks: Marks | None = None) -> None:
        """Record that an address has shown a challenge or a page.

        What was a wall stays one until :meth:`record_open`.
        """
        target = self._record(url)
        target.marks, target.followed_for = marks or target.marks, None
        if is_wall and target.kind not in WALLS:
            target.kind = Kind.WALL
        elif target.kind in (Kind.UNKNOWN, Kind.FOLLOWED):
            target.kind = Kind.PAGE
        self.has_met_wall |= is_wall

    def may_have_others_like(self, url: str) -> bool:
        """Tell whether other targets have the marks of this one; if it has none, whether others have none either."""
        target = self.of(url)
        return any(other is not target and other.marks == target.marks for other in self._targets.values())
