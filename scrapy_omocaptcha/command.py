"""``scrapy omocaptcha …``: the entry point of Scrapy's ``scrapy.commands``.

Scrapy imports this module at every call of ``scrapy``; whatever is heavy is imported by the verb that needs it. No verb
buys anything.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from scrapy.commands import ScrapyCommand, ScrapyHelpFormatter
from scrapy.exceptions import CloseSpider, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Callable, Sequence

    from scrapy import Request, Spider
    from scrapy.crawler import Crawler
    from scrapy.settings import BaseSettings

    from scrapy_omocaptcha.explain import Finding, Onlooker

# Nothing of the project's own crawls is touched: not their queues, not what they remember, not their feeds.
_APART: dict[str, Any] = {
    "JOBDIR": None,
    "FEEDS": {},
    "SCHEDULER": "scrapy.core.scheduler.Scheduler",
    "DUPEFILTER_CLASS": "scrapy.dupefilters.BaseDupeFilter",
}


class Page(NamedTuple):
    """One thing to look at: an address to fetch, or a file's content with the address it is judged as."""

    subject: str
    request: Request
    content: bytes | None = None
    status: int = 200


class OmoCaptchaCommand(ScrapyCommand):
    """The verbs, each with options of its own besides Scrapy's global ones."""

    # A person reads what is found, not a crawl's log; the project's own LOG_LEVEL and -L say otherwise.
    default_settings: ClassVar[dict[str, Any]] = {"LOG_LEVEL": "CRITICAL"}

    def syntax(self) -> str:
        return "<verb> [options]"

    def short_desc(self) -> str:
        return "Say what reCAPTCHA v2 walls there are; try spiders on walls offline"

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        from scrapy_omocaptcha.testing import simulate

        verbs = parser.add_subparsers(dest="verb", title="Verbs", metavar="<verb>", prog="scrapy omocaptcha")

        def verb(name: str, usage: str, about: str) -> argparse.ArgumentParser:
            usage = f"scrapy omocaptcha {name} {usage}"
            added: argparse.ArgumentParser = verbs.add_parser(
                name, usage=usage, help=about, description=about, formatter_class=ScrapyHelpFormatter
            )
            return added

        detect = verb("detect", "[options] URL|FILE…", "Say what a page is and what a crawl would do; buys nothing.")
        _add_detect_options(detect)
        super().add_options(detect)
        simulated = verb("simulate", "[options]", "Run an offline OMOcaptcha and walled sites until Ctrl-C.")
        simulate.add_arguments(simulated)
        super().add_options(simulated)

    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        if opts.verb is None:
            raise UsageError
        if args:
            raise UsageError(f"unrecognized arguments: {' '.join(args)}", print_help=False)
        if opts.verb == "detect" and not _is_address(opts.url):
            raise UsageError("--url must be an address that begins with http:// or https://", print_help=False)
        super().process_options(args, opts)
        self.requires_crawler_process = opts.verb == "detect"

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        if opts.verb == "simulate":
            from scrapy_omocaptcha.testing import simulate

            simulate.run(opts, lambda line: print(line, flush=True))
        else:
            self._detect(opts)

    # -- detect --------------------------------------------------------------------------------------------------

    def _detect(self, opts: argparse.Namespace) -> None:
        """Exit status: 0 when all were judged, 1 when something could not be fetched or read."""
        from scrapy_omocaptcha.explain import Finding, as_json, as_text

        findings: list[Finding] = []
        say = as_json if opts.json else as_text
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # pages hold any letters, a terminal may not know them all

        def tell(finding: Finding) -> None:
            print(say(finding), flush=True)
            findings.append(finding)

        given = [_page(subject, opts) for subject in opts.subjects]
        for unread in given:
            if isinstance(unread, Finding):
                tell(unread)
        self._crawl([page for page in given if isinstance(page, Page)], opts.spider, tell)
        for missing in Counter(opts.subjects) - Counter(finding.subject for finding in findings):
            # By Ctrl-C, or by a spider that cannot be made without arguments.
            tell(Finding(missing, error="the crawl ended before this was looked at (-L ERROR shows why)"))
        self.exitcode = int(any(finding.error is not None for finding in findings))

    def _crawl(self, pages: Sequence[Page], name: str | None, tell: Callable[[Finding], None]) -> None:
        """Look at ``pages``, in one crawl for each spider; files in one of their own, which fetches nothing."""
        from scrapy.utils.spider import DefaultSpider, spidercls_for_request

        assert self.crawler_process is not None
        loader = self.crawler_process.spider_loader
        if name is not None and name not in loader.list():
            raise UsageError(f"no spider here is called {name!r}", print_help=False)
        shared: defaultdict[tuple[type[Spider], bool], list[Page]] = defaultdict(list)
        for page in pages:
            spider = loader.load(name) if name else spidercls_for_request(loader, page.request, DefaultSpider)
            shared[spider, page.content is None].append(page)
        for (spider, fetch), looked_at in shared.items():
            self.crawler_process.crawl(_onlooking(spider, looked_at, tell, fetch=fetch))
        if shared:
            self.crawler_process.start()


def _add_detect_options(parser: argparse.ArgumentParser) -> None:
    from scrapy_omocaptcha.explain import UNKNOWN_URL

    parser.add_argument("subjects", nargs="+", metavar="URL|FILE", help="pages to fetch (http, https), or saved ones")
    parser.add_argument("--url", default=UNKNOWN_URL, help="address that files are judged as (default: made up)")
    parser.add_argument("--status", type=int, default=200, help="HTTP status of files (default: %(default)s)")
    parser.add_argument("--spider", help="judge as this spider would (default: the one whose domain it is, if any)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def _page(subject: str, opts: argparse.Namespace) -> Page | Finding:
    """The page that was asked for, or the finding that there is none."""
    from scrapy import Request

    from scrapy_omocaptcha.explain import Finding

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
    from scrapy_omocaptcha.explain import Finding, Onlooker, is_on, read_settings
    from scrapy_omocaptcha.middleware import OmoCaptchaMiddleware

    name = None if theirs is DefaultSpider else theirs.name

    class Onlooking(theirs):  # type: ignore[misc, valid-type]
        on = False

        @classmethod
        def update_settings(cls, settings: BaseSettings) -> None:
            super().update_settings(settings)
            try:
                read_settings(settings)
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
