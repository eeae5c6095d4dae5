"""Crawl in pages that a browser renders, and see what is left of them at the end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import scrapy
from playwright.async_api import async_playwright
from scrapy_playwright.page import PageMethod

from scrapy_omocaptcha.buying.database import read_ledger
from scrapy_omocaptcha.testing import browser_settings
from tests.browser.live_pages import LiveSite
from tests.helpers.crawling import Crawl, Crawls, RecordingSpider, reason_of
from tests.helpers.leaks import Search, error_texts, log_texts
from tests.helpers.nightly import nightly


class BrowserSpider(RecordingSpider):
    """Asks for ``urls`` in a browser, and closes the pages that are left open for it."""

    meta: dict[str, Any] = {}  # noqa: RUF012
    """More meta of each request."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sent: dict[str, scrapy.Request] = {}
        """The requests by their addresses."""
        self.live: list[tuple[str, str]] = []
        """Address and title of each page that was open in a callback."""
        self.left_open = -1
        """How many pages were open at the end."""
        self.taken = -1
        """How many places of contexts were taken at the end."""
        self.contexts: list[str] = []
        """The names of the contexts that were open at the end."""

    def requests(self):
        for url in self.urls:
            self.sent[url] = self.request(url)
            yield self.sent[url]

    def request(self, url: str) -> scrapy.Request:
        meta = {"playwright": True, **self.meta_of(url)}
        return scrapy.Request(url, meta=meta, callback=self.page, errback=self.failed, cb_kwargs={"asked": url})

    def meta_of(self, url: str) -> dict[str, Any]:
        return self.meta

    async def page(self, response, asked=None):
        self.pages.append(response)
        page = response.meta.get("playwright_page")
        if page is not None:
            assert not page.is_closed()
            self.live.append((page.url, await page.title()))
            await page.close()

    async def failed(self, failure):
        self.failures.append(failure.value)
        # The recipe of scrapy-playwright.
        page = failure.request.meta.get("playwright_page")
        if page is not None:
            await page.close()

    def closed(self, reason: str) -> None:
        handler = self.crawler.engine.downloader.handlers._handlers.get("http")
        contexts = handler.context_wrappers.values()
        self.left_open = handler._get_total_page_count()
        self.contexts = list(handler.context_wrappers)
        self.taken = sum(handler.config.max_pages_per_context - context.semaphore._value for context in contexts)


class WithPage(BrowserSpider):
    """Wants its pages open."""

    meta = {"playwright_include_page": True}  # noqa: RUF012


@dataclass(kw_only=True)
class Case:
    """What a crawl of many cases does at a site of its own, and what comes of it."""

    make: Callable[..., Any] = LiveSite
    """``make(service, hosts=hosts)`` returns the site."""
    meta: dict[str, Any] = field(default_factory=dict)
    """More meta of its requests."""
    nightly: bool = False
    """Whether only the crawl of a run with nightly tests has it."""

    site: Any = None
    pages: list[Any] = field(default_factory=list)
    failures: list[Any] = field(default_factory=list)
    live: list[tuple[str, str]] = field(default_factory=list)
    """Address and title of each page that was open in a callback."""
    jobs: list[tuple[str, str]] = field(default_factory=list)
    """What became of each job, by the ledger."""
    bought: int = 0
    bugs: list[str] = field(default_factory=list)

    @property
    def reasons(self) -> list[str]:
        return [reason_of(error) for error in self.failures]


def names(cases: Mapping[str, Case]) -> list[Any]:
    """Return the values of a test's parameter that names one of these cases, of which some are nightly."""
    return [nightly(name) if case.nightly else name for name, case in cases.items()]


class CasesSpider(BrowserSpider):
    """Asks for a page of each of ``cases``."""

    cases: Sequence[Case] = ()

    def requests(self):
        for case in self.cases:
            yield self.ask(case, self.first(case))

    def first(self, case: Case) -> scrapy.Request:
        """Return the first request of a case."""
        return scrapy.Request(f"{case.site.origin}/page/1", meta=case.meta)

    def ask(self, case: Case, request: scrapy.Request) -> scrapy.Request:
        meta = {"playwright": True, **request.meta}
        return request.replace(meta=meta, callback=self.page, errback=self.failed, cb_kwargs={"asked": case})

    async def page(self, response, asked=None):
        asked.pages.append(response)
        await super().page(response)
        if response.meta.get("playwright_page"):
            asked.live.append(self.live[-1])

    async def failed(self, failure):
        failure.request.cb_kwargs["asked"].failures.append(failure.value)
        await super().failed(failure)


