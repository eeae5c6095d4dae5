"""A transcript of calls, replayed, gives the same results of the same calls, and the same crawl."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web
from scrapy.settings import Settings as ScrapySettings

from scrapy_omocaptcha.buying.api.factory import build_api
from scrapy_omocaptcha.buying.records import JobRequest
from scrapy_omocaptcha.commands.transcript import Transcript
from scrapy_omocaptcha.errors import ApiError
from scrapy_omocaptcha.settings import Settings
from scrapy_omocaptcha.testing import OmoCaptchaService, ReplayService, WalledSite
from scrapy_omocaptcha.testing.faults import KINDS
from tests.helpers.leaks import Search
from tests.helpers.sites import KEY, Site, pages_of

pytestmark = pytest.mark.sockets
API_TOKEN = "omo-Secret-4711-0815"
JOB = JobRequest(page="http://127.0.0.2/secret/entrance", sitekey=KEY, invisible=False)


async def asked(settings, transcript):
    """Return the results of all calls, or the texts of their errors."""
    api = build_api(Settings.from_settings(ScrapySettings(settings)), transcript.build_transport)

    async def result(call):
        try:
            return await call
        except ApiError as error:
            return f"{type(error).__name__}: {error}"

    try:
        before = [await result(api.price()), await result(api.balance())]
        job_id = await result(api.create_job(JOB))
        return [*before, job_id, *[await result(api.job_result(job_id)) for _ in range(3)]]
    finally:
        await api.close()


def recorded(settings, path):
    """Return the results of all calls, of which a transcript is written."""
    transcript = Transcript()
    results = asyncio.run(asked(settings, transcript))
    transcript.write(path)
    return results


class Solving:
    """Clock of a service whose job is running when its result is asked for first, and done when it is again."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def tick(self, line):
        if "Result" in line:
            self.now += 15


def service_of(version):
    clock = Solving()
    return OmoCaptchaService(
        api_version=version,
        api_token=API_TOKEN,
        balance=9.99999,
        solve_seconds=15,
        clock=clock,
        on_event=clock.tick,
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "transcript.json"


def replayed(path, tmp_path, **settings):
    with ReplayService(path) as replay:
        return recorded({**replay.settings, **settings}, tmp_path / "again.json"), replay


@pytest.mark.parametrize("version", [1, 2])
def test_a_transcript_gives_the_same_results_without_a_secret(path, tmp_path, version):
    with service_of(version) as service:
        results = recorded(service.settings, path)
        tokens = {results.pop(), results.pop()}
    assert [type(result).__name__ for result in results][2:] == ["str" if version == 2 else "int", "NoneType"]
    text = path.read_text()
    assert Search({API_TOKEN, JOB.sitekey, JOB.page, *tokens}).in_texts([text]) == []
    assert f":{service.port}" not in text
    again, replay = replayed(path, tmp_path)
    assert all(replay.siteverify(token, JOB.sitekey)["success"] for token in again[4:])
    # 9.99999 less the price of the job comes after the balance.
    assert again[:4] == results
    first, second = (json.loads(each.read_text())["calls"] for each in (path, tmp_path / "again.json"))
    for call in (*first, *second):
        del call["seconds"], call["headers"]
    assert first == second


def test_what_is_not_there_is_not_there_in_the_replay(path, tmp_path):
    with Site(lambda request, form: web.Response(text="<h1>Nothing</h1>", status=404), "127.0.0.1") as nothing:
        results = recorded({"OMOCAPTCHA_API_URL": nothing.origin, "OMOCAPTCHA_API_TOKEN": API_TOKEN}, path)
    assert "no version of its API answers (version 1: HTTP status 404" in results[1]
    assert replayed(path, tmp_path)[0] == results


def test_a_version_that_was_found_is_that_of_the_replay(path, tmp_path):
    with service_of(2) as service:
        settings = {name: value for name, value in service.settings.items() if name != "OMOCAPTCHA_API_VERSION"}
        results = recorded(settings, path)
    again, replay = replayed(path, tmp_path)
    assert replay.settings["OMOCAPTCHA_API_VERSION"] == 2
    assert again[1:4] == results[1:4]
    # The first call of the transcript, in version 1, is answered as it was.
    assert replayed(path, tmp_path, OMOCAPTCHA_API_VERSION="auto")[0][:4] == results[:4]


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"hang", "slow"}))
def test_an_answer_that_was_broken_is_broken_again(path, tmp_path, kind):
    with service_of(1) as service:
        service.fault("*", kind, times=9, seconds=7, location="https://service.example/elsewhere")
        results = recorded(service.settings, path)
    assert API_TOKEN not in path.read_text()
    again = replayed(path, tmp_path)[0]
    assert [str(result).partition(":")[0] for result in again] == [str(result).partition(":")[0] for result in results]
    assert sum("Api" in str(result) or "Account" in str(result) for result in again) >= 5


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("wall", ["session", "per_page"])
def test_a_crawl_with_a_replaying_service_gets_its_pages(crawl, path, version, wall):
    with service_of(version) as service:
        recorded(service.settings, path)
    with ReplayService(path) as replay, WalledSite(replay, wall, hosts=("127.0.0.2",)) as site:
        crawled = crawl(pages_of(site, 3), replay.settings)
    assert [page.status for page in crawled.pages] == [200, 200, 200]
    assert site.accepted == (3 if wall == "per_page" else 1)
    assert (crawled.failures, crawled.bugs) == ([], [])
    assert all(call.authorised for call in replay.calls)


def test_a_crawl_with_a_service_that_refuses_is_refused_in_the_replay(crawl, path):
    with service_of(1) as service:
        service.next_job("refused", message="Your balance is not enough", times=9)
        recorded(service.settings, path)
    with ReplayService(path) as replay, WalledSite(replay, "session") as site:
        crawled = crawl(pages_of(site, 1), replay.settings)
    assert [error.reason for error in crawled.failures] == ["account"]
