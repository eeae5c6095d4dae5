"""What seeds have found, each made smaller, and said in plain words."""

from __future__ import annotations

import pytest

from tests.simulation.crawl import run, warm_up
from tests.simulation.plan import Plan, Site, Wanted, plan

SETTINGS = {"CONCURRENT_REQUESTS": 8, "DOWNLOAD_TIMEOUT": 30, "RETRY_TIMES": 1, "OMOCAPTCHA_MAX_ATTEMPTS": 1}


@pytest.fixture(scope="module", autouse=True)
def _warm():
    warm_up()


def test_a_form_is_fetched_anew_if_other_answers_have_replaced_its_cookies_before_any_wall_was_known():
    """Seed 3257: the token was submitted with the cookies of another session than that of the form."""
    planned = Plan(
        seed=3257,
        sites=(Site("walled", "rate", {"free_pages": 1}),),
        settings=SETTINGS,
        wanted=(Wanted(0, "item", 0), Wanted(1, "search", 0, children=1)),
        latency=(0.01, 0.05),
        filters=False,
    )
    outcome = run(planned)
    assert (outcome.wrong, outcome.jobs) == ([], 1)


def test_a_token_after_which_another_wall_comes_is_not_accepted_if_other_requests_may_have_opened_the_first():
    """Seed 3344: the ledger said "accepted" of a token that the site had refused."""
    planned = Plan(
        seed=3344,
        sites=(Site("walled", "thanks", status=429), Site("two walls", "session", status=429)),
        settings={
            "CONCURRENT_REQUESTS": 16,
            "CONCURRENT_REQUESTS_PER_DOMAIN": 2,
            "DOWNLOAD_TIMEOUT": 180,
            "RETRY_TIMES": 1,
            "OMOCAPTCHA_MAX_ATTEMPTS": 3,
        },
        wanted=(
            *(Wanted(number, "item", 1) for number in (0, 2, 7, 9)),
            Wanted(10, "free", 1, children=1),
            Wanted(12, "page", 1),
        ),
        latency=(0.2, 3.0),
        site_faults=("reset_after", "reset", "too_many"),
        rate=0.15,
        fault_seconds=15.0,
        solve_seconds=(4.21, 21.45, 7.34, 49.82, 10.79, 2.72, 42.66, 28.34, 46.96, 34.62),
    )
    assert run(planned).wrong == []


def test_what_is_queued_does_not_come_between_a_form_and_its_token():
    """Seed 894508229921: answers of a slow site outdated the form three times, and the token was refused for that."""
    kinds = ("search", "item", "item", "nested", "nested", "search", "page", "nested", "item")
    planned = Plan(
        seed=894508229921,
        sites=(Site("two walls", "session"),),
        settings={
            "CONCURRENT_REQUESTS": 64,
            "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
            "RETRY_TIMES": 1,
            "DOWNLOAD_TIMEOUT": 30,
            "OMOCAPTCHA_MAX_ATTEMPTS": 3,
            "DOWNLOAD_DELAY": 0.25,
        },
        wanted=tuple(Wanted(2 * number, kind, 0) for number, kind in enumerate(kinds)),
        latency=(0.2, 3.0),
        solve_seconds=(6.81, 48.13, 4.0, 2.12, 9.06, 47.63, 25.9, 7.87, 44.11, 3.1),
    )
    outcome = run(planned)
    assert (outcome.wrong, outcome.jobs) == ([], 2)


def test_a_token_does_not_wait_for_requests_to_the_part_of_its_site_that_is_free():
    """Seed 198160637268: they went before it, one every twelve seconds, until it was too old."""
    kinds = ("item", "page", "page", "free", "page", "item", "page", "page", "item", "search")
    planned = Plan(
        seed=198160637268,
        sites=(Site("one address", "session", status=429),),
        settings={
            "CONCURRENT_REQUESTS": 2,
            "RETRY_TIMES": 2,
            "DOWNLOAD_TIMEOUT": 180,
            "OMOCAPTCHA_MAX_ATTEMPTS": 2,
            "AUTOTHROTTLE_ENABLED": True,
        },
        wanted=tuple(Wanted(number, kind, 0) for number, kind in enumerate(kinds)),
        latency=(0.2, 3.0),
        solve_seconds=(1.66, 1.59, 2.91, 16.72, 3.74, 20.38, 4.14, 2.76, 19.88, 32.17),
    )
    outcome = run(planned)
    assert (outcome.wrong, outcome.jobs) == ([], 1)


