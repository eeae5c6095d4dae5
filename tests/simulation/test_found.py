"""What seeds have found, each made smaller, and said in plain words."""

from dataclasses import replace

import pytest

from tests.simulation.crawl import run, warm_up
from tests.simulation.plan import Plan, Site, Wanted

OWN = Site("orders", "session", {"clearance_pages": 5}, answer="own")
GATE = replace(OWN, wall="redirect")
ORDERS = {
    "answered by a redirect to a walled page": (OWN, 20, 0),
    "executed before its page is behind a wall": (replace(OWN, withholds=False), 3, 15),
    "executed by the form of the wall": (replace(OWN, wall="same_url"), 3, 0),
    "redirected to an address that says that it is a wall": (replace(GATE, gate="/captcha"), 12, 12),
    "redirected to an address that says nothing": (replace(GATE, gate="/hold"), 12, 0),
    "executed, though its site says that it was not": (replace(OWN, answer="claimed", withholds=False), 1, 0),
}
"""Orders that were executed up to ten times: at which site, how many, and beside how many pages."""
SETTINGS = {"CONCURRENT_REQUESTS": 8, "DOWNLOAD_TIMEOUT": 30, "RETRY_TIMES": 1, "OMOCAPTCHA_MAX_ATTEMPTS": 1}


@pytest.fixture(scope="module", autouse=True)
def _warm():
    warm_up()


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


def _ordering(site, orders, pages, **changes):
    kinds = [*["order"] * orders, *["item"] * pages]
    settings = {**SETTINGS, "CONCURRENT_REQUESTS": 16, "OMOCAPTCHA_MAX_ATTEMPTS": 3}
    wanted = tuple(Wanted(number, kind, 0) for number, kind in enumerate(kinds))
    return Plan(seed=62, sites=(site,), settings=settings, wanted=wanted, **changes)


@pytest.mark.parametrize("told", ORDERS)
def test_an_order_is_executed_once_or_once_more_where_its_site_says_that_it_was_not(told):
    assert run(_ordering(*ORDERS[told])).wrong == []


@pytest.mark.parametrize("seconds", [1.0, 3.0, 10.0, 22.0])
def test_what_resumes_asks_for_the_page_of_an_order_that_was_executed(seconds):
    told = ORDERS["executed before its page is behind a wall"]
    assert run(_ordering(*told, latency=(0.5, 1.0), end="stopped", stops=(seconds,))).wrong == []


@pytest.mark.parametrize("seconds", [2.0, 3.0])
def test_a_stop_loses_no_order_that_waits_until_it_is_known_where_others_are_redirected(seconds):
    """Seed 940000005509: the orders have one address, and only one of their redirects is not a duplicate."""
    told = ORDERS["redirected to an address that says that it is a wall"]
    assert run(_ordering(*told, latency=(0.5, 1.0), end="stopped", stops=(seconds,))).wrong == []


@pytest.mark.parametrize("jars", [(None,), (1, 2)], ids=["one session", "two sessions"])
def test_an_order_that_its_gate_has_withheld_is_sent_though_httpcache_has_its_redirect(jars):
    """Seeds 940000002853 and 940000016348: what was stored counted as the site's answer to what is sent again."""
    site = replace(GATE, changes={"clearance_pages": 1000}, gate="/hold", opened="home", answer="page")
    planned = _ordering(site, 12, 0)
    wanted = tuple(replace(one, cookiejar=jars[one.number % len(jars)]) for one in planned.wanted)
    settings = {**planned.settings, "HTTPCACHE_ENABLED": True}
    assert run(replace(planned, wanted=wanted, settings=settings)).wrong == []


@pytest.mark.parametrize("once", ["/challenge?t=", "/oauth/challenge?code=", "/2fa/challenge?t="])
def test_a_page_that_is_shown_once_is_what_the_spider_gets_on_a_site_without_walls(once):
    planned = _ordering(Site("orders", "session", {"free_pages": 10**9}, once=once), 0, 1)
    wanted = (*planned.wanted, Wanted(1, "once", 0), Wanted(2, "once", 0))
    assert run(replace(planned, wanted=wanted)).wrong == []
