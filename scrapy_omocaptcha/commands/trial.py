"""Buy one job for a page, hand its token in, and say what the site made of it: the first test of an account."""

import asyncio
import time
from collections.abc import AsyncIterator
from http import HTTPStatus

from aiohttp import ClientError, ClientSession, ClientTimeout
from scrapy import Request, Spider
from scrapy.crawler import Crawler
from scrapy.http import HtmlResponse
from scrapy.statscollectors import DummyStatsCollector

from scrapy_omocaptcha.buying.api.factory import build_api
from scrapy_omocaptcha.buying.api.protocol import Api
from scrapy_omocaptcha.buying.ledger import Entry, Ledger
from scrapy_omocaptcha.buying.limits import Limits
from scrapy_omocaptcha.buying.purchase import ACCEPTED, Purchase, Verdict
from scrapy_omocaptcha.buying.records import Balance, JobRequest
from scrapy_omocaptcha.challenge import Challenge, Token
from scrapy_omocaptcha.commands.looking import Line, Status, build_transport
from scrapy_omocaptcha.detection import find_challenge
from scrapy_omocaptcha.engine.stats import Stats
from scrapy_omocaptcha.errors import ApiBadAnswer, ApiError, ApiUnreachable, JobFailed, NotBought
from scrapy_omocaptcha.forms.submission import submit_token
from scrapy_omocaptcha.reporting.format import count
from scrapy_omocaptcha.settings import Settings
from scrapy_omocaptcha.urls import host_of, public_address
from scrapy_omocaptcha.walls.judging import is_blank
from scrapy_omocaptcha.walls.reasons import Case, find_refusal
from scrapy_omocaptcha.walls.verdict import still_closed, unknown

DEMO_PAGE = "https://www.google.com/recaptcha/api2/demo"
"""Google's public page for trying reCAPTCHA v2."""
_TIMEOUT = ClientTimeout(total=30)


class _Stopped(Exception):
    """A step went wrong, so that none follows."""


async def try_one_job(settings: Settings, url: str, balance: Balance) -> AsyncIterator[Line]:
    """Buy a token for the page at ``url``, hand it in by the page's form, and yield each step.

    :param settings: with the price of a job. All limits hold but those of a fleet, which has to be asked.
    :param balance: that of the account.
    """
    if settings.redis_url is not None:
        yield Line("buy", "nothing was bought: leave OMOCAPTCHA_REDIS_URL out for this", Status.WRONG)
        return
    # The stats of a crawl are of no interest here.
    ledger = Ledger(spider="check", stats=Stats(DummyStatsCollector(Crawler(Spider))), path=settings.ledger)
    limits = Limits(settings, ledger, time.monotonic, lambda *_: None)
    limits.set_balance(balance, 0.0)
    api = build_api(settings, build_transport)
    name = "page"
    try:
        async with ClientSession(timeout=_TIMEOUT) as web:
            began = time.monotonic()
            response, challenge = await _find(web, url)
            yield Line(name, f"{public_address(url)} has the site key {challenge.sitekey}, {_since(began)}")
            name = "job"
            entry, job, created = await _buy(api, limits, challenge)
            yield Line(name, f"{job} for {entry.record.cost_usd:.5f} USD, {_since(created)}")
            name = "token"
            token = await _wait(api, entry, job, challenge, settings)
            yield Line(name, f"came after {entry.record.seconds:.1f} s, {count(entry.record.questions, 'question')}")
            name, began = "site", time.monotonic()
            verdict = await _hand_in(web, response, challenge, token)
            Purchase(token, entry, limits).record(verdict)
            said = verdict.outcome + (f" ({verdict.message})" if verdict.message else "")
            yield Line(name, f"{said}, {_since(began)}", Status.OK if verdict is ACCEPTED else Status.WRONG)
    except _Stopped as why:
        yield Line(name, str(why), Status.WRONG)
    finally:
        await limits.close()
        await api.close()


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.1f} s"


