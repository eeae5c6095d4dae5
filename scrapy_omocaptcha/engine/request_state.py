"""Remember what this package has to know of a request: in its meta only while it is queued.

What is in meta is plain JSON, survives a disk queue, and is taken out before any middleware sees the request.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from scrapy import Request

STATE_KEY = "_omocaptcha"
_MAX_RETRIED = 1000


@dataclass
class RequestState:
    """State of a request."""

    useless_jobs: int = 0
    """Number of jobs for the request that were of no use."""
    is_paid_for: bool = False
    """Whether any token was bought for the request, whatever came of that."""
    original: dict[str, Any] | None = None
    """The request before its first redirect, as JSON."""
    sent_at: int = 0
    """Stamp of what was asked for, as that was redirected first; 0 if it was not."""
    is_resent: bool = False
    """Whether what was asked for was sent once more, since it had been redirected to a gate."""
    is_through: bool = False
    """Whether what it was redirected from has got through a wall."""


class RequestStates:
    """The states of a crawl's requests."""

    def __init__(self) -> None:
        self.scheduler: Any = None
        """The scheduler of the crawl, which says so itself."""
        self.taken_out: Request | None = None
        """The last request from ``next_request``; the engine calls ``fetch`` with this very object before all else."""
        self.parking: Any = None
        """Keeps what came out of the scheduler's queue and must not begin yet, see ``parking``; None until there is a
        wall."""
        self._states: WeakKeyDictionary[Request, RequestState] = WeakKeyDictionary()
        self._scheduled: WeakSet[Request] = WeakSet()
        """The requests that came out of the scheduler, as far as the engine has begun with them."""
        self.collect_unfinished: Callable[[], list[Request]] = list
        """Returns what goes back to the scheduler when the crawl is stopped."""
        self._retried: dict[object, tuple[dict[str, Any], list[str] | None]] = {}
        """The states of requests that Scrapy may be about to retry, and the lists that are part of their keys."""

    def enqueue(self, request: Request, enqueue: Callable[[Request], bool]) -> bool:
        """Schedule a request with what is known of it, and past the duplicate filter if it must not be dropped."""
        self._write_retried(request)
        if not request.meta.get(STATE_KEY, {}).get("filter"):
            return enqueue(request)
        if self._dupefilter is not None:
            # The request itself must not be dropped, but others are duplicates of it.
            self._dupefilter.request_seen(request)
        # The flag stays until the request is taken out: some schedulers filter only then.
        request.dont_filter = True
        return enqueue(request)

    def begin(self, request: Request) -> None:
        """Take its state out of a request, before any middleware sees it, and note whether it was scheduled."""
        if not self.take(request):
            self._states.pop(request, None)
        # The engine begins with a request as soon as it has taken it out.
        if request is self.taken_out:
            self._scheduled.add(request)
        else:
            self._scheduled.discard(request)
        self.taken_out = None

    @property
    def _dupefilter(self) -> Any:
        return getattr(self.scheduler, "df", None)

    def is_scheduled(self, request: Request) -> bool:
        """Tell whether a request came out of the scheduler; otherwise some component of Scrapy awaits its response."""
        return request in self._scheduled

    def take(self, request: Request) -> bool:
        """Take the state of a request out of its meta, before any middleware sees it; tell whether it has one."""
        self._write_retried(request)
        text = request.meta.pop(STATE_KEY, None)
        if text is None:
            return False
        state = dict(text)
        if state.pop("filter", False):
            request.dont_filter = False
        request.priority = state.pop("priority", request.priority)
        original = state.get("original")
        if original is not None and request.meta.get("redirect_urls", [None])[-1] != original["hops"][-1]:
            # A spider has copied the meta of a redirected request that never reached this package.
            state["original"] = None
        self._states[request] = RequestState(**state)
        return True

    def has(self, request: Request) -> bool:
        """Tell whether anything is known of a request."""
        return request in self._states

    def of(self, request: Request) -> RequestState:
        """Return the state of a request."""
        return self._states.setdefault(request, RequestState())

    def peek(self, request: Request) -> RequestState:
        """Return the state of a request to read it: an empty one if nothing is known, which stays so."""
        return self._states.get(request) or RequestState()

    def write(self, request: Request, state: RequestState, *, must_pass: bool, priority: int | None = None) -> None:
        """Write the state of a request that is scheduled or redirected; no filter drops what ``must_pass``.

        :param priority: that of the request in the scheduler; None for its own.
        """
        request.meta[STATE_KEY] = {**asdict(state), "filter": must_pass and not request.dont_filter}
        if priority is not None:
            request.meta[STATE_KEY]["priority"] = request.priority
            request.priority = priority

    def record_through(self, redirected: Request) -> None:
        """Record in what Scrapy makes of a redirect that its request has got through a wall."""
        state = redirected.meta.get(STATE_KEY) or {**asdict(RequestState()), "filter": False}
        redirected.meta[STATE_KEY] = {**state, "is_through": True}

    def not_redirected(self, request: Request) -> None:
        """Take back what was written into meta, where Scrapy has not followed the redirect."""
        request.meta.pop(STATE_KEY, None)

    def collect_for_queue(self, *, is_finished: bool) -> Iterator[Request]:
        """Return what goes back to the scheduler's queue when the crawl ends, which must not drop it as a duplicate."""
        parked = [] if self.parking is None else self.parking.empty()
        waiting = [*reversed([] if is_finished else self.collect_unfinished()), *reversed(parked)]
        del parked
        while waiting:
            # Thousands may have waited, and each is let go once its copy is queued.
            yield self.give_back(waiting.pop())

    def give_back(self, request: Request) -> Request:
        """Return a copy of a request for the scheduler, which must not drop it as a duplicate."""
        # What has not begun has its state still in meta.
        self.take(request)
        copy = request.copy()
        self.write(copy, self.peek(request), must_pass=True)
        return copy

    def keep_for_retry(self, request: Request) -> None:
        """Have a retry of ``request`` go on with its state, should Scrapy make one."""
        state = self.peek(request)
        is_known = state.is_paid_for or state.is_through or state.original or state.is_resent
        if is_known and not request.meta.get("dont_retry"):
            self._retried[_retry_key(request, retries=1)] = asdict(state), request.meta.get("redirect_urls")
        if len(self._retried) > _MAX_RETRIED:
            del self._retried[next(iter(self._retried))]

    def _write_retried(self, request: Request) -> None:
        """Write the state of a retry into its meta, so that it is still known when a stopped crawl resumes."""
        if self._retried and STATE_KEY not in request.meta and _retry_key(request) in self._retried:
            request.meta[STATE_KEY], _ = self._retried.pop(_retry_key(request))


def _retry_key(request: Request, *, retries: int = 0) -> object:
    """Return what a request and its retry, which is another object, have in common, but no requests of two sessions."""
    meta = request.meta
    session = (meta.get("cookiejar"), str(request.cookies), *map(request.headers.get, ("Cookie", "Authorization")))
    retry_times = meta.get("retry_times", 0) + retries
    # The retry shares the list. POSTs that were redirected to one address have nothing else that tells them apart.
    return request.url, request.method, request.body, session, retry_times, id(meta.get("redirect_urls"))
