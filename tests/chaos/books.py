"""Check the outcome of a crawl: requests, jobs, tokens, money, and that nothing is left waiting.

Each check yields a sentence for each thing that is wrong.
"""

from __future__ import annotations

import gc
import json
import logging
import traceback
from collections import Counter
from enum import Enum
from typing import TYPE_CHECKING, Any

from scrapy.utils.trackref import live_refs

from scrapy_omocaptcha import OmoCaptchaMiddleware
from scrapy_omocaptcha.buying.database import read_ledger
from tests.helpers.hard_walls import TwoWalls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scrapy_omocaptcha.buying.records import Record
    from scrapy_omocaptcha.testing import OmoCaptchaService
    from scrapy_omocaptcha.testing.calls import Call
    from tests.chaos.plan import Plan, World

_PRICE = 0.00055
_MAX_REPEATS = 3
"""How often a token may be used again: twice by Twisted's pool, and once by the add-on."""


def requests(sent: Counter[int], came: Counter[int]) -> Iterator[str]:
    """Check that each request came back exactly once."""
    for number in sent:
        if came[number] < sent[number]:
            yield f"lost: request {number}, {sent[number]} in, {came[number]} out"
    for number in came:
        if came[number] > sent[number]:
            yield f"twice: request {number}, {sent[number]} in, {came[number]} out"


def jobs(service: OmoCaptchaService, stats: dict[str, Any], *, all_ended: bool = True) -> Iterator[str]:
    """Check that the jobs counted are those of the service and those of calls whose outcome cannot be known.

    :param all_ended: whether no job was interrupted by the end of a crawl.
    """
    created = stats.get("omocaptcha/jobs/created", 0)
    made = len(service.jobs)
    unknown = sum(_may_be_a_job(call) for call in service.calls)
    # A call may break off before the service has read it.
    unseen = stats.get("omocaptcha/api/calls", 0) - len(service.calls)
    if not made <= created <= made + unknown + unseen:
        yield f"{created} jobs counted; {made} at the service, {unknown} calls of unknown fate, {unseen} never seen"
    spent = stats.get("omocaptcha/cost_usd", 0.0)
    if abs(spent - created * _PRICE) > 1e-6:
        yield f"{created} jobs counted and {spent} USD"
    ended = stats.get("omocaptcha/jobs/solved", 0) + sum(
        value for name, value in stats.items() if name.startswith("omocaptcha/jobs/failed/")
    )
    if ended > created or (all_ended and ended < created):
        yield f"{created} jobs counted, {ended} came to an end"


def _may_be_a_job(call: Call) -> bool:
    """Tell whether a create call made no job without the client being able to know."""
    if call.name != "createJob" or call.fault in (None, "too_many"):
        return False
    return "job_id" not in call.answer


def ledger(path: Path, service: OmoCaptchaService, stats: dict[str, Any]) -> Iterator[str]:
    """Check that the ledger has each job, with the same outcomes as the stats."""
    records = read_ledger(path)
    created = stats.get("omocaptcha/jobs/created", 0)
    if len(records) != created:
        yield f"{created} jobs counted, {len(records)} in the ledger"
    yield from _missing(records, service)
    ends = Counter(record.outcome for record in records)
    for outcome in ("accepted", "rejected", "expired"):
        counted = stats.get(f"omocaptcha/tokens/{outcome}", 0)
        if ends[outcome] != counted:
            yield f"{counted} tokens counted as {outcome}, {ends[outcome]} in the ledger"


def _missing(records: list[Record], service: OmoCaptchaService) -> Iterator[str]:
    """Check that the ledger has each job whose id the client knew, since it polled it."""
    known = {record.job for record in records}
    asked = {str(call.body["job_id"]) for call in service.calls if call.name == "getJobResult"}
    for job in asked - known:
        yield f"job {job} is not in the ledger"


def bill(path: Path, service: OmoCaptchaService) -> Iterator[str]:
    """Check that after SIGKILL the ledger has at least each job of the service."""
    records = read_ledger(path)
    if len(records) < len(service.jobs):
        yield f"{len(service.jobs)} jobs at the service, {len(records)} in the ledger"
    yield from _missing(records, service)


