"""Judge a simulated crawl: what the spider saw, what sites and service saw, and what ledger and stats say must agree.

The three know nothing of each other. Each check yields a sentence for each thing that is wrong.
"""

from __future__ import annotations

import builtins
import json
from collections import Counter, defaultdict
from dataclasses import replace
from http import HTTPStatus
from math import ceil
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy_omocaptcha.buying.database import read_ledger
from scrapy_omocaptcha.testing import WALLS
from scrapy_omocaptcha.testing.account import TOKEN_SECONDS
from tests.helpers.hard_walls import GATE
from tests.simulation import orders, sessions
from tests.simulation.network import NAME, PLACE
from tests.simulation.plan import PRICE, redirects
from tests.simulation.sessions import SLOW, SPOILED, at_once, keeps_cookies, wanted_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scrapy_omocaptcha.buying.records import Record as LedgerRecord
    from scrapy_omocaptcha.testing.service import Call
    from tests.simulation.crawl import Run
    from tests.simulation.network import Exchange
    from tests.simulation.plan import Plan, Site
    from tests.simulation.spider import Record
    from tests.simulation.world import World

STOP_SECONDS = 0.51
"""Within how many seconds a stop ends all waiting: half a second, and a bit for the loop."""
TICKS = 0.001
"""Within how many seconds all parts of a crawl know that it is stopped."""
AT_END = ("/getBalance",)
"""What the service is asked once more at the end."""
BALANCE_SECONDS = 0.5
"""How long the report may wait for the balance, which is asked for at the end where a balance was at the start."""
_BEHIND = ("page", "item", "search")
"""Kinds of requests to pages behind a wall."""
_UPFRONT = ("header", "signup", "bought")
"""Kinds of requests that cost a job each, whatever the wall."""
_POSTS = ("order", "search")
"""Kinds of requests that are not sent again where a wall redirects them and does not lead back to them."""
_ALIKE = ("item_scraped_count", "response_received_count", "request_depth_max", "retry/count", "finish_reason")
"""Stats that are the same behind a wall."""


def check(
    planned: Plan, world: World, record: Record, runs: list[Run], path: Path, *, is_open: bool = False
) -> list[str]:
    """Return everything that is wrong with the runs of a crawl.

    :param is_open: whether the sites have no walls.
    """
    stats: Counter[str] = Counter()
    for run in runs:
        stats.update({name: value for name, value in run.stats.items() if isinstance(value, (int, float))})
    records = read_ledger(path) if path.exists() else []
    was_killed = any(run.was_killed for run in runs)
    # What is killed forgets what it has bought.
    crawls = 2 if planned.end == "two crawls" else len(runs) if was_killed else 1
    return [
        *record.wrong,
        *(() if was_killed else _requests(planned, world, record, runs)),
        *_bill(world, records),
        *(() if was_killed else _jobs(planned, world, stats, records, all_ended=not planned.stops)),
        *_limits(planned, world, crawls, records),
        *_attempts(planned, world, crawls, records),
        *(sentence for run in runs for sentence in _concurrency(planned, world, run)),
        *_tokens(planned, world),
        *_verdicts(planned, world, records),
        *orders.check(planned, world, record, runs),
        *(() if is_open else sessions.check(planned, world, record)),
        *(sentence for run in runs if not run.was_killed for sentence in _waiting(run)),
        *(sentence for run in runs for sentence in _stop(planned, world, run)),
        *(_ideal(planned, world, record, stats) if planned.is_calm and not is_open else ()),
    ]


