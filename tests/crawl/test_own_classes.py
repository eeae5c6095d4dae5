"""A project's own downloader and scheduler work as without the add-on, wherever they are set, and behind walls, too."""

import logging

import pytest
from scrapy.core.downloader import Downloader
from scrapy.core.scheduler import BaseScheduler, Scheduler

from scrapy_omocaptcha import solve
from scrapy_omocaptcha.challenge import Challenge
from tests.helpers.crawling import SETTINGS, RecordingSpider
from tests.helpers.nightly import nightly
from tests.helpers.scrapy_versions import zero_is_no_limit
from tests.helpers.sites import pages_of

PAGES = 8
ADDON = SETTINGS["ADDONS"]


class OwnDownloader(Downloader):
    """Counts what it fetches, and how often it is asked for room."""

    def __init__(self, crawler):
        super().__init__(crawler)
        self.fetched = self.asked = 0

    def fetch(self, request):
        self.fetched += 1
        return super().fetch(request)

    def needs_backout(self):
        self.asked += 1
        return super().needs_backout()


class OldDownloader(OwnDownloader):
    """Wants the spider, as Scrapy's own did."""

    def fetch(self, request, spider):
        assert spider.name == "recording"
        return super().fetch(request)


class OwnScheduler(Scheduler):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.enqueued = self.given = 0

    def enqueue_request(self, request):
        self.enqueued += 1
        return super().enqueue_request(request)

    def next_request(self):
        request = super().next_request()
        self.given += request is not None
        return request


class LateFilter(OwnScheduler):
    """Looks for duplicates only when a request is taken out."""

    def enqueue_request(self, request):
        self.enqueued += 1
        self._mqpush(request)
        return True

    def next_request(self):
        while (request := super().next_request()) is not None:
            if request.dont_filter or not self.df.request_seen(request):
                return request
        return None


class Bare(BaseScheduler):
    """Has what Scrapy asks of a scheduler, and no duplicate filter."""

    def __init__(self):
        self.requests = []
        self.enqueued = self.given = 0

    def has_pending_requests(self):
        return bool(self.requests)

    def enqueue_request(self, request):
        self.enqueued += 1
        self.requests.append(request)
        return True

    def next_request(self):
        self.given += bool(self.requests)
        return self.requests.pop() if self.requests else None


class Plain:
    """Derives from nothing, and has neither ``from_crawler`` nor ``open`` nor ``close``."""

    __init__, has_pending_requests = Bare.__init__, Bare.has_pending_requests
    enqueue_request, next_request = Bare.enqueue_request, Bare.next_request


class OtherAddon:
    """Sets both, as another add-on may."""

    def update_settings(self, settings):
        settings.set("DOWNLOADER", OwnDownloader, "addon")
        settings.set("SCHEDULER", f"{__name__}.OwnScheduler", "addon")


def recording(crawl, spider, settings):
    """Return a finished crawl, and the downloader and the scheduler that it had."""
    used = []

    class Noting(spider):
        async def start(self):
            used.extend((self.crawler.engine.downloader, self.crawler.engine._slot.scheduler))
            async for request in super().start():
                yield request

    return crawl(Noting, settings), *used


BOTH = {"DOWNLOADER": OwnDownloader, "SCHEDULER": OwnScheduler}
WAYS = {
    "by path": {name: f"{__name__}.{value.__name__}" for name, value in BOTH.items()},
    "as classes": BOTH,
    "an old downloader": {**BOTH, "DOWNLOADER": OldDownloader},
    "a scheduler that filters late": {**BOTH, "SCHEDULER": LateFilter},
    "a bare scheduler": {**BOTH, "SCHEDULER": Bare},
    "a plain scheduler": {**BOTH, "SCHEDULER": Plain},
    "another add-on before": {"ADDONS": {**ADDON, OtherAddon: 100}},
    "another add-on after": {"ADDONS": {**ADDON, OtherAddon: 900}},
    "custom_settings": {},
}


@pytest.mark.filterwarnings("ignore:.*fetch.. method of .*OldDownloader.* requires a spider argument")
@pytest.mark.parametrize("wall", ["redirect", nightly("session")])
@pytest.mark.parametrize("way", WAYS)
def test_a_wall_is_opened_for_one_job_and_all_goes_through_the_projects_own_classes(crawl, service, walled, way, wall):
    site = walled(wall, catalogue_pages=PAGES)
    spider = pages_of(site, PAGES)
    if way == "custom_settings":
        spider = type("Custom", (spider,), {"custom_settings": BOTH})
    crawled, downloader, scheduler = recording(crawl, spider, {**service.settings, **WAYS[way]})
    assert (len(crawled.pages), len(service.jobs), crawled.bugs, crawled.said(logging.ERROR)) == (PAGES, 1, [], [])
    assert isinstance(downloader, OwnDownloader)
    assert isinstance(scheduler, (OwnScheduler, Bare, Plain))
    assert downloader.asked > 0
    # What the add-on sends passes neither.
    counts = {downloader.fetched, scheduler.enqueued, scheduler.given}
    assert (counts == {PAGES}) if wall == "session" else (len(counts) == 1)


class Replacing:
    """Replaces each request, so that the one which this package has let go does not come back."""

    def process_request(self, request):
        return None if "replaced" in request.meta else request.replace(meta={"replaced": True}, dont_filter=True)