def test_a_redirect_to_a_wall_that_has_failed_before_is_no_duplicate_of_that():
    """Seed 730241563816: what was redirected there after it had failed was dropped, and lost as the crawl stopped."""
    wanted = (
        *((0, "item", 0, 3), (1, "item", 0, 3), (2, "item", 0, 2), (4, "item", 0, 3), (6, "search", 2, 3)),
        *((9, "page", 2, 2), (10, "page", 1, 2), (13, "free", 0, 3), (14, "search", 2, 3), (15, "item", 0, 3)),
        *((16, "item", 2, 3), (17, "nested", 0, 1)),
    )
    children = {2: 1, 10: 2}
    planned = Plan(
        seed=730241563816,
        sites=(
            Site("two walls", "session", status=200, robots_walled=True, refuse_every=3),
            Site("walled", "rate", {"free_pages": 1}, status=429),
            Site("one address", "session", status=503, robots_walled=True, refuse_every=3, gate_fault="reset_after"),
        ),
        settings={
            "CONCURRENT_REQUESTS": 8,
            "CONCURRENT_REQUESTS_PER_DOMAIN": 2,
            "RETRY_TIMES": 1,
            "DOWNLOAD_TIMEOUT": 180,
            "OMOCAPTCHA_MAX_ATTEMPTS": 3,
            "OMOCAPTCHA_MAX_JOBS": 1,
        },
        wanted=tuple(
            Wanted(number, kind, site, jar, jar, children.get(number, 0)) for number, kind, site, jar in wanted
        ),
        latency=(0.01, 0.05),
        stalls=0.1,
        rate=0.3,
        solve_seconds=(1.94, 50.43, 39.11, 22.94, 19.02, 22.96, 28.7, 52.36, 16.11, 13.12),
        end="stopped",
        stops=(8.931,),
    )
    assert run(planned).wrong == []


def test_a_form_is_fetched_anew_if_the_cookie_that_came_with_it_was_not_kept():
    """Seed 746770853806: the form of one session was submitted with the cookie of another, won before."""
    planned = Plan(
        seed=746770853806,
        sites=(Site("walled", "per_page", status=200, robots_walled=True),),
        settings={
            "CONCURRENT_REQUESTS": 16,
            "RETRY_TIMES": 0,
            "DOWNLOAD_TIMEOUT": 180,
            "OMOCAPTCHA_MAX_ATTEMPTS": 2,
            "DOWNLOAD_DELAY": 5.0,
        },
        wanted=(Wanted(0, "search", 0), Wanted(3, "search", 0, cookiejar=1), Wanted(7, "item", 0, cookiejar=1)),
        latency=(0.01, 0.05),
        solve_seconds=(1.35, 3.86, 1.01, 12.98, 26.86, 3.22, 39.26, 1.09, 6.99, 2.54),
    )
    outcome = run(planned)
    assert (outcome.wrong, outcome.jobs) == ([], 3)


def test_a_request_that_has_left_its_place_to_a_token_is_not_sent_before_that_place_is_free_again():
    """Seed 197494048419: it was sent with the answer to the token, while the page was asked for in the same place."""
    planned = Plan(
        seed=197494048419,
        sites=(
            Site("walled", "thanks", status=503),
            Site("walled", "thanks", {"clearance_pages": 5}, status=200),
            Site("walled", "expiring", gzip=True),
        ),
        settings={
            "CONCURRENT_REQUESTS": 2,
            "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
            "RETRY_TIMES": 1,
            "DOWNLOAD_TIMEOUT": 180,
            "OMOCAPTCHA_MAX_ATTEMPTS": 1,
        },
        wanted=(
            *(Wanted(0, "item", 1), Wanted(1, "form", 1, children=1, again=True)),
            *(Wanted(3, "page", 0, cookiejar=1, proxy=1), Wanted(6, "item", 0), Wanted(8, "page", 2)),
            *(Wanted(11, "page", 1), Wanted(12, "free", 1), Wanted(13, "page", 1)),
        ),
        latency=(0.05, 0.5),
        stalls=0.02,
        api_faults=("wrong_encoding",),
        rate=0.05,
        fault_seconds=15.0,
        solve_seconds=(57.57, 36.15, 1.3, 43.89, 3.95, 18.41, 29.84, 29.42, 16.14, 50.57),
        passes_meta=True,
        end="stopped",
        stops=(0.747,),
    )
    assert run(planned).wrong == []


def test_a_cookie_out_of_the_cache_does_not_replace_the_clearance():
    """Seed 885603470772: the answer to a retried challenge came out of HttpCache, with another session's cookie."""
    kinds = {0: "item", 3: "page", 4: "item", 5: "page", 7: "signup", 10: "nested", 11: "search", 14: "alone"}
    planned = Plan(
        seed=885603470772,
        sites=(Site("walled", "session_marked", status=503, gzip=True),),
        settings={
            "CONCURRENT_REQUESTS": 64,
            "RETRY_TIMES": 2,
            "DOWNLOAD_TIMEOUT": 30,
            "OMOCAPTCHA_MAX_ATTEMPTS": 3,
            "DOWNLOAD_DELAY": 5.0,
            "HTTPCACHE_ENABLED": True,
        },
        wanted=tuple(Wanted(number, kind, 0) for number, kind in kinds.items()),
        latency=(0.2, 3.0),
        solve_seconds=(41.45, 29.65, 14.17, 9.95, 36.48, 39.64, 25.09, 43.24, 2.65, 26.33),
    )
    outcome = run(planned)
    assert (outcome.wrong, outcome.jobs) == ([], 2)


