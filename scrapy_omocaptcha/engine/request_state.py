"""Remember what this package has to know of a request: in its meta only while it is queued.

What is in meta is plain JSON, survives a disk queue, and is taken out before the request reaches the site.

It is longer than other files, because all of it goes by one rule: what enters the scheduler has its state in meta, and
what comes out of it has not.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.utils.httpobj import urlparse_cached

from scrapy_omocaptcha.urls import address_of, public_address

_KEY = "_omocaptcha"
_REDIRECT_META = ("redirect_times", "redirect_ttl", "redirect_urls", "redirect_reasons")
_REPLACED_HEADERS = ("Content-Type", "Referer", "Authorization")
"""Headers that a redirect removes or changes. Cookies are in the cookiejar."""
_MAX_RETRIED = 1000
_MAX_FOLLOWED = 10
"""Redirects after which a request is no longer sent again for the sake of where they lead."""


@dataclass
class RequestState:
    """What is known of one request."""

    useless_jobs: int = 0
    """How many jobs that were bought for it were of no use."""
    redirect: dict[str, Any] | None = None
    """The request before its first redirect, as JSON."""
    looked_behind: bool = False
    """Whether it is sent again only because the target of its redirect had to be looked at."""
    followed: list[str] = field(default_factory=list)
    """Addresses of the redirects that have led on from it so far."""


class RequestStates:
    """The states of a crawl's requests."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._states: WeakKeyDictionary[Request, RequestState] = WeakKeyDictionary()
        self._awaited: WeakSet[Request] = WeakSet()
        """Requests under way that did not come out of the scheduler."""
        self._begun: Callable[[], set[Request]] = set
        """Returns the requests that the engine has begun with; none before it is watched."""
        self._waiting: Callable[[], list[Request]] = list
        self._retried: dict[object, RequestState] = {}
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

        def close(reason: str) -> Any:
            if reason != "finished":
                for request in self._waiting():
                    scheduler.enqueue_request(self.give_back(request))
            return close_scheduler(reason)

        close_scheduler = scheduler.close
        # What components have asked for while the spider was being opened.
        self._awaited.update(slot.inprogress)
        self._begun = lambda: slot.inprogress
        slot.add_request = begin  # type: ignore[method-assign]
        scheduler.next_request = watched  # type: ignore[method-assign]
        scheduler.close = close  # type: ignore[method-assign]

    def keep_at_close(self, waiting: Callable[[], list[Request]]) -> None:
        """Give the requests that ``waiting`` returns back to the scheduler where the crawl is stopped."""
        self._waiting = waiting

    def is_scheduled(self, request: Request) -> bool:
        """Tell whether a request came out of the scheduler; otherwise some component of Scrapy awaits its response."""
        return request in self._begun() and request not in self._awaited

    def take(self, request: Request) -> None:
        """Take the state of a request out of its meta, before it goes to the site."""
        text = request.meta.pop(_KEY, None)
        retried = self._retried.pop(_retry_key(request), None) if self._retried else None
        if text is None and retried is None:
            # Nothing is known of almost all requests.
            if self.is_any_known:
                self._states.pop(request, None)
            return
        text = text or {}
        if text.get("filter"):
            request.dont_filter = False
        redirect = text.get("redirect")
        if redirect and request.meta.get("redirect_urls", [None])[-1] != redirect["from"]:
            # A spider has copied the meta of a redirected request that never reached this package.
            redirect = None
        self.is_any_known = True
        self._states[request] = retried or RequestState(
            useless_jobs=text.get("useless_jobs", 0),
            redirect=redirect,
            looked_behind=text.get("looked_behind", False),
            followed=text.get("followed", []),
        )

    def _known(self, request: Request) -> RequestState | None:
        return self._states.get(request) if self.is_any_known else None

    def knows(self, request: Request) -> bool:
        """Tell whether anything is known of a request."""
        return self._known(request) is not None

    def may_know(self, request: Request) -> bool:
        """Tell whether anything may be known of a request, apart from what its meta holds."""
        return self.is_any_known and (bool(self._retried) or request in self._states)

    def of(self, request: Request) -> RequestState:
        """Return the state of a request."""
        self.is_any_known = True
        return self._states.setdefault(request, RequestState())

    def peek(self, request: Request) -> RequestState:
        """Return the state of a request to read it: an empty one if nothing is known, which stays so."""
        return self._known(request) or RequestState()

    def is_suspicious(self, request: Request, target: str) -> bool:
        """Tell whether a redirect of ``request`` to ``target`` may lead to a wall, as one did before."""
        state = self.peek(request)
        return state.looked_behind or public_address(target) in map(public_address, state.followed)

    def give_back(self, request: Request) -> Request:
        """Return a copy of a request for the scheduler, which must not drop it as a duplicate."""
        copy = request.replace(dont_filter=True)
        state = self.of(request)
        copy.meta[_KEY] = {**asdict(state), "filter": not request.dont_filter}
        return copy

    def may_be_retried(self, request: Request) -> None:
        """Have a retry of ``request`` go on with its state, should Scrapy make one."""
        state = self._known(request)
        if state is None:
            return
        if state.useless_jobs or state.redirect or state.followed:
            # Connected only here, since it costs time for each request.
            self._crawler.signals.connect(self._write_retried, signals.request_scheduled)
            self._retried[_retry_key(request, retries=1)] = state
        if len(self._retried) > _MAX_RETRIED:
            del self._retried[next(iter(self._retried))]

    def _write_retried(self, request: Request) -> None:
        """Write the state of a retry into its meta, so that it is still known when a stopped crawl resumes."""
        state = self._retried.pop(_retry_key(request), None) if self._retried else None
        if state is not None:
            request.meta[_KEY] = asdict(state)

    def redirected(
        self, request: Request, target: str, *, must_pass: bool = False, may_repeat: bool = True, is_own: bool = False
    ) -> bool:
        """Write down what a request asks for, in its meta, before Scrapy makes a redirected request of it.

        :param target: as ``address_of`` spells it.
        :param must_pass: it must not be dropped as a duplicate.
        :param may_repeat: it must not be dropped as a duplicate of the redirect that led to a wall.
        :param is_own: what it leads to is the answer, even if that is a wall.
        :returns: whether it cannot be dropped as a duplicate.
        """
        state = self.of(request)
        before = state.redirect or _as_json(request)
        text = {**asdict(state), "redirect": None if is_own else {**before, "from": request.url}}
        # A wall that is open by now leads back to what was asked for.
        is_repeated = bool(state.followed) and target in map(address_of, (before["url"], *state.followed))
        if (must_pass or (may_repeat and is_repeated)) and not request.dont_filter:
            # To Scrapy's dupefilter it is a duplicate of what was followed, or asked for, before.
            text["filter"] = request.dont_filter = True
        request.meta[_KEY] = text
        return request.dont_filter

    def not_redirected(self, request: Request) -> None:
        """Take back what :meth:`redirected` has written, where Scrapy has not followed the redirect."""
        if _KEY in request.meta and request.meta.pop(_KEY).get("filter"):
            request.dont_filter = False

    def hops(self, request: Request) -> list[str]:
        """Return the addresses of all redirects that have led to a request; the last one is its own."""
        redirect = self.peek(request).redirect
        known = 1 + len(redirect["meta"].get("redirect_urls", ())) if redirect else None
        return [*(request.meta.get("redirect_urls", [])[known:] if known else ()), request.url]

    def was_led_to_wall(self, request: Request) -> bool:
        """Tell whether a request is sent again because its redirects have led to a wall before."""
        state = self.peek(request)
        return bool(state.followed) and not state.looked_behind

    def before_redirects(self, request: Request, *, looked_behind: bool = False) -> Request | None:
        """Rebuild a request as it was before its first redirect, for the scheduler; None where that is not known.

        :param looked_behind: it is sent again only for the sake of the redirect's target.
        """
        if _KEY in request.meta:
            # It was dropped before it came out of the scheduler.
            self.take(request)
        state = self.peek(request)
        if state.redirect is None:
            return None
        # Looking once is enough, and there is an end where each redirect leads to another wall.
        if (looked_behind and state.looked_behind) or len(state.followed) > _MAX_FOLLOWED:
            return None
        hops = self.hops(request)
        original = _from_json(request, state.redirect)
        original.meta[_KEY] = {
            "useless_jobs": state.useless_jobs,
            "filter": not state.redirect["dont_filter"],
            "looked_behind": looked_behind,
            # The last redirect was not followed where its target has yet to be looked at.
            "followed": [*state.followed, *(hops[:-1] if looked_behind else hops)],
        }
        return original


