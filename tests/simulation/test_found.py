"""What seeds have found, each made smaller, and said in plain words."""

from __future__ import annotations

import pytest

from tests.simulation.crawl import run, warm_up
from tests.simulation.plan import Plan, Site, Wanted

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
