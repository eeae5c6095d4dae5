"""Decide which of several requests at one wall solves it and which wait, and keep a session's clearance cookies.

Of the requests of one session, the leader solves; the followers are held and then ask again with the cookies that the
leader won. This module decides and remembers. It sends nothing, and knows no token itself.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum
from http.cookiejar import Cookie
from zlib import crc32

from twisted.internet.defer import Deferred, DeferredLock

_SURE_AFTER = 3
"""After so many clearances in a row that held for one page each, the wall wants a token for each page."""


def _one_at_once() -> int:
    return 1


class Role(Enum):
    """What a challenged request does next."""

    LEAD = "solve it for the session"
    WAIT = "wait until the leader is through"
    ASK_AGAIN = "ask again with the clearance that was won since it was sent"
    ALONE = "solve it for this page only: the wall wants a token for each page"


class Clearance(Enum):
    """What is known of the clearance that was won last."""

    NONE = "there is none yet"
    NEW = "no request has been let through with it yet"
    DOUBTFUL = "it is not known whether it opens the wall"
    PROVEN = "a request without a token has been let through"
    FOR_ONE_PAGE = "the wall wants a token for each page"


class Session:
    """The wall of one session, which is what a clearance belongs to.

    That is a host with a cookiejar and a proxy, or a host in a context of a browser. The stamp of a request is a number
    that is higher than those of all that was sent before.

    :param next_stamp: returns a new stamp.
    """

    def __init__(self, host: str, next_stamp: Callable[[], int]) -> None:
        self.host = host
        self._next_stamp = next_stamp
        self.leading: int | None = None
        """Stamp of the request that solves the wall at the moment."""
        self._won_at = 0
        """Stamp of the moment at which the last clearance was won; 0 if none was."""
        self.clearance = Clearance.NONE
        self._re_asks: set[int] = set()
        """Stamps of the requests that were sent because the last clearance was won, before it was proven."""
        self.answers = 0
        """Number of answers so far. Each may have replaced the cookies or fields that an earlier page depends on."""
        self._last_answer_checksum: int | None = None
        """Checksum of the last answer to a submission that was neither the page nor a challenge."""
        self.cookies: list[Cookie] = []
        """The session's cookies as they were left by the last answer that may change them."""
        self._kept_at = 0
        """Stamp of the moment at which a token was last handed in, or a clearance won; 0 before the first."""
        self._walled_in_part = False
        """Whether a request passed that was sent after the leader met the wall, so that new requests are not held."""
        self._for_one_page_in_a_row = 0
        """How many clearances held for one page, since a challenged request was last let through without a token."""
        self.is_handing_in = False
        """Whether the leader hands a token in. An answer to a new request could outdate its form."""
        self.submitting = DeferredLock()
        """Keeps tokens apart that each open the wall for one page, which is asked for after the token."""
        self.is_asked_again = False
        """Whether a page had to be asked for after a token, since the answer to that was another."""
        self._held: deque[tuple[Deferred[None], bool]] = deque()
        """Held requests: what fires when it is their turn, and whether they have met the wall themselves."""
        self._released = 0
        self._releasing = False
        self._concurrency = _one_at_once

    @property
    def is_walled(self) -> bool:
        """Tell whether new requests would only run into the wall."""
        return self.leading is not None and not self._walled_in_part

    @property
    def _is_busy(self) -> bool:
        """Tell whether a wall is being solved, or a token handed in."""
        return self.leading is not None or self.is_handing_in

    @property
    def is_idle(self) -> bool:
        """Tell whether no request leads or waits here, and none that has waited is under way."""
        return self.leading is None and not self._held and not self._released

    def wait_turn(self, *, challenged: bool) -> Deferred[None]:
        """Hold a request, which may have been ``challenged`` itself; the Deferred fires when it is its turn."""
        turn: Deferred[None] = Deferred(lambda _: self._held.remove(entry) if entry in self._held else None)
        entry = (turn, challenged)
        self._held.append(entry)
        return turn

    def is_overtaken(self, stamp: int) -> bool:
        """Tell whether a clearance was won after a request was sent."""
        return stamp < self._won_at

    def is_through(self, stamp: int) -> bool:
        """Tell whether a request was sent at ``stamp`` after a clearance was won, or a token handed in for it."""
        return bool(self._kept_at) and not self.is_outdated(stamp)

    def is_outdated(self, stamp: int) -> bool:
        """Tell whether a token was handed in after a request was sent, so that its challenge may be another one now."""
        return stamp < self._kept_at

    def sent_again(self, since: int, stamp: int) -> int:
        """Record that a request which was sent or held at ``since`` is sent now, and return its new ``stamp``."""
        if self.is_overtaken(since) and self.clearance is not Clearance.PROVEN:
            self._re_asks.add(stamp)
        return stamp

    def role(self, stamp: int) -> Role:
        """Decide what a request that was sent at ``stamp`` and met a challenge does next.

        That challenge may show that a new clearance holds for one page only, which is recorded.
        """
        if self.leading is not None:
            return Role.WAIT
        if self.is_overtaken(stamp):
            return Role.ASK_AGAIN
        if stamp in self._re_asks and self.clearance is Clearance.NEW:
            self.clearance = Clearance.FOR_ONE_PAGE
            self._for_one_page_in_a_row += 1
            self._release_all(challenged=True)
        return Role.ALONE if self.clearance is Clearance.FOR_ONE_PAGE else Role.LEAD

    def lead(self, stamp: int) -> None:
        """Make the request that was sent at ``stamp`` the leader."""
        self.leading = stamp
        self._walled_in_part = False

    def begin_handing_in(self) -> None:
        """Record that the leader is about to hand a token in."""
        self.is_handing_in = True

    def end_handing_in(self) -> None:
        """Record that the leader has handed its token in, or has none any more."""
        self.is_handing_in = False
        if self._walled_in_part:
            self._release_all(challenged=False)
        self._release_more()

    def won(self, cookies: list[Cookie], clearance: Clearance) -> None:
        """Record the cookies that the leader has won.

        :param clearance: proven, where the leader's page came in answer to a request without a token, but with new
            cookies. While it is doubtful, others try, and the next that is challenged leads.
        """
        self.keep_cookies(cookies)
        self._won_at = self._kept_at
        self._re_asks.clear()
        self.clearance = clearance

    def keep_cookies(self, cookies: list[Cookie]) -> None:
        """Keep the cookies that a token is handed in with, or has won."""
        self._kept_at, self.cookies = self._next_stamp(), cookies

    def repeats(self, body: bytes) -> bool:
        """Tell whether the answer to a submission, neither the page nor a challenge, is the last such answer again."""
        last, self._last_answer_checksum = self._last_answer_checksum, crc32(body)
        return last == self._last_answer_checksum

    def stop_leading(self, concurrency: Callable[[], int]) -> None:
        """End the lead; with a new clearance, so many held requests as ``concurrency`` returns go on at once."""
        won = self.leading is not None and self.is_overtaken(self.leading)
        self.leading = None
        self.is_handing_in = False
        self._concurrency = concurrency if won else _one_at_once
        self._release_more()

    def unchallenged(self, stamp: int, *, has_met_wall: bool = False) -> None:
        """Record that a request sent at ``stamp`` without a token was answered with a page, not a challenge.

        :param has_met_wall: whether the same request was answered with a challenge before.
        """
        if self.leading is not None and stamp > self.leading:
            # It was sent after the leader and let through, so the wall is not around the whole session.
            self._walled_in_part = True
            if not self.is_handing_in:
                self._release_all(challenged=False)
        if has_met_wall:
            self._for_one_page_in_a_row = 0
        # The page may be one of a part of the site that is free.
        is_sure = self.clearance is Clearance.FOR_ONE_PAGE and self._for_one_page_in_a_row >= _SURE_AFTER
        if not (self.is_overtaken(stamp) or is_sure):
            self.clearance = Clearance.PROVEN

    def may_have_used(self, stamp: int) -> None:
        """Record that a request sent at ``stamp`` was let through, which may have used up what the clearance is for."""
        if not self.is_overtaken(stamp) and self.clearance is Clearance.NEW:
            self.clearance = Clearance.DOUBTFUL

    def end_turn(self) -> None:
        """End the turn of a released request: its response is back, or never will be."""
        self._released -= 1
        self._release_more()

    def _release_more(self) -> None:
        # Without asyncio, who is released goes on at once, and may end its turn here. The loop then goes on, rather
        # than one within it: hundreds of them would be more than Python's stack can hold.
        if self._releasing:
            return
        self._releasing = True
        try:
            while self._held and not self._is_busy and self._released < self._concurrency():
                self._release(self._held[0])
        finally:
            self._releasing = False
        if self.is_idle:
            # What it is told by keeps a part of Scrapy's downloader for the host.
            self._concurrency = _one_at_once

    def _release_all(self, *, challenged: bool) -> None:
        """Release the requests that have met the wall themselves, or those that have not."""
        # Who is released may go on at once, and wait again.
        for entry in [entry for entry in self._held if entry[1] is challenged]:
            if entry in self._held:
                self._release(entry)

    def _release(self, entry: tuple[Deferred[None], bool]) -> None:
        self._held.remove(entry)
        self._released += 1
        entry[0].callback(None)