def limits(
    settings: dict[str, Any], service: OmoCaptchaService, stats: dict[str, Any], path: Path, *, cut_off: int = 0
) -> Iterator[str]:
    """Check that no limit was overrun at the service, in the stats or in the ledger.

    :param cut_off: how often a crawl was ended; a job that is interrupted thereby is no attempt.
    """
    records = read_ledger(path)
    made, created = service.jobs, stats.get("omocaptcha/jobs/created", 0)
    most = settings.get("OMOCAPTCHA_MAX_JOBS")
    if most and max(len(made), created) > most:
        yield f"overrun: OMOCAPTCHA_MAX_JOBS is {most}; {len(made)} jobs at the service, {created} counted"
    for name, default in (("OMOCAPTCHA_MAX_COST", 1.0), ("OMOCAPTCHA_MAX_COST_PER_DAY", 0.0)):
        cost = settings.get(name, default)
        if cost and max(service.charged, created * _PRICE) > cost + 1e-6:
            yield f"overrun: {name} is {cost}; {service.charged} charged, {created} jobs counted"
    most = settings.get("OMOCAPTCHA_MAX_JOBS_PER_HOST")
    by_host = Counter(record.host for record in records)
    if most and by_host and max(by_host.values()) > most:
        yield f"overrun: OMOCAPTCHA_MAX_JOBS_PER_HOST is {most}; {by_host}"
    at_once = _most_at_once(service)
    if at_once > settings["OMOCAPTCHA_CONCURRENT_JOBS"]:
        yield f"overrun: OMOCAPTCHA_CONCURRENT_JOBS is {settings['OMOCAPTCHA_CONCURRENT_JOBS']}; {at_once} at once"
    # These pages are of one request each; /gate and /search are of many. Scrapy retries a page that came with an error,
    # whose job was not useless.
    attempts = Counter(job.page for job in made if "/page/" in job.page or "/item/" in job.page)
    most = settings["OMOCAPTCHA_MAX_ATTEMPTS"] + settings["RETRY_TIMES"]
    for page, number in attempts.items():
        if number > most + cut_off:
            yield f"overrun: OMOCAPTCHA_MAX_ATTEMPTS and RETRY_TIMES are {most}; {number} jobs for {page}"


def floor(settings: dict[str, Any], world: World) -> Iterator[str]:
    """Check that OMOCAPTCHA_MIN_BALANCE is kept to, but for the jobs that the balance was last asked for."""
    least = settings.get("OMOCAPTCHA_MIN_BALANCE", 0) - settings["OMOCAPTCHA_CONCURRENT_JOBS"] * _PRICE
    if world.balances and min(world.balances) < least:
        yield f"overrun: OMOCAPTCHA_MIN_BALANCE is {settings['OMOCAPTCHA_MIN_BALANCE']}; {min(world.balances)} was left"


def _most_at_once(service: OmoCaptchaService) -> int:
    """Return the greatest number of jobs that the client polled at one time."""
    first: dict[Any, float] = {}
    last: dict[Any, float] = {}
    for call in service.calls:
        if call.name == "createJob" and call.fault is None and "job_id" in call.answer:
            job = json.loads(call.answer)["job_id"]
            first[job] = last[job] = call.at
        elif call.name == "getJobResult" and call.body.get("job_id") in first:
            last[call.body["job_id"]] = call.at
    steps = [(at, 1) for at in first.values()] + [(at, -1) for at in last.values()]
    now = most = 0
    for _, step in sorted(steps):
        now += step
        most = max(most, now)
    return most


