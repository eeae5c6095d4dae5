"""Implement ``scrapy omocaptcha detect``: show what a page is."""

import argparse
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from scrapy import Request
from scrapy.commands import ScrapyCommand
from scrapy.crawler import CrawlerProcessBase
from scrapy.exceptions import CloseSpider, UsageError
from scrapy.http import HtmlResponse, Response
from scrapy.settings import BaseSettings
from scrapy.utils.spider import DefaultSpider, spidercls_for_request

from scrapy_omocaptcha.addon import DEFAULT_PRIORITY, is_listed
from scrapy_omocaptcha.commands.explain import InspectingMiddleware, Rows
from scrapy_omocaptcha.engine.extension import PRIORITY, DerivedClasses
from scrapy_omocaptcha.errors import in_words
from scrapy_omocaptcha.middleware import OmoCaptchaMiddleware
from scrapy_omocaptcha.reporting.format import printable
from scrapy_omocaptcha.settings import Settings, is_enabled

logger = logging.getLogger(__name__)

# Isolates the inspection from the project's crawls: their queues, seen requests, feeds and console ports.
_ISOLATION: dict[str, Any] = {
    "JOBDIR": None,
    "FEEDS": {},
    "SCHEDULER": "scrapy.core.scheduler.Scheduler",
    "DUPEFILTER_CLASS": "scrapy.dupefilters.BaseDupeFilter",
    "TELNETCONSOLE_ENABLED": False,
    "REMOTE_CONTROL_ENABLED": False,
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("page", metavar="URL|FILE", help="http(s) URL to fetch, or a saved page")
    # No site has that domain, which is reserved.
    parser.add_argument("--url", default="https://page.invalid/", help="the URL of a file (default: %(default)s)")
    parser.add_argument("--status", type=int, default=200, help="the HTTP status of a file (default: %(default)s)")
    parser.add_argument("--spider", help="judge as this spider would (default: the spider of the domain, if any)")


def detect(command: ScrapyCommand, opts: argparse.Namespace) -> int:
    """Print what a page is and what a crawl would do with it, without buying anything.

    Examples, while scrapy omocaptcha simulate --port 6080 runs in another terminal:

      scrapy omocaptcha detect http://127.0.0.1:6081/catalogue/
      scrapy omocaptcha detect http://127.0.0.1:6081/find
      curl -s http://127.0.0.1:6081/catalogue/ -o page.html
      scrapy omocaptcha detect page.html --url http://127.0.0.1:6081/catalogue/ --status 403

    Exit status: 0 when the page was judged, 1 when it could not be fetched or read.
    """
    process = command.crawler_process
    assert process is not None
    try:
        rows = _inspect(process, *_read(opts), opts.spider)
    except (OSError, ValueError) as error:
        # The file is missing, or an address or a setting is invalid.
        logger.debug("%s cannot be judged", opts.page, exc_info=True)
        rows = [("failed", f"{in_words(error)}: {error}")]
    print("\n".join(map(printable, [opts.page, *(f"  {label:<9} {text}" for label, text in rows)])))
    return int(rows[0][0] == "failed")


def _read(opts: argparse.Namespace) -> tuple[Request, Response | None]:
    """Return the request for a page and, if it is a file, the response to judge."""
    if not opts.page.lower().startswith(("http://", "https://")):
        try:
            body = Path(opts.page).read_bytes()
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{error.strerror} (URLs begin with http:// or https://)") from None
        return Request(opts.url), HtmlResponse(opts.url, opts.status, body=body, flags=["cached"])
    # Inspect the page as it is now, in the first response.
    meta = {"omocaptcha": False, "dont_cache": True, "dont_retry": True}
    return Request(opts.page, meta=meta, dont_filter=True), None


def _inspect(process: CrawlerProcessBase, request: Request, saved: Response | None, spider_name: str | None) -> Rows:
    """Return what is told of a page, from a crawl of its own, which fetches nothing for a file."""
    loader = process.spider_loader
    if spider_name is not None and spider_name not in loader.list():
        raise UsageError(f"no spider is named {spider_name!r}", print_help=False)
    base = loader.load(spider_name) if spider_name else spidercls_for_request(loader, request, DefaultSpider)
    rows: Rows = []
    notes: Rows = [] if base is DefaultSpider else [("spider", f"judged as {base.name!r} would")]

    class InspectingSpider(base):  # type: ignore[misc, valid-type]
        @classmethod
        def update_settings(cls, settings: BaseSettings) -> None:
            super().update_settings(settings)
            Settings.for_command(settings, api_token="not-needed")
            if not (is_listed(settings) and is_enabled(settings)):
                notes.append(("note", "the add-on is off here (ADDONS, OMOCAPTCHA_ENABLED), so crawls do nothing"))
            settings.setdict(_ISOLATION if saved is None else {**_ISOLATION, "ROBOTSTXT_OBEY": False}, "cmdline")
            settings.set_in_component_priority_dict("EXTENSIONS", DerivedClasses, PRIORITY)
            settings.set_in_component_priority_dict("DOWNLOADER_MIDDLEWARES", OmoCaptchaMiddleware, None)
            settings.set_in_component_priority_dict("DOWNLOADER_MIDDLEWARES", InspectingMiddleware, DEFAULT_PRIORITY)

        async def start(self) -> AsyncIterator[Any]:
            middleware = self.crawler.get_downloader_middleware(InspectingMiddleware)
            try:
                response = saved or await self.crawler.engine.download_async(request)
                rows.extend(await middleware.explain(response.request or request, response))
            except Exception as error:
                # The downloader or the user's trigger failed.
                self.logger.debug("%s cannot be judged", request.url, exc_info=True)
                rows.append(("failed", f"{in_words(error)}: {error}"))
            # Close at once, since an idle spider might find more work by itself.
            raise CloseSpider("finished")
            yield  # Makes this an async generator.

    process.crawl(InspectingSpider)
    process.start()
    # Ctrl-C was pressed, or the spider needs arguments.
    ended = ("failed", "the crawl ended before the page was inspected (-L ERROR shows why)")
    return [*(rows or [ended]), *notes]