def _requests(planned: Plan, world: World, record: Record, runs: list[Run]) -> Iterator[str]:
    """Check that each request came back exactly once, and none because the crawl was stopped."""
    for name, sent in record.sent.items():
        # A resumed spider, and each of a fleet, sends all requests of its start anew, of which Scrapy drops those that
        # it knows.
        expected = 1 if planned.stops or planned.end == "fleet" else sent
        came = record.came[name]
        if came < expected and not _may_be_dropped(planned, world, runs, name):
            yield f"lost: request {name}, {expected} in, {came} out"
        if came > expected:
            yield f"twice: request {name}, {expected} in, {came} out"
    for name in record.thanked:
        yield f"request {name} has a page of thanks"
    for name, how in record.ends.items():
        if "CrawlClosing" in how:
            yield f"lost: request {name} went to its errback as the crawl closed"
        if hasattr(builtins, how):
            yield f"request {name} went to its errback with {how}"
        wanted = wanted_of(planned, name)
        # HttpError lets a challenge for which nothing was bought through with status 200, which faults may give it.
        is_passed_on = planned.site_faults or planned.sites[wanted.site].status == HTTPStatus.OK
        is_wanted = "OMOCAPTCHA_ON_FAILURE" in planned.settings or wanted.kind == "alone"
        if how == "challenge" and not (is_wanted or is_passed_on):
            yield f"the callback of request {name} got a challenge"


def _may_be_dropped(planned: Plan, world: World, runs: list[Run], name: str) -> bool:
    """Tell whether Scrapy may have dropped a request's redirect: to a wall that some run was shown no challenge of.

    It is a limit that ``docs/internals.rst`` names.
    """
    number, kind = wanted_of(planned, name).site, wanted_of(planned, name).kind
    if planned.filters and kind == "order" and planned.sites[number].answer == "shared":
        # All orders are redirected to one page.
        return True
    site = planned.sites[number]
    # What an order is redirected to shows no challenge but its own, whatever others of the site show.
    visits = [visit for visit in world.sites[number].requests if redirects(site) or visit.target == orders.FALSE_GATE]
    challenges = [visit for visit in visits if visit.shown == "challenge" and visit.fault is None]
    named = [visit for visit in challenges if PLACE in visit.headers]
    answered = [sent for visit in named if (sent := world.exchanges[int(visit.headers[PLACE])]).is_answered]
    is_shown = {run.crawler for run in runs} <= {sent.crawler for sent in answered}
    may_redirect = redirects(site) or site.answer == "claimed"
    # Where the first visit fails, the filter knows the address before anybody has seen the challenge.
    at_gate = [visit for visit in visits if visit.path in ("/gate", GATE, site.gate.partition("?")[0])]
    has_failed = bool(at_gate) and at_gate[0].fault is not None
    return planned.filters and may_redirect and (has_failed or not is_shown)


def _bill(world: World, records: list[LedgerRecord]) -> Iterator[str]:
    """Check that the ledger has each job of the service."""
    if len(records) < len(world.service.jobs):
        yield f"{len(world.service.jobs)} jobs at the service, {len(records)} in the ledger"
    known = {record.job for record in records}
    asked = {str(call.body["job_id"]) for call in world.service.calls if call.name == "getJobResult" and call.body}
    for job in sorted(asked - known):
        yield f"job {job} is not in the ledger"


def _jobs(
    planned: Plan, world: World, stats: Counter[str], records: list[LedgerRecord], *, all_ended: bool
) -> Iterator[str]:
    """Check that the jobs counted are those of the ledger, and those of the service but for calls of unknown fate."""
    created, made = stats["omocaptcha/jobs/created"], len(world.service.jobs)
    timeout = planned.settings.get("OMOCAPTCHA_API_TIMEOUT", 20)
    is_late = bool(planned.stalls or planned.stops) or 2 * planned.latency[1] > timeout
    unknown = sum(_may_be_a_job(call, is_late=is_late) for call in world.service.calls)
    unseen = _unseen(world, was_stopped=bool(planned.stops))
    if not made <= created <= made + unknown + unseen:
        yield f"{created} jobs counted; {made} at the service, {unknown} calls of unknown fate, {unseen} never seen"
    if created != len(records):
        yield f"{created} jobs counted, {len(records)} in the ledger"
    if abs(stats["omocaptcha/cost_usd"] - created * PRICE) > 1e-6:
        yield f"{created} jobs counted and {stats['omocaptcha/cost_usd']} USD"
    ended = stats["omocaptcha/jobs/solved"] + sum(
        value for name, value in stats.items() if name.startswith("omocaptcha/jobs/failed/")
    )
    if ended > created or (all_ended and ended < created):
        yield f"{created} jobs counted, {ended} came to an end"
    ends = Counter(record.outcome for record in records)
    for outcome in ("accepted", "rejected", "expired", "unknown"):
        counted = sum(value for name, value in stats.items() if name.startswith(f"omocaptcha/tokens/{outcome}"))
        if ends[outcome] != counted:
            yield f"{counted} tokens counted as {outcome}, {ends[outcome]} in the ledger"


