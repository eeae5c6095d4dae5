"""Define what is known of a job and of the account, as parts of buying and reports exchange it. No token is in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

Outcome = Literal["accepted", "rejected", "failed", "expired", "unknown", "abandoned"]
"""What became of a job.

- ``accepted``: the site accepted its token.
- ``rejected``: the site rejected its token.
- ``failed``: it gave no token.
- ``expired``: its token was not submitted.
- ``unknown``: its token was used, and it is not known what the site made of it.
- ``abandoned``: it is under way, or its crawl ended before more was known.
"""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


def utc(time: str) -> datetime:
    return datetime.fromisoformat(time.replace("Z", "+00:00"))


@dataclass(frozen=True, slots=True)
class Record:
    """A job, as far as it is known."""

    time: str
    """Time at which it was bought, in ISO 8601 and UTC."""
    spider: str
    crawl: str
    """Id of the crawl, from Scrapyd or Scrapy Cloud if they run it. A resumed crawl keeps its id otherwise."""
    host: str
    page: str
    """Scheme, host and path of the page with the widget."""
    kind: str
    """``"checkbox"`` or ``"invisible"``."""
    job: str | None = None
    """Id of the job at the service; None if unknown."""
    seconds: float | None = None
    """Time from the create call to the end of the job; None if unknown."""
    outcome: Outcome = "abandoned"
    reason: str = ""
    """What is known beyond the outcome, as why the job was of no use; empty if its token was accepted."""
    cost_usd: float = 0.0
    form: str = ""
    """Scheme, host and path that the token was sent to, or was about to be. Empty if it was not sent, or if the spider
    has sent it itself, as with ``solve`` and ``solve_page``."""

    @property
    def at(self) -> datetime:
        """Return the time in UTC."""
        return utc(self.time)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a crawl, which has ended. A crawl that is resumed has several."""

    time: str
    """Time at which it ended, in ISO 8601 and UTC."""
    spider: str
    crawl: str
    ended: str
    """Scrapy's word for why, such as ``"finished"`` or ``"shutdown"``."""
    not_solved: Mapping[str, int]
    """Number of challenges that were left alone or not solved, by reason: JSON in the file."""
    noticed: Mapping[str, int] = field(default_factory=dict)
    """What else to look at, with its host: pages left alone that may be walls (``left_alone``), POSTs that count as
    executed (``not_resent``), 1 for a host that binds its clearance to a User-Agent or the like (``bound``): JSON."""


JobId = int | str
"""Id of a job. It must be sent back with the type in which the service sent it."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Money and solves of an account."""

    usd: float
    """Money, vouchers included; it may be negative."""
    solves: int = 0
    """Solves that are left of a package, which cost no money."""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """Parameters of a job."""

    page: str
    """Scheme, host and path of the page that shows the widget, never its query."""
    sitekey: str
    invisible: bool
