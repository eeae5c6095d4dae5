"""Remember what the targets of redirects have proven to be: walls, pages, or neither yet. Nothing is sent here.

A target is known by scheme, host and path. Only where its query alone tells a page from a wall does the query count.
"""

from scrapy.utils.datatypes import LocalCache

from scrapy_omocaptcha.detection import is_wall_address
from scrapy_omocaptcha.urls import address_of, public_address

_MAX_KNOWN = 10_000
"""Targets that are remembered."""
_MAX_LOOKS = 3
"""How often an address that looks like a wall's is looked at before any wall was met."""


class Targets:
    """What is known of the targets of one crawl's redirects."""

    def __init__(self) -> None:
        self.has_met_wall = False
        self.has_handed_in = False
        """Whether a token has been handed in. Before that, no wall can be open."""
        self._is_wall: LocalCache[str, bool] = LocalCache(_MAX_KNOWN)
        self._gates: LocalCache[str, bool] = LocalCache(_MAX_KNOWN)
        """Walls that have no page to show: with a clearance, nothing is redirected there."""
        self._undecided: LocalCache[str, bool] = LocalCache(_MAX_KNOWN)
        """Targets that have failed, or have shown no challenge, so that nobody knows whether they are walls."""
        self._looks: LocalCache[str, int] = LocalCache(_MAX_KNOWN)
        """How often each target has been looked at."""
        self._leaders: LocalCache[str, str] = LocalCache(_MAX_KNOWN)
        """Addresses of the requests whose redirects Scrapy follows to find out what is there, by target."""
        self._followed_for: LocalCache[str, str] = LocalCache(_MAX_KNOWN)
        """What was asked for when Scrapy followed a redirect to a page that had been a wall, by address."""

    def is_wall(self, url: str) -> bool | None:
        """Tell whether an address has proven to be a wall (True) or a page (False); None if neither."""
        return self._is_wall.get(address_of(url), self._is_wall.get(public_address(url)))

    def may_be_wall(self, url: str) -> bool:
        """Tell whether an address is to be looked at before a redirect to it is followed."""
        is_wall = self.is_wall(url)
        if is_wall or not is_wall_address(url):
            return bool(is_wall)
        # What says that it is a wall shows a page while its challenge is broken, too.
        return is_wall is None or self.has_met_wall or self._looks.get(public_address(url), 0) < _MAX_LOOKS

    def is_undecided(self, target: str) -> bool:
        """Tell whether a target has been fetched, and nobody knows yet whether it is a wall."""
        return target in self._undecided

    def is_gate(self, target: str) -> bool:
        """Tell whether what a target shows in the place of its challenge is no page, of which others are duplicates."""
        return target in self._gates or (not self.has_handed_in and self._is_wall.get(target, False))

    def judged(self, target: str, *, is_wall: bool) -> None:
        """Record whether a target has just shown a challenge. What was a wall once is one until it is open for sure."""
        self.stop_leading(target)
        self._undecided.pop(target, None)
        self._looks[target] = self._looks.get(target, 0) + 1
        if is_wall or not self._is_wall.get(target):
            self._is_wall[target] = is_wall
        self.has_met_wall |= is_wall

    def shows_page(self, url: str) -> None:
        """Record that a wall has been opened, and that its address shows a page now."""
        self._is_wall[url] = False

    def doubted(self, target: str) -> None:
        """Record that a target, which may have been a wall, has failed or has shown no challenge."""
        self._is_wall.pop(target, None)
        self._undecided[target] = True

    def left(self, target: str) -> None:
        """Record that a request which was redirected to a wall is redirected there no more, with a clearance."""
        self._gates[target] = True

    def asked_for(self, url: str) -> None:
        """Record that a request for an address, which no redirect led to, was answered with a page."""
        self._gates.pop(public_address(url), None)

    def leader(self, target: str) -> str | None:
        """Return the address of the request whose redirect is followed to find out what ``target`` is, if one is."""
        return self._leaders.get(target)

    def lead(self, target: str, url: str) -> None:
        """Record that the redirect of ``url`` is followed, unless it is known or being found out what ``target`` is."""
        if target not in self._is_wall:
            self._leaders.setdefault(target, url)

    def stop_leading(self, target: str) -> bool:
        """Forget who was to find out what ``target`` is, and tell whether somebody was."""
        return self._leaders.pop(target, None) is not None

    @property
    def is_any_led_to(self) -> bool:
        """Tell whether any redirect is followed to find out what its target is."""
        return bool(self._leaders)

    def may_be_followed(self, url: str, asked: str) -> bool:
        """Tell whether a redirect of ``asked`` to a page that had been a wall is no duplicate of another request's."""
        return self._followed_for.get(url, asked) == asked

    def followed(self, url: str, asked: str) -> None:
        """Record that Scrapy follows a redirect of ``asked``. If ``url`` is a page, further ones are duplicates."""
        if self._is_wall.get(url) is False:
            self._followed_for[url] = asked