def _unseen(world: World, *, was_stopped: bool) -> int:
    """Return how many create calls the client may have sent of which the service knows nothing."""
    created = [sent for sent in world.exchanges if sent.url.endswith("/createJob")]
    # Whether anybody listens there, a client that stops before does not know.
    return sum(not sent.has_arrived and (sent.server is not None or was_stopped) for sent in created)


def _may_be_a_job(call: Call, *, is_late: bool) -> bool:
    """Tell whether a create call made no job without the client being able to know.

    :param is_late: whether answers may come too late.
    """
    is_lost = is_late or call.fault not in (None, "too_many")
    return call.name == "createJob" and is_lost and "job_id" not in call.answer


def _limits(planned: Plan, world: World, crawls: int, records: list[LedgerRecord]) -> Iterator[str]:
    """Check that no limit was overrun by any of some crawls."""
    settings, made = planned.settings, len(world.service.jobs)
    most = settings.get("OMOCAPTCHA_MAX_JOBS")
    if most and made > most * crawls:
        yield f"overrun: OMOCAPTCHA_MAX_JOBS is {most}; {made} jobs at the service"
    cost = settings.get("OMOCAPTCHA_MAX_COST", 1.0)
    if world.service.charged > cost * crawls + 1e-6:
        yield f"overrun: OMOCAPTCHA_MAX_COST is {cost}; {world.service.charged} charged"
    cost = settings.get("OMOCAPTCHA_MAX_COST_PER_DAY")
    is_one_day = not records or (records[-1].at - records[0].at).total_seconds() < 86_400
    if cost and world.service.charged > cost + 1e-6 and is_one_day:
        yield f"overrun: OMOCAPTCHA_MAX_COST_PER_DAY is {cost}; {world.service.charged} charged"
    most = settings.get("OMOCAPTCHA_MAX_JOBS_PER_HOST")
    by_host = Counter(record.host for record in records)
    if most and by_host and max(by_host.values()) > most * crawls:
        yield f"overrun: OMOCAPTCHA_MAX_JOBS_PER_HOST is {most}; {by_host}"
    least = settings.get("OMOCAPTCHA_MIN_BALANCE")
    if least and crawls == 1 and world.service.balance < min(least, planned.balance) - 1e-6:
        yield f"overrun: OMOCAPTCHA_MIN_BALANCE is {least}; {world.service.balance} is left"
    most = settings.get("OMOCAPTCHA_CONCURRENT_JOBS", 32)
    number = _most_at_once(world)
    if number > most * (2 if planned.end in ("two crawls", "fleet") else 1):
        yield f"overrun: OMOCAPTCHA_CONCURRENT_JOBS is {most}; {number} at once"


def _attempts(planned: Plan, world: World, crawls: int, records: list[LedgerRecord]) -> Iterator[str]:
    """Check that no more jobs were of no use to a request than it may make attempts, by the addresses of the pages."""
    most = planned.settings["OMOCAPTCHA_MAX_ATTEMPTS"] * crawls
    useless = {record.job for record in records if record.outcome in ("failed", "rejected")}
    pages = Counter(job.page for job in world.service.jobs if str(job.id) in useless)
    for page, jobs in pages.items():
        number = int(page.rpartition("/")[2]) if page[-1].isdigit() else -1
        # The number in the address is that of the request, or the next one.
        is_again = any(one.again and one.number <= number <= one.number + one.children + 1 for one in planned.wanted)
        if number >= 0 and jobs > most * (1 + is_again):
            yield f"overrun: OMOCAPTCHA_MAX_ATTEMPTS is {most}; {jobs} jobs for {page}"


