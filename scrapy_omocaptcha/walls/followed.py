"""Send again what was asked for before Scrapy followed a redirect that led to a wall, or dropped it as a duplicate.

Scrapy follows the first redirect to an unknown target. Until it is known what is there, others are dropped as
duplicates.
"""

from collections import defaultdict
from http import HTTPStatus

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.utils.job import job_dir

from scrapy_omocaptcha.detection import is_wall_address
from scrapy_omocaptcha.engine.request_state import RequestStates
from scrapy_omocaptcha.settings import uses_scrapy_redis
from scrapy_omocaptcha.urls import public_address
from scrapy_omocaptcha.walls.judging import is_good
from scrapy_omocaptcha.walls.targets import Targets

_MAX_PENDING = 1000
"""Redirects to one target that are kept until the target is known. More can't be under way at once."""


class FollowedRedirects:
    """The redirects of one crawl that Scrapy has followed or dropped."""

    def __init__(self, crawler: Crawler, states: RequestStates, targets: Targets) -> None:
        self._crawler = crawler
        self._states = states
        self._targets = targets
        self._pending: defaultdict[str, list[Request]] = defaultdict(list)
        """Redirected requests that were dropped as duplicates while it is being found out what their target is."""
        self._may_be_resumed = bool(job_dir(crawler.settings)) or uses_scrapy_redis(crawler.settings)
        """Whether Scrapy keeps its requests when it is stopped."""
        if self._may_be_resumed:
            states.keep_at_close(lambda: [request for waiting in self._pending.values() for request in waiting])
        crawler.signals.connect(self._dropped, signals.request_dropped)

    def concern(self, request: Request) -> bool:
        """Tell whether anything is known of a request, or of where redirects lead, that its answer may change."""
        is_awaited = self._states.is_any_known and (self._states.knows(request) or self._targets.is_any_led_to)
        return is_awaited or self._targets.has_met_wall

    def asked_for(self, request: Request, response: Response, *, is_wall: bool) -> Request | None:
        """Return what was asked for before ``request`` was redirected to a wall, for the scheduler.

        :param is_wall: whether the address of ``request`` has just proven to be a wall.
        """
        if not self.concern(request):
            return None
        if self._targets.has_met_wall and not is_wall and is_good(response) and "redirect_urls" not in request.meta:
            self._targets.asked_for(request.url)
        # The address of a wall may be another one each time. It is opened for the redirected request the second time.
        original = None if self._states.was_led_to_wall(request) else self._states.before_redirects(request)
        if original is None and not self._targets.is_any_led_to:
            return None
        target = public_address(request.url)
        if original is not None or self._targets.leader(target) is not None:
            if is_wall or response.status < HTTPStatus.BAD_REQUEST:
                for hop in self._states.hops(request):
                    self.judged(public_address(hop), is_wall=is_wall)
            else:
                self.failed(request)
        # A wall that has been opened meanwhile has nothing to show any more.
        is_repeated = original is not None and is_repeatable(original) and self._targets.is_wall(target)
        return original if is_wall or is_repeated else None

    def failed(self, request: Request) -> None:
        """Have redirects to the address of ``request`` looked behind, if Scrapy was to find out what is there.

        Where no wall has been met, they are dropped as duplicates, as without the add-on. Retry may find out yet.
        """
        for hop in map(public_address, self._states.hops(request)):
            if self._targets.has_met_wall and self._targets.stop_leading(hop):
                self._targets.doubted(hop)
                self._send_pending(hop, looked_behind=True)

    def judged(self, target: str, *, is_wall: bool) -> None:
        """Record whether a target has just shown a challenge, and send again what waits for that."""
        self._targets.judged(target, is_wall=is_wall)
        if is_wall:
            self._send_pending(target, looked_behind=False)
        else:
            self._pending.pop(target, None)

    def _send_pending(self, target: str, *, looked_behind: bool) -> None:
        for request in self._pending.pop(target, []):
            original = self._states.before_redirects(request, looked_behind=looked_behind)
            if original is not None and (is_repeatable(original) or not looked_behind):
                self._crawler.engine.crawl(original)
            elif original is not None:
                # Only the redirect to a wall proves that it has not been processed.
                self._pending[target].append(request)

    def _dropped(self, request: Request) -> None:
        """Send what was asked for once more if its redirect was dropped as a duplicate before its target is known."""
        target = public_address(request.url)
        is_wall = self._targets.is_wall(request.url)
        original = self._states.before_redirects(request, looked_behind=not is_wall)
        if original is None or is_wall is False:
            return
        leader = self._targets.leader(target)
        is_doubtful = self._targets.is_undecided(target) or self._may_be_resumed or is_wall_address(target)
        # A redirect to what has proven to be a wall meanwhile is the answer to nothing.
        if is_wall or (is_doubtful and is_repeatable(original)):
            self._crawler.engine.crawl(original)
        elif leader == request.meta["redirect_urls"][-1]:
            # The spider has asked for the target itself. Scrapy drops all redirects to it, as without a wall.
            self._targets.stop_leading(target)
        elif leader is not None and len(self._pending[target]) < _MAX_PENDING:
            self._pending[target].append(request)


def is_repeatable(request: Request) -> bool:
    """Tell whether a request may be sent again though it has been answered: a POST could order twice."""
    return request.method in ("GET", "HEAD")
