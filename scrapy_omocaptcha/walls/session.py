"""Decide which of several requests at one wall solves it and which wait.

Of the requests of one session, the leader solves; the others wait, and then ask again with the cookies that it has
won. This module decides and remembers. It sends nothing, and knows no token itself.
"""

from collections.abc import Callable
from enum import Enum
from zlib import crc32

from scrapy import Request
from twisted.internet.defer import DeferredLock

from scrapy_omocaptcha.walls.clearance import Clearance, Worth
from scrapy_omocaptcha.walls.turns import Turns
from scrapy_omocaptcha.walls.visitors import Visitors


class Role(Enum):
    """What a challenged request does next."""

    LEAD = "solve it for the session"
    WAIT = "wait until the leader is through"
    ASK_AGAIN = "ask again with the clearance that was won since it was sent"
    ALONE = "solve it for this page only: the wall wants a token for each page"


class Session:
    """The wall of one session: a host with a cookiejar and a proxy, or a host in a context of a browser."""

    def __init__(self, host: str, next_stamp: Callable[[], int]) -> None:
        self.host = host
        self.clearance = Clearance(next_stamp)
        self.visitors = Visitors()
        self.turns = Turns(lambda: self.leader_stamp is None and not self.is_handing_in)
        """The turns of those that are held."""
        self.leader_stamp: int | None = None
        """Stamp of the request that solves the wall at the moment."""
        self._lets_new_ones_through = False
        """Whether a request that was sent later than the leader's got its page, so that new requests are not held."""
        self.is_handing_in = False
        """Whether a request hands a token in. An answer to a new request could outdate its form."""
        self.submitting = DeferredLock()
        """Lets one request at a time hand in a token and ask for its page, where each token opens one page."""
        self.answers = 0
        """Number of answers so far. Each may have replaced the cookies or fields that an earlier page depends on."""
        self.is_page_asked_for = False
        """Whether the answer to a token was not the page, which had to be asked for then."""
        self._last_answer_checksum: int | None = None
        """Checksum of the last answer that :meth:`record_other_answer` was told of."""

    @property
    def holds_new_requests(self) -> bool:
        """Tell whether new requests are held, since they would only run into the wall."""
        return self.leader_stamp is not None and not self._lets_new_ones_through

    @property
    def is_closed(self) -> bool:
        """Tell whether what has not begun must not begin: the wall is being solved, or it is the turn of others."""
        if self.leader_stamp is None:
            return not self.turns.has_room
        return self.holds_new_requests or self.is_handing_in

    def begin(self) -> Callable[[], None]:
        """Let a request begin that came while the session was closed; return what is called once it is back."""
        self.turns.begin()
        return self.turns.end

    def role(self, stamp: int) -> Role:
        """Return what a request that was sent at ``stamp`` and met a challenge does next."""
        if self.leader_stamp is not None:
            return Role.WAIT
        if self.clearance.was_won_after(stamp):
            return Role.ASK_AGAIN
        return Role.ALONE if self.clearance.worth is Worth.FOR_ONE_PAGE else Role.LEAD

    def lead(self, stamp: int) -> None:
        """Make the request that was sent at ``stamp`` the leader."""
        self.leader_stamp = stamp
        self._lets_new_ones_through = False

    def stop_leading(self, concurrency: Callable[[], int]) -> None:
        """End the lead, so that held requests go on: one at a time until a clearance that it has won lets one through.

        :param concurrency: returns how many go on side by side from then on.
        """
        has_won = self.leader_stamp is not None and self.clearance.was_won_after(self.leader_stamp)
        self.leader_stamp = None
        self.is_handing_in = False
        self.turns.concurrency = lambda: concurrency() if has_won and self.clearance.worth is Worth.PROVEN else 1
        self.turns.go_on()

    def end_handing_in(self) -> None:
        """Record that a request has handed its token in, or has none any more."""
        self.is_handing_in = False
        if self._lets_new_ones_through:
            self.turns.release_all(challenged=False)
        self.turns.go_on()

    def record_challenge(self, stamp: int) -> None:
        """Record that a request sent at ``stamp`` met a challenge: a clearance that it was sent for is used up."""
        if self.leader_stamp is None and self.clearance.record_challenge(stamp):
            self.turns.release_all(challenged=True)

    def record_page(self, request: Request, stamp: int, *, has_met_wall: bool = False) -> None:
        """Record that a request, sent at ``stamp`` without a token, was answered with a page, not a challenge.

        :param has_met_wall: whether the same request was answered with a challenge before.
        """
        if self.leader_stamp is not None and stamp > self.leader_stamp:
            # A request that was sent later than the leader's got its page, so not all pages are behind the wall.
            self._lets_new_ones_through = True
            if not self.is_handing_in:
                self.turns.release_all(challenged=False)
        self.clearance.record_page(stamp, has_met_wall=has_met_wall)
        if self.clearance.was_there_at(stamp):
            self.visitors.record_page(request)

    def record_other_answer(self, body: bytes) -> bool:
        """Record an answer to a submission that is no challenge, nor for sure the page; tell whether it is repeated."""
        last, self._last_answer_checksum = self._last_answer_checksum, crc32(body)
        return last == self._last_answer_checksum