def _retry_key(request: Request, *, retries: int = 0) -> object:
    """Return what a request and its retry, which is another object, have in common, but no requests of two sessions."""
    meta = request.meta
    session = (meta.get("cookiejar"), str(request.cookies), *map(request.headers.get, ("Cookie", "Authorization")))
    retry_times = meta.get("retry_times", 0) + retries
    return request.url, request.method, request.body, session, retry_times, tuple(meta.get("redirect_urls", ()))


def _as_json(request: Request) -> dict[str, Any]:
    return {
        "url": request.url,
        "method": request.method,
        "body": b64encode(request.body).decode(),
        "headers": {
            name: [value.decode("latin-1") for value in request.headers.getlist(name)]
            for name in _REPLACED_HEADERS
            if name in request.headers
        },
        "cookies": request.cookies,
        "priority": request.priority,
        "dont_filter": request.dont_filter,
        "meta": {key: request.meta[key] for key in _REDIRECT_META if key in request.meta},
    }


def _from_json(request: Request, text: dict[str, Any]) -> Request:
    headers = request.headers.copy()
    for name in _REPLACED_HEADERS:
        headers.pop(name, None)
    headers.update(text["headers"])
    meta = {key: value for key, value in request.meta.items() if key not in (*_REDIRECT_META, _KEY)}
    original = request.replace(
        url=text["url"],
        method=text["method"],
        body=b64decode(text["body"]),
        headers=headers,
        cookies=text["cookies"],
        priority=text["priority"],
        dont_filter=True,
        meta={**meta, **text["meta"]},
    )
    if urlparse_cached(original).hostname != urlparse_cached(request).hostname:
        original.meta.pop("download_slot", None)
    return original