def methods(selector: str = ".item", *, timeout: int = 10_000) -> list[PageMethod]:
    """Return page methods that wait for what is only behind the wall, and read the title of the page.

    :param timeout: longest wait in milliseconds.
    """
    return [PageMethod("wait_for_selector", selector, timeout=timeout), PageMethod("evaluate", "document.title")]


class SharedBrowser:
    """Gives the crawls of scrapy-playwright one browser, which takes longer to start than to show a page.

    It ends with the process, or when a test kills it.
    """

    driver: Any = None
    browser: Any = None

    def __init__(self, config) -> None:
        self._options = config.launch_options

    async def start(self) -> None:
        SharedBrowser.driver = self.driver or await async_playwright().start()

    async def launch_browser(self) -> Any:
        if self.browser is None or not self.browser.is_connected():
            SharedBrowser.browser = await self.driver.chromium.launch(**self._options)
            # Scrapy-playwright closes it, and then this.
            self.browser.close = self.close
        return self.browser

    async def close(self) -> None:
        """Leave the browser to the crawls that follow."""
        if self.browser is not None:
            # They would be told of its end.
            self.browser._impl_obj.remove_all_listeners("disconnected")


class Browsing:
    """Runs crawls in a browser that log no bug, and at whose end no page is open and no token is to be seen."""

    def __init__(self, crawl: Crawls, service: Any) -> None:
        self._crawl = crawl
        self._service = service

    def __call__(self, spider, settings=None, *, taken: int = 0, page_fails: bool = False, **kwargs: Any) -> Crawl:
        """Run ``spider``.

        :param taken: how many places of contexts it does not give back.
        :param page_fails: whether scrapy-playwright logs the traceback of a page that fails.
        """
        ours = {**self._service.settings, **browser_settings(), "PLAYWRIGHT_BROWSER_PROVIDER": SharedBrowser}
        crawled = self._crawl(spider, {**ours, **(settings or {})}, **kwargs)
        assert (crawled.spider.left_open, crawled.spider.taken) == (0, taken), crawled.said(logging.DEBUG)
        assert self._leaks(crawled) == []
        assert page_fails or crawled.bugs == []
        return crawled

    def together(self, spider, cases: Sequence[Case], ledger: Path, *, page_fails: bool = False, **settings) -> Crawl:
        """Run a crawl of many cases, each at a site of its own: a browser takes longer to start than for a case."""
        # Many of these wait, some for what never comes; more pages at once would only be slower.
        settings = {"OMOCAPTCHA_LEDGER": ledger, "CONCURRENT_REQUESTS": 8, **settings}
        with ExitStack() as stack:
            for number, case in enumerate(cases, 2):
                case.site = stack.enter_context(case.make(self._service, hosts=(f"127.0.0.{number}",)))
            crawled = self(spider, settings, cases=cases, service=self._service, page_fails=page_fails)
        bugs = crawled.bugs
        for case in cases:
            at = f"{case.site.origin}/"
            records = read_ledger(ledger) if ledger.exists() else []
            case.jobs = [(record.outcome, record.reason) for record in records if record.page.startswith(at)]
            case.bought = sum(job.page.startswith(at) for job in self._service.jobs)
            case.bugs = [bug for bug in bugs if at in bug]
            bugs = [bug for bug in bugs if at not in bug]
        assert bugs == []
        return crawled

    def _leaks(self, crawled: Crawl) -> list[str]:
        """Return where a token is in the log, the errors, the stats and the responses of a crawl."""
        tokens = self._service._account._tokens
        if not tokens:
            return []
        told = [repr(crawled.stats), *(text for error in crawled.failures for text in error_texts(error))]
        for page in crawled.pages:
            told += [repr(page), page.url, repr(page.request), repr(page.meta), repr(page.flags), repr(page.headers)]
        return Search(tokens).in_texts([*log_texts(crawled.log), *told])
