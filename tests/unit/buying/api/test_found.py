"""The API whose version is found by its calls, with versions that answer when told to."""

from __future__ import annotations

import asyncio

import pytest

from scrapy_omocaptcha.buying.api.found import FoundApi
from scrapy_omocaptcha.buying.records import JobRequest
from scrapy_omocaptcha.errors import AccountError, ApiRefused, ApiUnreachable

JOB = JobRequest("https://shop.example/", "6L", False)


class Answers:
    """A version whose create calls are answered in their order by what ``answers`` holds: job ids or errors."""

    has_price = True

    def __init__(self, *answers):
        self.answers = list(answers)
        self.calls = 0

    async def create_job(self, job):
        self.calls += 1
        answer = self.answers[self.calls - 1]
        await asyncio.sleep(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def no_such_call():
    error = ApiRefused("HTTP status 404")
    error.is_foreign = True
    return error


def test_a_create_call_that_is_refused_is_not_made_again_because_another_one_has_found_the_version():
    """Seed 371033780660: it was, after the stop of the crawl."""
    first, second = Answers(1, AccountError("the balance is not enough")), Answers()
    api = FoundApi({1: first, 2: second}, lambda number: None, lambda: False)

    async def both():
        return await asyncio.gather(api.create_job(JOB), api.create_job(JOB), return_exceptions=True)

    job_id, error = asyncio.run(both())
    assert (job_id, str(error)) == (1, "the balance is not enough")
    assert (first.calls, second.calls) == (2, 0)


def test_no_create_call_is_made_in_another_version_once_the_crawl_closes():
    first, second = Answers(no_such_call()), Answers(1)
    api = FoundApi({1: first, 2: second}, lambda number: None, lambda: True)
    with pytest.raises(ApiUnreachable) as raised:
        asyncio.run(api.create_job(JOB))
    assert (raised.value.taken, first.calls, second.calls) == (False, 1, 0)


def test_no_create_call_is_made_once_the_crawl_has_closed_while_the_version_was_looked_for():
    """Seed 457919647406."""
    only, closing = Answers(ApiUnreachable("too many"), 1), []

    async def balance():
        closing.append(True)

    only.balance = balance
    api = FoundApi({1: only}, lambda number: None, lambda: bool(closing))
    for _ in range(2):
        with pytest.raises(ApiUnreachable) as raised:
            asyncio.run(api.create_job(JOB))
    assert (raised.value.taken, only.calls) == (False, 1)