async def _find(web: ClientSession, url: str) -> tuple[HtmlResponse, Challenge]:
    try:
        address = public_address(url)
    except ValueError:
        raise _Stopped("--page is no address") from None
    try:
        async with web.get(url) as answer:
            response = HtmlResponse(str(answer.url), answer.status, body=await answer.read())
    except (ClientError, TimeoutError, asyncio.TimeoutError, ValueError) as error:
        raise _Stopped(f"{address} cannot be had ({type(error).__name__})") from None
    challenge = find_challenge(response)
    if challenge is None:
        raise _Stopped(f"{address} ({response.status}) has no reCAPTCHA v2 widget")
    refusal = find_refusal("form", Case(challenge, request=Request(url), response=response))
    if refusal is not None:
        raise _Stopped(f"nothing was bought ({refusal.reason}): {refusal.message}")
    return response, challenge


async def _buy(api: Api, limits: Limits, challenge: Challenge) -> tuple[Entry, str | int, float]:
    """Buy a job, and return its entry in the ledger, its id and when the call was sent."""
    job = JobRequest(public_address(challenge.url), challenge.sitekey or "", challenge.invisible)
    try:
        reservation = await limits.reserve(job, host_of(challenge.url))
    except NotBought as error:
        raise _Stopped(f"nothing was bought ({error.reason}): {error}") from None
    began = time.monotonic()
    try:
        job_id = await api.create_job(job)
    except ApiError as error:
        if isinstance(error, ApiBadAnswer) or (isinstance(error, ApiUnreachable) and error.taken):
            reservation.entry.bought(None)
            reservation.entry.failed("lost")
            raise _Stopped(f"the answer was lost, and the job counts as bought: {error.with_cure}") from None
        reservation.cancel()
        raise _Stopped(f"nothing was bought: {error.with_cure}") from None
    reservation.entry.bought(str(job_id))
    return reservation.entry, job_id, began


async def _wait(api: Api, entry: Entry, job: str | int, challenge: Challenge, settings: Settings) -> Token:
    created, polls, last = time.monotonic(), 0, "it is being solved"
    while time.monotonic() - created < settings.job_timeout:
        await asyncio.sleep(settings.poll_interval)
        polls += 1
        try:
            value = await api.job_result(job)
        except JobFailed as error:
            entry.failed(error.reason, time.monotonic() - created, polls)
            raise _Stopped(f"the service could not solve the job, which is paid: {error}") from None
        except ApiError as error:
            last = str(error)
            continue
        if value is not None:
            entry.solved(time.monotonic() - created, polls)
            usable_until = created + settings.token_max_age
            return Token(value, sitekey=challenge.sitekey or "", usable_until=usable_until, job=str(job))
    entry.failed("timeout", time.monotonic() - created, polls)
    raise _Stopped(f"none within {settings.job_timeout:g} s (OMOCAPTCHA_JOB_TIMEOUT), and the job is paid; {last}")


async def _hand_in(web: ClientSession, response: HtmlResponse, challenge: Challenge, token: Token) -> Verdict:
    submission = submit_token(response, challenge, token)
    headers = {str(name): str(value) for name, value in submission.headers.to_unicode_dict().items()}
    try:
        async with web.request(
            submission.method, submission.url, data=submission.body, headers=headers, allow_redirects=False
        ) as answer:
            shown = HtmlResponse(response.url, answer.status, body=await answer.read())
    except (ClientError, TimeoutError, asyncio.TimeoutError) as error:
        return unknown("broke", f"the answer was lost: {type(error).__name__}")
    if shown.status >= HTTPStatus.MULTIPLE_CHOICES:
        is_error = shown.status >= HTTPStatus.BAD_REQUEST
        return unknown("http_error" if is_error else "redirect", f"the answer has the status {shown.status}")
    later = find_challenge(shown)
    if later is not None:
        return still_closed(challenge, later, is_first=True)
    return unknown("no_page", "the answer is empty") if is_blank(shown) else ACCEPTED
