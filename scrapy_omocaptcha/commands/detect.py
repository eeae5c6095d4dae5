"""Implement ``scrapy omocaptcha detect``: show what a page is."""

import argparse
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scrapy import Request, Spider
from scrapy.commands import ScrapyCommand
from scrapy.crawler import CrawlerProcessBase
from scrapy.exceptions import CloseSpider, UsageError
from scrapy.http import HtmlResponse, Response
from scrapy.settings import BaseSettings
from scrapy.utils.spider import DefaultSpider, spidercls_for_request

from scrapy_omocaptcha.addon import DEFAULT_PRIORITY, is_listed
from scrapy_omocaptcha.browser import use_browser
from scrapy_omocaptcha.commands.explain import InspectingMiddleware, Rows
from scrapy_omocaptcha.middleware import OmoCaptchaMiddleware
from scrapy_omocaptcha.reporting.format import printable
from scrapy_omocaptcha.settings import Settings, is_enabled

_NOT_INSPECTED = "the crawl ended before this page was inspected (-L ERROR shows why)"
# Isolates the inspection from the project's crawls: their queues, seen requests, feeds and console ports.
ISOLATION: dict[str, Any] = {
    "JOBDIR": None,
    "FEEDS": {},
    "SCHEDULER": "scrapy.core.scheduler.Scheduler",
    "DUPEFILTER_CLASS": "scrapy.dupefilters.BaseDupeFilter",
    "TELNETCONSOLE_ENABLED": False,
    "REMOTE_CONTROL_ENABLED": False,
}


class _Page(NamedTuple):
    """A page to inspect: its URL or file as given, its request, and for a file the response to judge."""

    subject: str
    request: Request
    saved: Response | None = None


def add_options(parser: argparse.ArgumentParser) -> None:
    subjects = "http(s) URLs to fetch, saved pages, or - for one on standard input"
    parser.add_argument("subjects", nargs="+", metavar="URL|FILE|-", help=subjects)
    # No site has that domain, which is reserved.
    parser.add_argument("--url", default="https://page.invalid/", help="the URL of files (default: %(default)s)")
    parser.add_argument("--status", type=int, default=200, help="HTTP status of files (default: %(default)s)")
    parser.add_argument("--browser", action="store_true", help="render URLs with scrapy-playwright first")
    parser.add_argument("--spider", help="judge as this spider would (default: the spider of the domain, if any)")


def detect(command: ScrapyCommand, opts: argparse.Namespace) -> int:
    """Print what pages are and what a crawl would do with them, without buying anything.

    Examples, while scrapy omocaptcha simulate --port 6080 runs in another terminal:

      scrapy omocaptcha detect http://127.0.0.1:6081/catalogue/
      scrapy omocaptcha detect http://127.0.0.1:6081/find
      curl -s http://127.0.0.1:6081/catalogue/ -o page.html
      scrapy omocaptcha detect page.html --url http://127.0.0.1:6081/catalogue/ --status 403
      curl -s http://127.0.0.1:6081/catalogue/ | scrapy omocaptcha detect -

    Exit status: 0 when all pages were judged, 1 when something could not be fetched or read.
    """
    if not _is_url(opts.url):
        raise UsageError("--url must begin with http:// or https://", print_help=False)
    assert command.crawler_process is not None
    opts.rendered = _use_browser(command.crawler_process.settings) if opts.browser else lambda request: request
    pending = list(opts.subjects)
    has_failed = False

    def tell(subject: str, rows: Rows) -> None:
        nonlocal has_failed
        pending.remove(subject)
        has_failed = has_failed or rows[0][0] == "failed"
        print("\n".join(map(printable, [subject, *(f"  {label:<9} {text}" for label, text in rows)])), flush=True)

    pages: list[_Page] = []
    for subject in opts.subjects:
        page = _read(subject, opts)
        if isinstance(page, _Page):
            pages.append(page)
        else:
            tell(subject, page)
    _inspect_all(command.crawler_process, pages, opts.spider, tell)
    for subject in [*pending]:
        # Ctrl-C was pressed, or the spider needs arguments.
        tell(subject, [("failed", _NOT_INSPECTED)])
    return int(has_failed)


def _use_browser(settings: BaseSettings) -> Callable[[Request], Request]:
    """Let pages be rendered, and return what makes a request one whose page is."""
    try:
        from scrapy_omocaptcha.browser.page import rendered
    except ImportError:
        raise UsageError("--browser needs: pip install 'scrapy-omocaptcha[playwright]'", print_help=False) from None
    use_browser(settings)
    return rendered


