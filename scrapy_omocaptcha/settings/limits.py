"""List the limits of what is bought, by the reason that is given once they are reached."""

from typing import NamedTuple


class Limit(NamedTuple):
    """What a setting limits."""

    setting: str
    measure: str
    """A field of ``Sums`` in ``buying/ledger``, and of ``sums`` in ``fleet.lua``: ``jobs…``, or USD."""
    words: str = "{used}{by}{cost}: raise {setting} ({value}) to go on"
    """The message, which ``buying/limits`` fills in."""
    closes_with: str = "omocaptcha_limit"
    """The reason with which the spider may be closed; empty if other hosts can still be bought for."""

    @property
    def counts_jobs(self) -> bool:
        """Tell whether jobs are counted, rather than USD."""
        return self.measure.startswith("jobs")


# In the order in which they are checked.
LIMITS = {
    "max_jobs": Limit("OMOCAPTCHA_MAX_JOBS", "jobs"),
    "max_jobs_per_host": Limit(
        "OMOCAPTCHA_MAX_JOBS_PER_HOST",
        "jobs_of_host",
        "{used} for {host}{by}: raise {setting} ({value}) to go on there",
        closes_with="",
    ),
    "max_cost": Limit("OMOCAPTCHA_MAX_COST", "spent"),
    "min_balance": Limit(
        "OMOCAPTCHA_MIN_BALANCE",
        "spent",
        "a job would leave less than {value:g} USD in the account: top it up, or lower {setting}",
        closes_with="omocaptcha_account",
    ),
    "max_cost_per_day": Limit(
        "OMOCAPTCHA_MAX_COST_PER_DAY",
        "spent_in_a_day",
        "{used}{by} within 24 hours{cost}: raise {setting} ({value}) to go on sooner",
    ),
}
