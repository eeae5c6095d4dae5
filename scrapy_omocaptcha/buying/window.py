"""Adapt the number of calls that are under way at once to what the service bears, as TCP's window does.

A failure halves the window, and a success widens it by one if it is in full use. Failures in a row make a pause, since
then nothing succeeds. It is pure: it knows neither network nor settings nor clock. All times are in seconds.
"""

import math

from scrapy_omocaptcha.errors import ApiError, ApiUnreachable

FIRST_CALLS = 4
"""Calls that may be under way before any has succeeded: what a service loses that fails from the start."""
IN_VAIN = 3
"""Failures in a row that make a pause; with fewer, each is taken to be about its own call."""
_LONGEST_PAUSE = 60.0
"""The first pause is 1 s; each call that fails after one doubles it. It is longer only if the service says so. A call
that is sent later than that after a pause may fail for another reason."""


class Window:
    """Number of calls that may be under way, never above ``most``, and the pause before the next one.

    :param patience: how long calls wait for a service while none succeeds.
    """

    def __init__(self, most: int, patience: float = math.inf) -> None:
        self.size = min(FIRST_CALLS, most)
        self._most, self._patience = most, patience
        self.failures = 0
        """Failures in a row; calls that were under way together count as one once there is a pause."""
        self._said = self._cure = ""
        self.paused_until = self._failed_at = self._began = -math.inf

    def succeeded(self, sent: float, under_way: int) -> None:
        """Record the success of a call that was sent at ``sent``, one of ``under_way``."""
        self.failures = 0
        if sent >= self._failed_at and under_way >= self.size:
            self.size = min(self.size + 1, self._most)

    def failed(self, error: ApiError, sent: float, now: float) -> None:
        """Record the failure of a call that was sent at ``sent``."""
        if not self.failures or sent > max(self._failed_at, self.paused_until) + _LONGEST_PAUSE:
            self._began = now
        self._said, self._cure = str(error), error.cure
        self.paused_until = max(self.paused_until, now + (error.retry_after or 0.0))
        if sent >= self._failed_at:
            self.size = max(1, self.size // 2)
        elif self.failures >= IN_VAIN:
            return
        self._failed_at = now
        self.failures += 1
        if self.failures >= IN_VAIN:
            self.size = 1
            end, last = now + min(2.0 ** min(self.failures - IN_VAIN, 6), _LONGEST_PAUSE), self._began + self._patience
            # One more call is made when the patience ends.
            self.paused_until = max(self.paused_until, min(end, last) if now < last else end)

    def check(self, now: float, deadline: float) -> float:
        """Return for how long a call must wait; raise ``ApiUnreachable`` if that is beyond ``deadline`` or patience."""
        last = min(deadline, self._began + self._patience)
        if self._said and (now > deadline or (self.paused_until > now and self.paused_until > last)):
            error = ApiUnreachable(self._said, taken=False)
            error.cure = self._cure
            raise error
        return self.paused_until - now