@pytest.mark.parametrize("seed", [826989757302, 4, 9], ids=["as found", "at other times", "at yet others"])
def test_the_challenge_behind_a_redirect_out_of_the_cache_outdates_a_form(seed):
    """Seed 826989757302: it counted as stored itself, and the form of another session was submitted."""
    kinds = {0: "item", 1: "item", 2: "item", 3: "page", 6: "item", 7: "search", 8: "page", 11: "search", 13: "item"}
    wanted = [Wanted(number, kind, 0) for number, kind in kinds.items()]
    wanted.insert(7, Wanted(9, "item", 0, children=1, again=True))
    wanted[3], wanted[8] = Wanted(3, "page", 0, children=2), Wanted(11, "search", 0, children=1)
    planned = Plan(
        seed=seed,
        sites=(Site("one address", "session", status=200, gzip=True),),
        settings={
            "CONCURRENT_REQUESTS": 8,
            "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
            "RETRY_TIMES": 2,
            "DOWNLOAD_TIMEOUT": 30,
            "OMOCAPTCHA_MAX_ATTEMPTS": 3,
            "DOWNLOAD_DELAY": 5.0,
            "ROBOTSTXT_OBEY": True,
            "HTTPCACHE_ENABLED": True,
            "OMOCAPTCHA_CONCURRENT_JOBS": 1,
            "OMOCAPTCHA_MAX_WAITING": 4,
        },
        wanted=tuple(wanted),
        latency=(0.2, 3.0),
        solve_seconds=(1.35, 11.06, 26.46, 4.18, 41.49, 3.52, 2.14, 36.83, 17.18, 4.86),
    )
    outcome = run(planned)
    assert (outcome.wrong, outcome.jobs) == ([], 1)


def test_a_challenge_behind_a_redirect_that_belongs_to_another_session_by_then_is_fetched_again():
    """Seed 61731866452: the session got another cookie while its challenge was fetched, whose form was void then."""
    wanted = (
        *((0, "free", 2), (4, "contact", 2), (5, "page", 3), (9, "page", 3), (10, "item", 3), (11, "page", 3)),
        *((12, "page", 3), (15, "search", 3), (16, "form", 2), (17, "item", 2)),
    )
    planned = Plan(
        seed=61731866452,
        sites=(Site("walled", "redirect", gzip=True),),
        settings={
            "CONCURRENT_REQUESTS": 8,
            "CONCURRENT_REQUESTS_PER_DOMAIN": 2,
            "RETRY_TIMES": 2,
            "DOWNLOAD_TIMEOUT": 30,
            "OMOCAPTCHA_MAX_ATTEMPTS": 1,
        },
        wanted=tuple(Wanted(number, kind, 0, jar) for number, kind, jar in wanted),
    )
    assert run(planned).wrong == []


def test_a_redirect_to_a_page_behind_a_wall_that_the_spider_has_requested_itself_is_a_duplicate():
    """The first page, which the spider got for a token, came again for a link that redirects to it."""
    planned = Plan(
        seed=1,
        sites=(Site("followed", "session", {"clearance_pages": 2}, pages=3),),
        settings={**SETTINGS, "OMOCAPTCHA_MAX_ATTEMPTS": 3},
        wanted=(Wanted(0, "followed", 0),),
    )
    outcome = run(planned)
    assert (outcome.wrong, outcome.items.total(), outcome.jobs) == ([], 3, 2)


def test_the_answer_to_a_post_may_be_its_page_though_the_wall_shows_another_key_each_time():
    """Seed 285418620067: each accepted token of a search was taken for one of another wall."""
    planned = Plan(
        seed=285418620067,
        sites=(Site("walled", "per_page", status=200, keys=99),),
        settings={**SETTINGS, "CONCURRENT_REQUESTS": 1, "OMOCAPTCHA_MAX_ATTEMPTS": 3},
        wanted=tuple(Wanted(number, kind, 0) for number, kind in enumerate(("item", "item", "search"))),
    )
    assert run(planned).wrong == []


def test_of_the_requests_that_are_redirected_to_one_page_behind_a_wall_one_buys_a_token_at_a_time():
    """Seed 192811885590: each of many links to a page bought one, 35 tokens for nine pages."""
    planned = Plan(
        seed=192811885590,
        sites=(Site("followed", "session_marked", {"clearance_pages": 1, "free_pages": 0}, pages=9, direct=2),),
        settings={**SETTINGS, "OMOCAPTCHA_MAX_ATTEMPTS": 3},
        wanted=(Wanted(0, "followed", 0),),
    )
    outcome = run(planned)
    assert (outcome.wrong, outcome.items.total()) == ([], 9)
    assert outcome.jobs <= 14


def test_a_redirect_to_the_wall_that_a_spider_gets_after_a_token_does_not_show_that_it_was_accepted():
    """Seed 596609546579: the answer to the token was lost, and so was the look behind the redirect that came next."""
    planned = plan(596609546579)
    assert planned.wants_redirects
    outcome = run(planned)
    assert (outcome.wrong, outcome.jobs) == ([], 4)