def _concurrency(planned: Plan, world: World, run: Run) -> Iterator[str]:
    """Check that no site, and all of them together, got more requests at once, or sooner, than the settings allow."""
    settings = planned.settings
    sent = [each for each in world.exchanges if each.crawler is run.crawler]
    most = settings["CONCURRENT_REQUESTS"]
    # What a component awaits is sent beyond it, as by Scrapy.
    most += sum(wanted.kind == "nested" for wanted in planned.wanted)
    most += len(world.sites) if settings.get("ROBOTSTXT_OBEY") else 0
    if (number := at_once((each.began, each.ended) for each in sent)) > most:
        yield f"overrun: CONCURRENT_REQUESTS is {settings['CONCURRENT_REQUESTS']}; {number} at once"
    by_host: defaultdict[str, list[Exchange]] = defaultdict(list)
    most, delay = settings.get("CONCURRENT_REQUESTS_PER_DOMAIN", 8), settings.get("DOWNLOAD_DELAY", 0) / 2
    for each in sent:
        earlier = by_host[host := urlsplit(each.url).hostname or ""]
        if earlier and each.began - earlier[-1].began < delay - TICKS:
            yield f"overrun: DOWNLOAD_DELAY is {2 * delay}; {host} got two requests at {each.began:.3f} s"
        # Scrapy counts a request only once its task has begun, so it sends all that comes to a slot at one moment.
        under_way = sum(other.began < each.began - TICKS and other.ended > each.began for other in earlier)
        if under_way >= most:
            yield f"overrun: CONCURRENT_REQUESTS_PER_DOMAIN is {most}; {host} got one more at {each.began:.3f} s"
        earlier.append(each)


def _most_at_once(world: World) -> int:
    """Return the greatest number of jobs that the client polled at one time."""
    first: dict[Any, float] = {}
    last: dict[Any, float] = {}
    for call in world.service.calls:
        if call.name == "createJob" and call.fault is None and "job_id" in call.answer:
            job = json.loads(call.answer)["job_id"]
            first[job] = last[job] = call.at
        elif call.name == "getJobResult" and call.body and call.body.get("job_id") in first:
            last[call.body["job_id"]] = call.at
    return at_once((at, last[job]) for job, at in first.items())


def _tokens(planned: Plan, world: World) -> Iterator[str]:
    """Check that no token was used twice, at another site, or too late."""
    bad = {"rejected": "invalid-input-response", "stale": "timeout-or-duplicate"}
    api_token = world.service.settings["OMOCAPTCHA_API_TOKEN"]
    for visit in (visit for site in world.sites for visit in site.requests):
        if any(api_token in text for text in (visit.url, visit.body.decode("latin-1"), *visit.headers.values())):
            yield f"{visit.host} got the API token"
    for job in world.service.jobs:
        said = world.said(world.token(job))
        if "?" in job.page or job.page.endswith("/robots.txt"):
            yield f"job {job.id} was bought for {job.page}"
        expected = bad.get(job.outcome, "accepted")
        verdicts = job.verdicts
        # The answer is lost as well if what it redirects to fails.
        lost = sum(visit.fault is not None for visit in said) or int(bool(planned.site_faults))
        if len(said) > 1 + lost + _time_outs(planned):
            yield f"the token of job {job.id} was sent {len(said)} times, though {lost} answers were lost"
        # It may be on its way for a minute.
        oldest = planned.settings.get("OMOCAPTCHA_TOKEN_MAX_AGE", 110) + planned.latency[1] + 60 * bool(planned.stalls)
        if said and job.outcome != "stale" and said[0].at - job.ready_at > oldest + 0.1:
            yield f"the token of job {job.id} was {said[0].at - job.ready_at:.3f} s old at the site"
        # What the site has not read was not judged.
        read = [visit for visit in said if visit.token]
        is_late = planned.stalls and read and read[0].at - job.ready_at > TOKEN_SECONDS
        if verdicts and verdicts[0] != expected and not is_late:
            yield f"the token of job {job.id} ({job.outcome}, for {job.page}) was judged {verdicts}"
        for visit in said:
            if urlsplit(visit.url).netloc != urlsplit(job.page).netloc:
                yield f"the token of job {job.id}, for {job.page}, was sent to {visit.url}"


