"""Processes that buy in one ledger, some of which are killed in the middle: nothing is overrun, nothing lost."""

import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.helpers.commands import ROOT
from tests.helpers.nightly import nightly

PLANS = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 10**6),
        "jobs": st.sampled_from([5, 40]),
        "given_up": st.sampled_from([0.0, 0.3]),
        "dies_after": st.lists(
            st.one_of(st.none(), st.floats(0.001, 0.03), st.floats(0.001, 0.03)), min_size=2, max_size=5
        ),
        "limits": st.fixed_dictionaries(
            {"max_cost_per_day": st.sampled_from([0.5, 3.0, 1000.0])},
            optional={
                "max_jobs": st.sampled_from([1, 7]),
                "max_jobs_per_host": st.sampled_from([1, 7]),
                "max_cost": st.sampled_from([0.1, 1.0]),
            },
        ),
    }
)


@pytest.fixture(scope="module")
def crawls():
    """``crawls(plan)`` → the jobs on the bill of the service, the crawls that were killed, and what is wrong."""
    command = [sys.executable, "-m", "tests.process.ledger_crawls"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def crawls(plan):
            process.stdin.write(json.dumps(plan) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield crawls
        process.stdin.close()


@pytest.mark.parametrize(("examples", "jobs_at_least", "kills_at_least"), [(8, 30, 3), nightly(500, 3000, 200)])
def test_crawls_that_share_a_ledger_overrun_no_limit_and_lose_no_job_whatever_is_killed(
    crawls, examples, jobs_at_least, kills_at_least
):
    bought = killed = 0

    @given(PLANS)
    @hypothesis_settings(
        derandomize=True,
        deadline=None,
        max_examples=examples,
        # What fails once, since processes run at once, need not fail again.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    def run(plan):
        nonlocal bought, killed
        jobs, kills, wrong = crawls(plan)
        assert wrong == []
        bought += jobs
        killed += kills

    run()
    assert bought > jobs_at_least
    assert killed > kills_at_least