@pytest.mark.parametrize("most", [16, pytest.param(0, marks=zero_is_no_limit)])
def test_a_crawl_without_a_limit_does_not_wait_for_what_a_middleware_has_replaced(crawl, service, walled, most):
    settings = {"DOWNLOADER_MIDDLEWARES": {Replacing: 700}, "CONCURRENT_REQUESTS": most, "CLOSESPIDER_TIMEOUT": 300}
    site = walled("session", catalogue_pages=PAGES)
    crawled = crawl(pages_of(site, PAGES), {**service.settings, **settings, "CONCURRENT_REQUESTS_PER_DOMAIN": 2})
    assert (len(crawled.pages), crawled.stats["finish_reason"]) == (PAGES, "finished")


@pytest.mark.parametrize("settings", [{"OMOCAPTCHA_ENABLED": False}, {"ADDONS": {}}])
def test_a_crawl_without_the_add_on_has_the_very_classes_of_the_project(crawl, service, walled, settings):
    spider = pages_of(walled(), 1)
    _, downloader, scheduler = recording(crawl, spider, {**service.settings, **BOTH, **settings})
    assert (type(downloader), type(scheduler)) == (OwnDownloader, OwnScheduler)


def test_the_log_names_the_derived_classes_after_those_of_the_project(crawl, service):
    crawled = crawl(RecordingSpider, {**service.settings, "DOWNLOADER": OwnDownloader})
    (overridden,) = [line for line in crawled.said(logging.INFO) if line.startswith("Overridden settings:")]
    assert f"'DOWNLOADER': <class 'OMOcaptcha over {__name__}.OwnDownloader'>" in overridden
    assert "'SCHEDULER': <class 'OMOcaptcha over scrapy.core.scheduler.Scheduler'>" in overridden


def refused(crawler):
    """Make a downloader, as a function may that is in the place of a class."""
    return Downloader(crawler)


class Final(Downloader):
    def __init_subclass__(cls):
        raise TypeError("nothing may be derived from this class")


NOT_DERIVED = (
    f"no class can be derived from DOWNLOADER = {refused} (issubclass() arg 1 must be a class): "
    "set it to one derived from Scrapy's"
)


def test_a_crawl_whose_downloader_cannot_be_derived_from_goes_on_as_without_the_add_on(crawl, service, walled):
    seen = []

    class Solving(pages_of(walled("session", status=200), 2)):
        async def page(self, response, asked=None):
            self.pages.append(response)
            try:
                await solve(Challenge(url=response.url, sitekey="6L" + "a" * 38), crawler=self.crawler)
            except RuntimeError as error:
                seen.append(str(error))

    crawled = crawl(Solving, {**service.settings, "DOWNLOADER": refused, "OMOCAPTCHA_MIN_BALANCE": 1})
    off = f"OMOcaptcha is off in this crawl, and solves no challenge: {NOT_DERIVED}"
    assert crawled.said(logging.ERROR) == [off]
    assert crawled.said()[-1] == f"OMOcaptcha was off in this crawl: {NOT_DERIVED}"
    assert (len(crawled.pages), crawled.bugs, service.calls) == (2, [], ())
    assert all(b"g-recaptcha" in page.body for page in crawled.pages)
    assert seen == ["OMOcaptcha is not active in this crawl: see its line at the start of the log"] * 2
    assert not [line for line in crawled.said(logging.INFO) if line.startswith("OMOcaptcha: ")]


def test_a_crawl_whose_queue_is_kept_ends_where_its_downloader_cannot_be_derived_from(crawl, service, walled, tmp_path):
    site = walled("session", catalogue_pages=PAGES)
    settings = {**service.settings, "JOBDIR": str(tmp_path)}
    crawled = crawl(pages_of(site, PAGES), {**settings, "DOWNLOADER": Final})
    (said,) = crawled.said(logging.ERROR)
    assert said.startswith("OMOcaptcha ends this crawl, since its queue would lose the challenged pages: no class can ")
    assert "Final'> (nothing may be derived from this class): " in said
    assert (crawled.stats["finish_reason"], site.requests) == ("omocaptcha_scrapy", ())
    assert len(crawl(pages_of(site, PAGES), settings).pages) == PAGES


class Wholesale:
    """Sets all extensions of a project at once."""

    def update_settings(self, settings):
        settings.set("EXTENSIONS", {"scrapy.extensions.closespider.CloseSpider": 1}, "addon")


def test_a_crawl_whose_extensions_are_replaced_goes_on_as_without_the_add_on(crawl, service, walled, tmp_path):
    site = walled("session", status=200, catalogue_pages=PAGES)
    settings = {**service.settings, "ADDONS": {**ADDON, Wholesale: 900}}
    crawled, kept = (crawl(pages_of(site, 2), {**settings, "JOBDIR": job}) for job in (None, str(tmp_path)))
    (said,), (said_of_kept,) = crawled.said(logging.ERROR), kept.said(logging.ERROR)
    lacks = "EXTENSIONS lacks what scrapy_omocaptcha.Addon puts there: let what sets EXTENSIONS later on add to it"
    assert lacks in said
    assert lacks in said_of_kept
    assert len(crawled.pages) == 2
    assert len(kept.pages) == 0
    assert kept.stats["finish_reason"] == "omocaptcha_scrapy"
    assert len(crawl(pages_of(site, PAGES), {**settings, "ADDONS": {**ADDON, Wholesale: 100}}).pages) == PAGES
    assert len(service.jobs) == 1