def _time_outs(planned: Plan) -> int:
    """Return how often an answer may be lost on its way without a fault of the site."""
    return 1 if planned.stalls or planned.latency[1] >= planned.settings["DOWNLOAD_TIMEOUT"] else 0


def _verdicts(planned: Plan, world: World, records: list[LedgerRecord]) -> Iterator[str]:
    """Check that the ledger says of each token what the sites say."""
    jobs = {str(job.id): job for job in world.service.jobs}
    for record in records:
        job = jobs.get(record.job or "")
        if job is None:
            continue
        said = [visit.token for visit in world.said(world.token(job))]
        told = f"job {job.id} is {record.outcome} ({record.reason}) in the ledger; the sites said {said}"
        # A wall may be back so soon after a token that nobody can tell whether it was accepted.
        is_limited = _is_limited(planned.sites[[site.hosts[0] for site in world.sites].index(record.host)])
        is_taken = "accepted" in said and not is_limited
        spoiled = [visit for site in world.sites for visit in site.requests if visit.fault in SPOILED]
        is_spoiled = any(visit.host == record.host for visit in spoiled)
        # Two crawls with one cache have the cookies of one session, whose wall the other one may have opened.
        is_shared = planned.end == "two crawls" and "HTTPCACHE_ENABLED" in planned.settings
        # At a page that another request has opened for once, the page is the answer to whatever is submitted.
        is_open = is_limited and any(visit.shown == "page" for visit in world.said(world.token(job)))
        if record.outcome == "accepted" and "accepted" not in said and not (is_spoiled or is_shared or is_open):
            yield told
        if record.outcome == "rejected" and (is_taken or not any(said)) and not is_spoiled:
            yield told
        if record.outcome == "expired" and said:
            yield told
        only_if = {
            "by_hand": any(wanted.kind == "bought" for wanted in planned.wanted),
            "closing": bool(planned.stops),
            "cookies": not keeps_cookies(planned),
            "other_key": False,
            "not_seen": False,
        }
        if not only_if.get(record.reason, True):
            yield told


def _is_limited(site: Site) -> bool:
    """Tell whether a wall lets some pages through without a token, or only so many with a clearance."""
    wall = replace(WALLS[site.wall], **site.changes)
    return bool(wall.clearance_pages or wall.free_pages)


def _waiting(run: Run) -> Iterator[str]:
    """Check that after a crawl nothing waits and the concurrency is as it was."""
    crawler = run.crawler
    downloader = crawler.engine.downloader
    left = {
        "places": downloader.total_concurrency - crawler.settings.getint("CONCURRENT_REQUESTS"),
        "active": len(downloader.active),
        # What is being transferred, and awaited by nobody, ends with the process.
        "in slots": sum(len(s.active) + len(s.queue) for s in downloader.slots.values()),
    }
    for what, number in left.items():
        if number:
            yield f"{what}: {number} after the end"