def _why(error: Exception) -> str:
    """Say why a page could not be judged."""
    text = str(error)
    if isinstance(error, FileNotFoundError):
        return f"{error.strerror} (URLs begin with http:// or https://)"
    if "Executable doesn't exist" in text:
        # Playwright draws a box around what it says.
        return (
            "Playwright has no browser: run playwright install chromium, or name one that is installed with "
            '-s PLAYWRIGHT_LAUNCH_OPTIONS=\'{"executable_path": "/usr/bin/chromium"}\''
        )
    return f"{type(error).__name__}: {text}"


def _read(subject: str, opts: argparse.Namespace) -> _Page | Rows:
    """Return the page that ``subject`` stands for, or why there is none."""
    try:
        if _is_url(subject):
            # Inspect the page as it is now, in the first response.
            meta = {"omocaptcha": False, "dont_cache": True, "dont_retry": True}
            return _Page(subject, opts.rendered(Request(subject, meta=meta, dont_filter=True)))
        body = sys.stdin.buffer.read() if subject == "-" else Path(subject).read_bytes()
        return _Page(subject, Request(opts.url), HtmlResponse(opts.url, opts.status, body=body, flags=["cached"]))
    except (OSError, ValueError) as error:
        return [("failed", _why(error))]


def _is_url(subject: str) -> bool:
    return subject.lower().startswith(("http://", "https://"))


def _inspect_all(
    process: CrawlerProcessBase, pages: Sequence[_Page], spider_name: str | None, tell: Callable[[str, Rows], None]
) -> None:
    """Run one crawl per spider, and a separate one that fetches nothing for its files."""
    loader = process.spider_loader
    if spider_name is not None and spider_name not in loader.list():
        raise UsageError(f"no spider is named {spider_name!r}", print_help=False)
    crawls: defaultdict[tuple[type[Spider], bool], list[_Page]] = defaultdict(list)
    for page in pages:
        spider = loader.load(spider_name) if spider_name else spidercls_for_request(loader, page.request, DefaultSpider)
        crawls[spider, page.saved is None].append(page)
    for (spider, fetch), group in crawls.items():
        process.crawl(_inspecting_spider(spider, group, tell, fetch=fetch))
    if crawls:
        process.start()


def _inspecting_spider(
    base: type[Spider], pages: Sequence[_Page], tell: Callable[[str, Rows], None], *, fetch: bool
) -> type[Spider]:
    """Derive a spider from ``base`` that only inspects ``pages``; without ``fetch``, not even robots.txt is fetched."""

    class InspectingSpider(base):  # type: ignore[misc, valid-type]
        on = False

        @classmethod
        def update_settings(cls, settings: BaseSettings) -> None:
            super().update_settings(settings)
            try:
                Settings.for_detection(settings)
                cls.on = is_listed(settings) and is_enabled(settings)
            except ValueError as error:
                raise UsageError(str(error), print_help=False) from None
            for setting, value in ISOLATION.items():
                settings.set(setting, value, "cmdline")
            if not fetch:
                settings.set("ROBOTSTXT_OBEY", False, "cmdline")
            settings.set_in_component_priority_dict("DOWNLOADER_MIDDLEWARES", OmoCaptchaMiddleware, None)
            settings.set_in_component_priority_dict("DOWNLOADER_MIDDLEWARES", InspectingMiddleware, DEFAULT_PRIORITY)

        async def start(self) -> AsyncIterator[Any]:
            middleware = self.crawler.get_downloader_middleware(InspectingMiddleware)
            for page in pages:
                try:
                    response = page.saved or await self.crawler.engine.download_async(page.request)
                    rows = await middleware.explain(response.request or page.request, response)
                except Exception as error:
                    # The downloader or the user's trigger failed; the other pages are still inspected.
                    self.logger.debug("%s cannot be judged", page.request.url, exc_info=True)
                    rows = [("failed", _why(error))]
                if base is not DefaultSpider:
                    rows.append(("spider", f"judged as {base.name!r} would"))
                if not self.on:
                    rows.append(("note", "the add-on is off here (ADDONS, OMOCAPTCHA_ENABLED), so crawls do nothing"))
                try:
                    tell(page.subject, rows)
                except OSError:
                    break  # Nothing can be printed, so that the command ends with the next line.
            # Close at once, since an idle spider might find more work by itself.
            raise CloseSpider("finished")
            yield  # Makes this an async generator.

    return InspectingSpider