def tokens(world: World) -> Iterator[str]:
    """Check that no token was used twice, at another site, or too late."""
    bad = {"rejected": "invalid-input-response", "stale": "timeout-or-duplicate"}
    # A token is handed in once more where its answer was lost. Twisted's pool, like any browser, repeats a GET over a
    # kept connection that breaks.
    broken = sum(visit.token is not None and visit.fault is not None for site in world.sites for visit in site.requests)
    two_walls = tuple(f"{site.url}/" for site in world.sites if isinstance(site, TwoWalls))
    for job in world.service.jobs:
        expected = bad.get(job.outcome, "accepted")
        if job.page.startswith(two_walls) and job.verdicts == (bad["rejected"],):
            # A token for the first wall came when another request had opened it.
            continue
        again = expected if expected in bad.values() else "timeout-or-duplicate"
        repeats = len(job.verdicts) - 1
        if 0 < repeats <= min(broken, _MAX_REPEATS) and job.verdicts == (expected, *[again] * repeats):
            broken -= repeats
        elif job.verdicts not in ((), (expected,)):
            yield f"the token of job {job.id} ({job.outcome}, for {job.page}) was judged {job.verdicts}"


def waiting(crawler: Any) -> Iterator[str]:
    """Check that after a crawl nothing waits and the concurrency is as it was."""
    downloader = crawler.engine.downloader
    middleware = crawler.get_downloader_middleware(OmoCaptchaMiddleware)
    left = {
        "places": downloader.total_concurrency - crawler.settings.getint("CONCURRENT_REQUESTS"),
        "active": len(downloader.active),
        "in slots": sum(len(s.active) + len(s.queue) + len(s.transferring) for s in downloader.slots.values()),
    }
    if middleware is not None:
        walls = middleware._walls
        sessions = walls._sessions._sessions.values()
        jobs_at_once = middleware._policy.settings.concurrent_jobs
        left |= {
            "held": len(middleware._slots.holds),
            "queued": len(middleware._slots._queue),
            "sending": len(middleware._slots._sending),
            "waits": len(middleware._lifetime._waits),
            "turns of requests": len(walls._turns),
            "leaders": sum(session.leading is not None for session in sessions),
            "held in sessions": sum(len(session._held) for session in sessions),
            "turns": sum(session._released for session in sessions),
            "jobs under way": jobs_at_once - middleware._buyer._solver._jobs_at_once._free,
        }
    for what, number in left.items():
        if number:
            yield f"{what}: {number} after the end"


def check(plan: Plan, world: World, crawl: Any, came: Counter[int], path: Path) -> list[str]:
    """Return everything that is wrong with a finished crawl."""
    return [
        *requests(crawl.spider.sent, came),
        *crawl.spider.wrong,
        *jobs(world.service, crawl.stats),
        *ledger(path, world.service, crawl.stats),
        *limits(plan.settings, world.service, crawl.stats, path),
        *floor(plan.settings, world),
        *tokens(world),
        *waiting(crawl.spider.crawler),
        *_errors(crawl),
    ]


def _errors(crawl: Any) -> Iterator[str]:
    """Check the log for unhandled errors. Scrapy logs a robots.txt that it cannot get with a traceback, and goes on."""
    for record in crawl.log:
        if (record.exc_info or record.levelno >= logging.CRITICAL) and not record.name.endswith(".robotstxt"):
            trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
            yield f"{record.name}: {record.getMessage()}\n{trace}"


def faults(world: World) -> Counter[str]:
    """Count the faults of a world, by kind."""
    calls = Counter(f"api {call.fault}" for call in world.service.calls if call.fault)
    visits = Counter(f"site {visit.fault}" for site in world.sites for visit in site.requests if visit.fault)
    fates = Counter(f"job {job.outcome}" for job in world.service.jobs if job.outcome != "token")
    return calls + visits + fates


def alive() -> Counter[str]:
    """Count the objects that a crawl makes and that must not outlive it, by class."""
    gc.collect()
    found = Counter(str(type(thing).__qualname__) for thing in gc.get_objects() if _is_ours(type(thing)))
    for cls, things in live_refs.items():
        found[cls.__name__] = len(things)
    return +found


def _is_ours(kind: type) -> bool:
    # __module__ may be a property of a type. An enumeration's members come with its module, which a crawl may import.
    home = str(kind.__module__)
    return (
        not issubclass(kind, Enum)
        and home.startswith("scrapy_omocaptcha.")
        and not home.startswith("scrapy_omocaptcha.testing")
    )