def _stop(planned: Plan, world: World, run: Run) -> Iterator[str]:
    """Check that a stop ends all waiting at once, but for answers to what was under way or in a download slot.

    Scrapy goes on to download what a callback awaits, and to ask for a robots.txt that it did not get, wherever that is
    redirected.
    """
    if run.stopped_at is None or run.was_killed:
        return
    queued, last = run.queued.copy(), run.stopped_at
    is_awaited = any(wanted.kind == "nested" for wanted in planned.wanted) or (
        "ROBOTSTXT_OBEY" in planned.settings and any(site.robots_walled for site in planned.sites)
    )
    # Whether a token was accepted, asking for the page tells; what its answer leads to has no name.
    submits = [visit for site in world.sites for visit in site.requests if visit.submits]
    judging = {visit.headers.get(NAME) for visit in submits} | {visit.host for visit in submits}
    for sent in world.exchanges:
        if sent.began > run.ended_at:
            break
        is_late, name = sent.began > run.stopped_at + TICKS, (sent.method, sent.url)
        host, is_robots = urlsplit(sent.url).hostname, sent.url.endswith("/robots.txt")
        if sent.crawler is None:
            if is_late and not sent.url.endswith(AT_END):
                yield f"{sent.url} was called after the stop at {run.stopped_at:.3f} s"
        elif is_late and not (queued[name] or is_awaited or is_robots or sent.headers.get(NAME, host) in judging):
            yield f"{sent.method} {sent.url} was sent after the stop at {run.stopped_at:.3f} s"
        else:
            queued[name] -= is_late
            last = max(last, min(sent.ended, run.ended_at))
    late = run.ended_at - last
    bound = STOP_SECONDS + (BALANCE_SECONDS if "OMOCAPTCHA_MIN_BALANCE" in planned.settings else 0.0)
    if late > bound and not is_awaited:
        yield f"the stop at {run.stopped_at:.3f} s took {late:.3f} s more than the last answer of a site"


def _ideal(planned: Plan, world: World, record: Record, stats: Counter[str]) -> Iterator[str]:
    """Check that as many jobs were bought as the walls make necessary, and that each request got its page."""
    by_site: defaultdict[str, int] = defaultdict(int)
    for job in world.service.jobs:
        by_site[job.page.partition("://")[2].partition("/")[0]] += 1
    # Where each answer takes seconds, a token may grow too old while the form is fetched anew.
    is_slow = 25 * planned.latency[1] > planned.settings.get("OMOCAPTCHA_TOKEN_MAX_AGE", 100)
    for number, site in enumerate(planned.sites):
        bought = by_site[world.sites[number].url.partition("://")[2]]
        least, most = _jobs_of(planned, world, number)
        most += sum(value for name, value in stats.items() if name.startswith("omocaptcha/tokens/expired")) * is_slow
        if not least <= bought <= most:
            yield f"ideal: {least} to {most} jobs for {site.kind} {site.wall} {site.changes}; {bought} bought"
    is_plain = not is_slow and all(site.is_solvable and not _is_limited(site) for site in planned.sites)
    for name in ("rejected", "expired"):
        if is_plain and stats[f"omocaptcha/tokens/{name}"]:
            yield f"ideal: {stats[f'omocaptcha/tokens/{name}']} tokens {name}, though nothing went wrong"
    # Only what a spider buys by hand is not known to be of use.
    by_hand = sum(wanted.kind == "bought" for wanted in planned.wanted)
    # Nor is the token for a gate that shows its challenge always, if it was the redirect of a POST.
    posts = any(wanted.kind in ("search", "order") for wanted in planned.wanted)
    by_posts = posts * sum(site.kind == "one address" or site.gate == GATE for site in planned.sites)
    if is_plain and not by_hand <= stats["omocaptcha/tokens/unknown"] <= by_hand + by_posts:
        yield f"ideal: {stats['omocaptcha/tokens/unknown']} tokens unknown, {by_hand} bought by hand"
    errors = {name: how for name, how in record.ends.items() if how != "page"}
    for name, how in errors.items():
        wanted = wanted_of(planned, name)
        if wanted.kind in _POSTS and ("maybe" in how or how == "challenge"):
            continue
        if planned.sites[wanted.site].is_solvable and wanted.kind != "alone":
            yield f"ideal: request {name} ended with {how}, though nothing went wrong"


def waits(planned: Plan, seconds: float, twin_seconds: float, jobs: int) -> Iterator[str]:
    """Check that a crawl does not stand still: its jobs may be solved one after the other, with many answers for each.

    :param twin_seconds: how long the same crawl takes without walls, of which a quarter more is allowed.
    """
    if not planned.settings.keys().isdisjoint((*SLOW, "HTTPCACHE_ENABLED")):
        # What is redirected to a wall, or to a page behind one, waits for the delay of its site several times, and what
        # comes out of a cache without walls does not wait for the site. Scrapy sends all that is queued at once,
        # whatever is allowed; those that have waited at a wall are sent one by one.
        return
    of_job = 1.15 * max(planned.solve_seconds) + 20 * planned.latency[1]
    most = 1.25 * twin_seconds + max(1, jobs) * of_job + 2.0
    if seconds > most:
        yield f"slow: the crawl takes {seconds:.0f} s, {twin_seconds:.0f} s without walls; {most:.0f} s are fair"


