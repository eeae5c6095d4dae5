"""What is sent inside the chain passes the middlewares between ours and the site, and nothing else of Scrapy."""

import logging

import pytest
import scrapy
from scrapy import signals
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.utils.defer import maybe_deferred_to_future

from scrapy_omocaptcha.errors import MiddlewareFailed
from scrapy_omocaptcha.forms.submission import TOKEN_META, Submission
from scrapy_omocaptcha.scrapy_versions import DownloadConnectionRefusedError, ResponseDataLossError
from tests.helpers.probing import (
    RECORDERS,
    Inner,
    chain,
    download,
    downloader,
    in_a_crawl,
    slots,
    until,
)

# -- the way ---------------------------------------------------------------------------------------------------------


@in_a_crawl(**RECORDERS)
async def test_what_is_sent_passes_the_inner_middlewares_and_no_other_part_of_scrapy(spider, walled, calls):
    site = walled()
    told = []
    for signal in (signals.request_scheduled, signals.response_received, signals.request_dropped):
        spider.crawler.signals.connect(lambda signal=signal: told.append(signal), signal, weak=False)
    request = scrapy.Request(f"{site.url}/free/1")
    response = await chain(spider).send(request)
    stats = spider.crawler.stats.get_stats()
    counts = [name for name in stats if name.startswith("scheduler/") or name == "response_received_count"]
    assert (response.status, counts, downloader(spider).active) == (200, [], set())
    assert [(name, method) for name, method, _ in calls] == [("Inner", "request"), ("Inner", "response")]
    assert told == []


@in_a_crawl(**RECORDERS)
async def test_the_spiders_request_is_sent_again_as_the_same_object(spider, walled, calls):
    site = walled()
    request = scrapy.Request(f"{site.url}/free/1", callback=spider.page, meta={"mine": 1})
    await chain(spider).send_again(request, page=request)
    assert {id(seen) for *_, seen in calls} == {id(request)}
    assert not chain(spider).is_sending(request)


def test_httpcache_does_not_answer_what_is_sent_and_stores_the_answer(during, walled, tmp_path):
    site = walled()

    async def probe(spider):
        requests = [scrapy.Request(f"{site.url}/free/1") for _ in range(3)]
        requests[1].headers["If-None-Match"] = '"of what is stored"'
        answers = [await chain(spider).send(requests[0]), await chain(spider).send_again(requests[1], page=requests[1])]
        assert "If-None-Match" not in requests[1].headers
        answers.append(await spider.crawler.engine.download_async(requests[2]))
        return ["cached" in answer.flags for answer in answers]

    assert during(probe, {"HTTPCACHE_ENABLED": True, "HTTPCACHE_DIR": str(tmp_path)}) == [False, False, True]
    assert len(site.requests) == 2


# -- the queue of a slot ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("again", [False, True])
@in_a_crawl(DOWNLOAD_DELAY=0.3)
async def test_what_is_sent_goes_before_all_that_wait_for_the_delay_of_its_site(spider, walled, again):
    site = walled()
    slot = slots(spider).order.slot(scrapy.Request(site.url))
    pages = [download(spider, f"{site.url}/free/{number}") for number in range(1, 5)]
    await until(lambda: len(slot.queue) == 3)
    request = scrapy.Request(f"{site.url}/free/99")
    answer = await (chain(spider).send_again(request, page=request) if again else chain(spider).send(request))
    left = len(slot.queue)
    for page in pages:
        await maybe_deferred_to_future(page)
    assert (answer.url, left) == (f"{site.url}/free/99", 3)
    visits = site.requests
    # Next, and no sooner than the delay lets it: it varies by half.
    assert [visit.path for visit in visits] == ["/free/1", "/free/99", "/free/2", "/free/3", "/free/4"]
    assert visits[1].at - visits[0].at > 0.1


# -- errors ----------------------------------------------------------------------------------------------------------


@in_a_crawl()
async def test_an_answer_to_a_submission_that_is_cut_short_is_an_error(spider, walled):
    site = walled()
    site.fault("/free/1", "truncated")
    with pytest.raises(ResponseDataLossError):
        await chain(spider).send(Submission(f"{site.url}/free/1", meta=TOKEN_META, secret="token"))


def warnings_in(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@in_a_crawl(**RECORDERS)
async def test_an_error_of_a_middleware_of_the_project_names_it_in_the_log_and_not_the_token(
    spider, walled, calls, caplog
):
    site = walled()
    submission = Submission(site.url, meta={"Inner raises": ZeroDivisionError("secret-token")}, secret="secret-token")
    with pytest.raises(MiddlewareFailed, match=r"Recorder\.process_request raised ZeroDivisionError") as raised:
        await chain(spider).send(submission)
    assert raised.value.__cause__ is raised.value.__context__ is None, "its frames may hold a token"
    (line,) = warnings_in(caplog)
    assert line.endswith(f"failed in the project: {Inner.__module__}.Recorder.process_request raised ZeroDivisionError")
    assert "secret-token" not in caplog.text
    assert site.requests == ()


CLOSED = "http://127.0.0.1:1/"


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"url": CLOSED}, (OSError, DownloadConnectionRefusedError)),
        (
            {"url": CLOSED, "meta": {"Inner handles": Submission(CLOSED, secret="token")}},
            DownloadConnectionRefusedError,
        ),
        ({"meta": {"Inner raises": IgnoreRequest("this one")}}, IgnoreRequest),
    ],
    ids=["the downloader's", "the downloader's for what a middleware has put in its place", "IgnoreRequest"],
)
@in_a_crawl(**RECORDERS)
async def test_no_other_error_is_blamed_on_a_middleware(spider, calls, caplog, values, error):
    with pytest.raises(error) as raised:
        await chain(spider).send(scrapy.Request(**{"url": "http://127.0.0.1/", **values}))
    assert not isinstance(raised.value, MiddlewareFailed)
    assert warnings_in(caplog) == []


@pytest.mark.parametrize("handled", [Response("http://127.0.0.1/"), scrapy.Request("http://127.0.0.1/other")])
@in_a_crawl(**RECORDERS)
async def test_an_error_is_handled_by_the_outer_middlewares_and_by_no_inner_one(spider, calls, handled):
    request = scrapy.Request("http://127.0.0.1/", meta={"Inner handles": "never asked", "Outer handles": handled})
    assert (await chain(spider).handle_exception(request, ValueError("of the downloader"))) is handled
    assert [(name, method) for name, method, _ in calls] == [("Outer", "exception")]
