"""Remember what clearance a session has won, and what later answers have shown of it.

Nothing is sent or scheduled here. The stamp of a request is a number that is higher than those of all that was sent
before.
"""

from collections.abc import Callable
from enum import Enum
from http.cookiejar import Cookie

_SURE_AFTER = 3
"""After so many clearances in a row that held for one page each, a page without a token counts as a free page."""


class Worth(Enum):
    """What is known of the clearance that was won last."""

    NONE = "there is none yet"
    NEW = "no request has been let through with it yet"
    DOUBTFUL = "it is not known whether it opens the wall"
    PROVEN = "a request without a token has been let through"
    FOR_ONE_PAGE = "the wall wants a token for each page"


class Clearance:
    """The clearance of one session: the cookies that it has got for a token, or another memory of the site's.

    :param next_stamp: returns a new stamp.
    """

    def __init__(self, next_stamp: Callable[[], int]) -> None:
        self._next_stamp = next_stamp
        self.worth = Worth.NONE
        self.cookies: list[Cookie] = []
        """The session's cookies as they were left by the last answer that may change them."""
        self._won_at = 0
        """Stamp of the moment at which the last clearance was won; 0 if none was."""
        self._token_at = 0
        """Stamp of the moment at which a token was last handed in, or a clearance won; 0 before the first."""
        self._re_asks: set[int] = set()
        """Stamps of the requests that were sent because the last clearance was won, before it was proven."""
        self._for_one_page_in_a_row = 0
        """How many clearances held for one page, since a challenged request was last let through without a token."""

    def was_won_after(self, stamp: int) -> bool:
        """Tell whether a clearance was won after a request was sent."""
        return stamp < self._won_at

    def has_changed_since(self, stamp: int) -> bool:
        """Tell whether a token was handed in after a request was sent, so that its challenge may be another one now."""
        return stamp < self._token_at

    def was_there_at(self, stamp: int) -> bool:
        """Tell whether a request was sent at ``stamp`` after a clearance was won, or a token handed in for it."""
        return bool(self._token_at) and not self.has_changed_since(stamp)

    def record_token(self, cookies: list[Cookie]) -> None:
        """Record that a token is handed in with these cookies."""
        self._token_at, self.cookies = self._next_stamp(), cookies

    def record_won(self, cookies: list[Cookie], worth: Worth) -> None:
        """Record the cookies that the leader has won.

        :param worth: proven, where the leader's page came in answer to a request without a token, but with new cookies.
            While it is doubtful, others try, and the next that is challenged leads.
        """
        self.record_token(cookies)
        self._won_at = self._token_at
        self._re_asks.clear()
        self.worth = worth

    def record_sent(self, since: int, stamp: int) -> None:
        """Record that a request which was sent or held at ``since`` is sent at ``stamp``."""
        if self.was_won_after(since) and self.worth is not Worth.PROVEN:
            self._re_asks.add(stamp)

    def record_challenge(self, stamp: int) -> bool:
        """Record that a request sent at ``stamp`` met a challenge; tell whether a new clearance held for one page."""
        is_used_up = self.worth is Worth.NEW and stamp in self._re_asks
        if is_used_up:
            self.worth = Worth.FOR_ONE_PAGE
            self._for_one_page_in_a_row += 1
        return is_used_up

    def record_page(self, stamp: int, *, has_met_wall: bool) -> None:
        """Record that a request sent at ``stamp`` without a token got a page; see :meth:`Session.record_page`."""
        if has_met_wall:
            self._for_one_page_in_a_row = 0
        if self.was_won_after(stamp):
            return
        wants_token_for_each = self.worth is Worth.FOR_ONE_PAGE and self._for_one_page_in_a_row >= _SURE_AFTER
        # The page may be one of a part of the site that is free.
        if not wants_token_for_each:
            self.worth = Worth.PROVEN