def _jobs_of(planned: Plan, world: World, number: int) -> tuple[int, int]:
    """Return how many jobs a site costs at least and at most if nothing goes wrong."""
    site = planned.sites[number]
    wall = replace(WALLS[site.wall], **site.changes)
    upfront, behind, tries, claimed = 0, Counter(), 0, 0
    for wanted in planned.wanted:
        if wanted.site != number:
            continue
        upfront += wanted.kind in _UPFRONT or wanted.kind == "form"
        pages = wanted.kind in _BEHIND or wanted.kind == "nested"
        if wanted.kind == "order":
            # It may be behind the wall itself, and so may be what it is answered by.
            pages = site.withholds + (site.answer in ("own", "named", "shared"))
        if wanted.kind in _POSTS and (redirects(site) or site.answer == "claimed"):
            # The gate may show its challenge to everybody.
            claimed += 1 + (site.answer == "claimed")
        # Every second one of the children is a page that is free.
        first = wanted.number + 1
        pages += sum(child % 2 == 0 for child in range(first, first + wanted.children))
        behind[wanted.cookiejar] += pages
        tries += pages * (1 + wanted.again) * planned.settings["OMOCAPTCHA_MAX_ATTEMPTS"]
    if site.wall == "never":
        return min(1, tries), upfront + tries
    if not site.is_solvable:
        return upfront, upfront
    least = most = upfront
    for pages in filter(None, behind.values()):
        if wall.clearance == "none":
            at_least = at_most = pages
        elif wall.clearance_pages is not None:
            # What is sent at once with a clearance that is used up may cost each clearance one job more, and so may
            # an order, for the page of its answer.
            at_least = ceil(pages / (wall.clearance_pages + 1))
            at_most = min(pages, (3 if site.kind == "orders" else 2) * at_least)
        else:
            at_least = at_most = 1
        if wall.free_pages:
            # Who asks again, with a token at hand, may get the free page of a session that another answer has begun.
            at_least, at_most = 0, at_most + 1
        if site.kind == "orders" or redirects(site):
            # Of redirects to one page, Scrapy follows the first; and a POST may not be sent again.
            at_least = 0
        least, most = least + at_least, most + at_most
    return least, most + claimed


def has_twin(planned: Plan) -> bool:
    """Tell whether a crawl must be the same without walls."""
    # Scrapy retries a robots.txt that is behind a wall.
    asks_robots = planned.settings.get("ROBOTSTXT_OBEY") and any(site.robots_walled for site in planned.sites)
    if not planned.is_calm or asks_robots:
        return False
    if not all(site.is_solvable for site in planned.sites):
        return False
    if any(site.answer == "claimed" or (site.answer == "shared" and planned.filters) for site in planned.sites):
        # Without walls, no order is claimed to be withheld, and another one may be the first at the shared page.
        return False
    if any(wanted.kind in _POSTS and redirects(planned.sites[wanted.site]) for wanted in planned.wanted):
        # A POST may not be sent again.
        return False
    return not any(wanted.kind in ("alone", *_UPFRONT) for wanted in planned.wanted)


def differences(
    items: Counter[str], stats: dict[str, Any], twin_items: Counter[str], twin_stats: dict[str, Any]
) -> Iterator[str]:
    """Check that a crawl has the items and stats of one without walls."""
    for item in twin_items - items:
        yield f"without walls there is {item}"
    for item in items - twin_items:
        yield f"without walls there is no {item}"
    for name in _ALIKE:
        if stats.get(name) != twin_stats.get(name):
            yield f"without walls {name} is {twin_stats.get(name)}, not {stats.get(name)}"
