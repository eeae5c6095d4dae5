"""Tell users of requests that cannot do what they seem to be meant for, and of pages that are left alone, each once."""

import logging
from collections.abc import Callable

from scrapy import Request
from scrapy.http import Response
from scrapy.utils.datatypes import LocalCache

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine.request_state import STATE_KEY
from scrapy_omocaptcha.reporting.format import asked, printable, purpose, sent
from scrapy_omocaptcha.reporting.overruling import may_be_challenge, overruling
from scrapy_omocaptcha.settings.names import rest_of
from scrapy_omocaptcha.tokens.medium import META_KEYS
from scrapy_omocaptcha.tokens.reasons import Refusal
from scrapy_omocaptcha.urls import host_of, public_address

logger = logging.getLogger(__name__)

_MAX_KNOWN = 1000


class Hints:
    """What has been said in a crawl about requests and pages.

    :param notice: called with a word and an address for each page that is left alone, but may be a wall, for each POST
        that counts as executed, and for each host that binds clearances.
    """

    def __init__(self, notice: Callable[[str, str], None]) -> None:
        self._notice = notice
        self._said: LocalCache[str, bool] = LocalCache(_MAX_KNOWN)
        self._ignored_keys: set[object] = set()
        """Keys of meta that were checked before, and change nothing."""

    def left_alone(self, response: Response, page: Challenge, refusal: Refusal | None) -> None:
        """Count and tell of a page with a widget that is left alone, if it may be a wall.

        :param refusal: why it could not be solved, even if it were taken for a wall.
        """
        if not may_be_challenge(response, page):
            return
        self._notice("left_alone", page.url)
        if refusal is None:
            where, line = overruling(page)
            form = page.form
            what = "the token" if form is None else sent(form.method, form.url, form.names)
            cure = f"{where} says so, and what is sent is {what}" + (f":\n    {printable(line)}" if line else "")
        else:
            cure = f"it cannot be solved all the same ({refusal.reason}): {refusal.message}"
        self._say(
            f"left alone {host_of(page.url)}",
            "The page %s (status %d) has a reCAPTCHA v2 widget, but its form %s, so nothing is bought or sent: %s. If "
            "it is a challenge, %s",
            public_address(page.url),
            response.status,
            purpose(page),
            printable("; ".join(page.evidence)),
            cure,
        )

    def overruled(self, page: Challenge) -> None:
        """Tell of a form that does something, and is sent as it is, since the spider calls the page a wall."""
        message = "The form of %s %s, and is sent as it is, since omocaptcha_trigger or meta calls the page a wall"
        self._say(f"overruled {host_of(page.url)}", message, public_address(page.url), purpose(page))

    def maybe_executed(self, request: Request) -> None:
        """Tell that a POST is not sent again, as what it was redirected to may be its answer, or a gate's own page."""
        message = (
            "%s counts as executed: it was redirected to %s, which has shown a challenge and shows a page now. If that "
            "is no answer to it, the wall has withheld it: request a page first, which opens the wall, or set "
            'meta["omocaptcha_resend"] = True for POSTs that may be repeated, such as searches'
        )
        self._notice("not_resent", asked(request))
        self._say(f"answer {host_of(asked(request))}", message, asked(request), public_address(request.url))

    def clearance_bound(self, url: str, difference: str) -> None:
        """Tell that a site seems to bind its clearance to the ``difference`` of two requests, if there is any."""
        message = (
            "%s shows its challenge again to a session that has opened its wall: the request has %s. The site seems to "
            "bind its clearance to that, so each change costs a job: keep it for all requests of a cookiejar"
        )
        subject = f"bound {host_of(url)}"
        if difference and subject not in self._said:
            self._notice("bound", url)
            self._say(subject, message, public_address(url), printable(difference))

    def may_warn_of(self, request: Request) -> bool:
        """Tell whether the meta of a request has a key that was not checked, or changes something."""
        return not request.meta.keys() <= self._ignored_keys

    def check(self, request: Request) -> None:
        """Tell of keys in a request's meta that look as if this package read them."""
        for key in request.meta:
            if key in self._ignored_keys or key in (*META_KEYS, STATE_KEY):
                continue
            if isinstance(key, str) and rest_of(key) is not None:
                address, keys = public_address(request.url), " and ".join(map(repr, META_KEYS))
                self._say(key, "meta[%r] of %s is not read by OMOcaptcha, which reads %s", key, address, keys)
            if len(self._ignored_keys) < _MAX_KNOWN:
                self._ignored_keys.add(key)

    def _say(self, subject: str, message: str, *arguments: object) -> None:
        if subject not in self._said:
            self._said[subject] = True
            logger.warning(message, *arguments)
