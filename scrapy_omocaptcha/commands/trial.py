"""Buy one job for a page in a crawl of its own, and say what the site made of the token."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from scrapy import Request, Spider
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.settings import BaseSettings, Settings
from twisted.python.failure import Failure

from scrapy_omocaptcha import signals
from scrapy_omocaptcha.addon import Addon
from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.commands.detect import ISOLATION
from scrapy_omocaptcha.errors import in_words
from scrapy_omocaptcha.settings import ONE_JOB
from scrapy_omocaptcha.tokens.reasons import REASONS
from scrapy_omocaptcha.urls import public_address

DEMO_PAGE = "https://www.google.com/recaptcha/api2/demo"
"""Google's public page for trying reCAPTCHA v2."""
_SETTINGS = {
    **ISOLATION,
    **ONE_JOB,
    "TWISTED_REACTOR": "twisted.internet.asyncioreactor.AsyncioSelectorReactor",
}


def try_one_job(project: BaseSettings, url: str) -> tuple[str, bool]:
    """Crawl one page with the settings of a project, and buy one job for it at most.

    :returns: what came of that, and whether the site has accepted the token.
    """
    try:
        request = Request(url, meta={"dont_cache": True})
    except ValueError:
        return "--page is no address", False
    settings = Settings(project)
    settings.setdefault_in_component_priority_dict("ADDONS", Addon, 500)
    settings.setdict(_SETTINGS, "cmdline")
    told = [("the crawl ended before the page came (-L ERROR shows why)", False)]
    # The process of the command has an event loop from its beginning on, which asyncio.run would take away.
    process = AsyncCrawlerProcess(settings)
    process.crawl(_Trial, request=request, tell=told.append)
    process.start()
    return told[-1]


class _Trial(Spider):
    """Requests one page, and tells at its end what was bought for it."""

    name = "check"
    request: Request
    tell: Callable[[tuple[str, bool]], None]
    is_wall: bool | None = None
    """Whether the page is a wall, rather than one that shows its content beside a form; None until it came."""
    reason = ""
    """The reason with which the challenge was not solved, or with which the token is unknown."""
    why = ""
    """The reason as a sentence, or what became of the request."""

    async def start(self) -> AsyncIterator[Request]:
        for signal in (signals.challenge_failed, signals.challenge_unknown):
            self.crawler.signals.connect(self._not_solved, signal)
        yield self.request.replace(callback=self.parse, errback=self._failed)

    def omocaptcha_trigger(self, response: Response, challenge: Challenge) -> bool | None:
        """Take a form beside the content of a page for a wall, since it is what is to be tried."""
        if self.is_wall is None:
            self.is_wall = challenge.blocking
        return None if self.is_wall else True

    def _not_solved(self, reason: str) -> None:
        self.reason, self.why = reason, f"{REASONS.get(reason, '-L INFO says more')} ({reason})"

    def _failed(self, failure: Failure) -> None:
        error = failure.value
        # The texts of other errors may repeat a query or a password.
        is_plain = isinstance(error, IgnoreRequest)
        said = str(error) if is_plain else f"{self.request.url} cannot be had ({in_words(error)})"
        self.why = said.replace(self.request.url, public_address(self.request.url))

    def parse(self, response: Response) -> None:
        self.why = self.why or f"{public_address(response.url)} ({response.status}) has no reCAPTCHA v2 widget"

    def closed(self, reason: str) -> None:
        stats = self.crawler.stats.get_stats()
        if not stats.get("omocaptcha/jobs/created"):
            self.tell((f"nothing was bought: {self.why}", False))
            return
        failed = [name for name in stats if name.startswith("omocaptcha/jobs/failed/")]
        (outcome,) = failed or [name for name in stats if name.startswith("omocaptcha/tokens/")] or ["unknown"]
        said = f"failed ({outcome.rpartition('/')[2]})" if failed else outcome.rpartition("/")[2]
        said += f" ({self.reason})" if said == "unknown" else ""
        cost = stats["omocaptcha/cost_usd"]
        self.tell((f"{said}; the job cost {cost:.5f} USD", said == "accepted"))
