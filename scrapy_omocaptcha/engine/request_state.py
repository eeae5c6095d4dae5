"""Remember what this package has to know of a request: in its meta only while it is queued.

What is in meta is plain JSON, survives a disk queue, and is taken out before the request reaches the site.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from scrapy import Request, signals
from scrapy.crawler import Crawler

_KEY = "_omocaptcha"
_MAX_RETRIED = 1000


@dataclass
class RequestState:
    """What is known of one request."""

    useless_jobs: int = 0
    """How many jobs that were bought for it were of no use."""
    original: dict[str, Any] | None = None
    """What was asked for before its first redirect, as JSON."""
    sent_again: int = 0
    """How often what was asked for was sent again because a redirect had led to a wall."""
    asked_again: bool = False
    """Whether it has met a wall, and was sent once more. This and what follows is not known of a redirected request."""
    led_to: str | None = None
    """The address of the redirect behind which it has met a wall."""

    def as_json(self) -> dict[str, Any]:
        """Return what is known of it in the scheduler, too."""
        return {"useless_jobs": self.useless_jobs, "original": self.original, "sent_again": self.sent_again}


class RequestStates:
    """The states of a crawl's requests."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._states: WeakKeyDictionary[Request, RequestState] = WeakKeyDictionary()
        self._awaited: WeakSet[Request] = WeakSet()
        """Requests under way that did not come out of the scheduler."""
        self._begun: Callable[[], set[Request]] = set
        """Returns the requests that the engine has begun with; none before it is watched."""
        self._retried: dict[object, dict[str, Any]] = {}
        """The states of requests that Scrapy may be about to retry."""
        self.is_any_known = False
        """Whether anything was ever known of a request. It costs time to look for that at each one."""

    def watch_scheduler(self) -> None:
        """Watch which requests come out of the scheduler; called when the spider opens."""
        slot = self._crawler.engine._slot
        assert slot is not None
        scheduler, add_request = slot.scheduler, slot.add_request
        next_request = scheduler.next_request
        taken_out: Request | None = None
        is_any_awaited = bool(slot.inprogress)

        def watched() -> Request | None:
            nonlocal taken_out
            taken_out = next_request()
            return taken_out

        def begin(request: Request) -> None:
            nonlocal taken_out, is_any_awaited
            # The engine begins with a request as soon as it has taken it out.
            if request is not taken_out:
                is_any_awaited = True
                self._awaited.add(request)
            elif is_any_awaited:  # Whether the set is empty takes longer to tell, and this is asked for each request.
                self._awaited.discard(request)
            taken_out = None
            add_request(request)

        # What components have asked for while the spider was being opened.
        self._awaited.update(slot.inprogress)
        self._begun = lambda: slot.inprogress
        slot.add_request = begin  # type: ignore[method-assign]
        scheduler.next_request = watched  # type: ignore[method-assign]

    def is_scheduled(self, request: Request) -> bool:
        """Tell whether a request came out of the scheduler; otherwise some component of Scrapy awaits its response."""
        return request in self._begun() and request not in self._awaited

    def is_duplicate(self, request: Request, redirected: Request) -> bool:
        """Tell whether the scheduler would drop what Scrapy makes of a redirect; from now on, it drops the same.

        Who awaits the response to ``request`` follows its redirects without a scheduler.
        """
        if request.dont_filter or not self.is_scheduled(request):
            return False
        slot = self._crawler.engine._slot
        # Whether other schedulers than Scrapy's and that of scrapy-redis drop it is not known.
        dupefilter = getattr(slot and slot.scheduler, "df", None)
        return dupefilter is None or bool(dupefilter.request_seen(redirected))

    def take(self, request: Request) -> None:
        """Take the state of a request out of its meta, before it goes to the site."""
        text = request.meta.pop(_KEY, None)
        if self._retried:
            text = self._retried.pop(_retry_key(request), text)
        if text is None:
            # Nothing is known of almost all requests.
            if self.is_any_known:
                self._states.pop(request, None)
            return
        if text.get("filter"):
            request.dont_filter = False
        original = text["original"]
        if original is not None and request.meta.get("redirect_urls", [None])[-1] != original["from"]:
            # A spider has copied the meta of a redirected request that never reached this package.
            original = None
        self.is_any_known = True
        self._states[request] = RequestState(text["useless_jobs"], original, text["sent_again"])

    def knows(self, request: Request) -> bool:
        """Tell whether anything is known of a request."""
        return self.is_any_known and request in self._states

    def may_know(self, request: Request) -> bool:
        """Tell whether anything may be known of a request, apart from what its meta holds."""
        return self.is_any_known and (bool(self._retried) or request in self._states)

    def of(self, request: Request) -> RequestState:
        """Return the state of a request."""
        self.is_any_known = True
        return self._states.setdefault(request, RequestState())

    def peek(self, request: Request) -> RequestState:
        """Return the state of a request to read it: an empty one if nothing is known, which stays so."""
        return self._states.get(request) or RequestState()

    def write(self, request: Request, *, must_pass: bool, **changes: Any) -> None:
        """Write the state of a request into its meta, for the scheduler, or before Scrapy makes a redirect of it.

        :param must_pass: it must not be dropped as a duplicate.
        """
        is_changed = must_pass and not request.dont_filter
        request.dont_filter = request.dont_filter or must_pass
        request.meta[_KEY] = {**self.peek(request).as_json(), **changes, "filter": is_changed}
        self.is_any_known = True

    def unwrite(self, request: Request) -> None:
        """Take back what :meth:`write` has written, where Scrapy has not followed the redirect."""
        if _KEY in request.meta and request.meta.pop(_KEY).get("filter"):
            request.dont_filter = False

    def give_back(self, request: Request) -> Request:
        """Return a copy of a request for the scheduler, which must not drop it as a duplicate."""
        copy = request.copy()
        self.write(copy, must_pass=True, **self.peek(request).as_json())
        return copy

    def may_be_retried(self, request: Request) -> None:
        """Have a retry of ``request`` go on with its state, should Scrapy make one."""
        state = self.peek(request)
        if state.useless_jobs or state.original or state.sent_again:
            # Connected only here, since it costs time for each request.
            self._crawler.signals.connect(self._write_retried, signals.request_scheduled)
            self._retried[_retry_key(request, retries=1)] = state.as_json()
        if len(self._retried) > _MAX_RETRIED:
            del self._retried[next(iter(self._retried))]

    def _write_retried(self, request: Request) -> None:
        """Write the state of a retry into its meta, so that it is still known when a stopped crawl resumes."""
        text = self._retried.pop(_retry_key(request), None) if self._retried else None
        if text is not None:
            request.meta[_KEY] = text


def _retry_key(request: Request, *, retries: int = 0) -> object:
    """Return what a request and its retry, which is another object, have in common, but no requests of two sessions."""
    meta = request.meta
    session = (meta.get("cookiejar"), str(request.cookies), *map(request.headers.get, ("Cookie", "Authorization")))
    retry_times = meta.get("retry_times", 0) + retries
    return request.url, request.method, request.body, session, retry_times, tuple(meta.get("redirect_urls", ()))
