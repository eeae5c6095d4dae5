"""``scrapy omocaptcha detect``: what a crawl would do with pages, fetched in a crawl that only looks."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from scrapy.exceptions import CloseSpider, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Callable, Sequence

    from scrapy import Request, Spider
    from scrapy.commands import ScrapyCommand
    from scrapy.crawler import Crawler, CrawlerProcessBase
    from scrapy.settings import BaseSettings

    from scrapy_omocaptcha.commands.explain import Finding, Onlooker

USAGE = "[options] URL|FILE…"
ABOUT = "Say what a page is and what a crawl would do; buys nothing."

# Nothing of the project's own crawls is touched: not their queues, not what they remember, not their feeds, not the
# ports of their consoles.
_APART: dict[str, Any] = {
    "JOBDIR": None,
    "FEEDS": {},
    "SCHEDULER": "scrapy.core.scheduler.Scheduler",
    "DUPEFILTER_CLASS": "scrapy.dupefilters.BaseDupeFilter",
    "TELNETCONSOLE_ENABLED": False,
}


class Page(NamedTuple):
    """One thing to look at: an address to fetch, or a file's content with the address it is judged as."""

    subject: str
    request: Request
    content: bytes | None = None
    status: int = 200


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("subjects", nargs="+", metavar="URL|FILE", help="pages to fetch (http, https), or saved ones")
    parser.add_argument("--url", help="address that files are judged as (default: made up)")
    parser.add_argument("--status", type=int, default=200, help="HTTP status of files (default: %(default)s)")
    parser.add_argument("--spider", help="judge as this spider would (default: the one whose domain it is, if any)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(command: ScrapyCommand, opts: argparse.Namespace) -> int:
    """Exit status: 0 when all were judged, 1 when something could not be fetched or read."""
    from scrapy_omocaptcha.commands.explain import UNKNOWN_URL, Finding, as_json, as_text

    opts.url = opts.url or UNKNOWN_URL
    if not _is_address(opts.url):
        raise UsageError("--url must be an address that begins with http:// or https://", print_help=False)
    findings: list[Finding] = []
    say = as_json if opts.json else as_text

    def tell(finding: Finding) -> None:
        print(say(finding), flush=True)
        findings.append(finding)

    given = [_page(subject, opts) for subject in opts.subjects]
    for unread in given:
        if isinstance(unread, Finding):
            tell(unread)
    assert command.crawler_process is not None
    _crawl(command.crawler_process, [page for page in given if isinstance(page, Page)], opts.spider, tell)
    for missing in Counter(opts.subjects) - Counter(finding.subject for finding in findings):
        # By Ctrl-C, or by a spider that cannot be made without arguments.
        tell(Finding(missing, error="the crawl ended before this was looked at (-L ERROR shows why)"))
    return int(any(finding.error is not None for finding in findings))


def _crawl(
    process: CrawlerProcessBase,
    pages: Sequence[Page],
    name: str | None,
    tell: Callable[[Finding], None],
) -> None:
    """Look at ``pages``, in one crawl for each spider; files in one of their own, which fetches nothing."""
    from scrapy.utils.spider import DefaultSpider, spidercls_for_request

    loader = process.spider_loader
    if name is not None and name not in loader.list():
        raise UsageError(f"no spider here is called {name!r}", print_help=False)
    shared: defaultdict[tuple[type[Spider], bool], list[Page]] = defaultdict(list)
    for page in pages:
        spider = loader.load(name) if name else spidercls_for_request(loader, page.request, DefaultSpider)
        shared[spider, page.content is None].append(page)
    for (spider, fetch), looked_at in shared.items():
        process.crawl(_onlooking(spider, looked_at, tell, fetch=fetch))
    if shared:
        process.start()


def _page(subject: str, opts: argparse.Namespace) -> Page | Finding:
    """The page that was asked for, or the finding that there is none."""
    from scrapy import Request

    from scrapy_omocaptcha.commands.explain import Finding

    try:
        if _is_address(subject):
            # The page as it is now, at the first answer.
            meta = {"omocaptcha": False, "dont_cache": True, "dont_retry": True}
            return Page(subject, Request(subject, meta=meta, dont_filter=True))
        return Page(subject, Request(opts.url), Path(subject).read_bytes(), opts.status)
    except OSError as error:
        return Finding(subject, error=f"{error.strerror} (an address begins with http:// or https://)")
    except ValueError as error:
        return Finding(subject, error=str(error))


def _is_address(subject: str) -> bool:
    return subject.lower().startswith(("http://", "https://"))


def _onlooking(
    theirs: type[Spider], pages: Sequence[Page], tell: Callable[[Finding], None], *, fetch: bool
) -> type[Spider]:
    """A spider like ``theirs`` that looks at ``pages`` and crawls nothing, with an onlooker in the middleware's place.

    :param fetch: the pages are fetched, so that robots.txt is asked as well.
    """
    from scrapy.utils.spider import DefaultSpider

    from scrapy_omocaptcha.addon import PLACE
    from scrapy_omocaptcha.commands.explain import Finding, Onlooker, is_on
    from scrapy_omocaptcha.middleware import OmoCaptchaMiddleware
    from scrapy_omocaptcha.settings import Settings

    name = None if theirs is DefaultSpider else theirs.name

    class Onlooking(theirs):  # type: ignore[misc, valid-type]
        on = False

        @classmethod
        def update_settings(cls, settings: BaseSettings) -> None:
            super().update_settings(settings)
            try:
                Settings.for_looking(settings)
                cls.on = is_on(settings)
            except ValueError as error:
                raise UsageError(str(error), print_help=False) from None
            for setting, value in _APART.items():
                settings.set(setting, value, "cmdline")
            if not fetch:
                settings.set("ROBOTSTXT_OBEY", False, "cmdline")
            settings.set_in_component_priority_dict("DOWNLOADER_MIDDLEWARES", OmoCaptchaMiddleware, None)
            settings.set_in_component_priority_dict("DOWNLOADER_MIDDLEWARES", Onlooker, PLACE)

        async def start(self) -> AsyncIterator[Any]:
            onlooker = self.crawler.get_downloader_middleware(Onlooker)
            for page in pages:
                try:
                    finding = await _look(page, self.crawler, onlooker)
                except Exception as error:
                    # Scrapy's downloader or a trigger of the user's; the next page is looked at all the same.
                    self.logger.debug("%s cannot be judged", page.subject, exc_info=True)
                    finding = Finding(page.subject, error=f"{type(error).__name__}: {error}")
                tell(replace(finding, subject=page.subject, spider=name, is_on=self.on))
            # At once: a spider may have ways of its own to find work when it has none.
            raise CloseSpider("finished")
            yield  # makes it a generator

    return Onlooking


async def _look(page: Page, crawler: Crawler, onlooker: Onlooker) -> Finding:
    from scrapy.http import HtmlResponse

    if page.content is not None:
        saved = HtmlResponse(page.request.url, status=page.status, body=page.content)
        return await onlooker.explain(page.request, saved)
    response = await crawler.engine.download_async(page.request)
    assert response.request is not None
    return await onlooker.explain(response.request, response)
