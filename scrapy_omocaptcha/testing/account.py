"""Keep the jobs, tokens and money of the offline service.

Both versions of the API use the same account, so this module knows nothing of HTTP or of either version. The caller
provides the clock, and every method may be called from any thread: jobs, tokens and money change under one lock.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import inf
from typing import TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    SolveSeconds = float | Sequence[float] | Callable[[int], float]

TOKEN_SECONDS = 120.0
"""Time for which Google accepts a token."""

FIRST_JOB_ID = 1_000_001

Outcome = Literal["token", "fail", "never", "refused", "vanished", "rejected", "stale"]
"""What happens to a job:

- ``token``: it is solved.
- ``fail``: it ends without a token.
- ``never``: it never ends.
- ``refused``: it is not created, and nothing is charged.
- ``vanished``: it is created, but the service doesn't know it afterwards.
- ``rejected``: it is solved, with a token that no site accepts.
- ``stale``: it is solved, with a token that is already too old.
"""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


class RefusedError(Exception):
    """Refused call. The text is the service's message, ``code`` the error code in version 2."""

    def __init__(self, message: str, code: str = "ERROR_INVALID_TASK_DATA") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Job:
    """State of one job at the service. Times are seconds of the service's clock."""

    id: int
    kind: str
    """Kind of captcha: ``type_job_id`` in version 1, the type of the task in version 2."""
    page: str
    sitekey: str
    invisible: bool
    outcome: Outcome
    created_at: float
    ready_at: float
    """Time at which the job ends; infinite for a job that never ends."""
    cost: float
    """Price in US dollars; 0 for a job of the package."""
    state: Literal["running", "solved", "failed"] = "running"
    questions: int = 0
    """Number of requests for its result."""
    answered_at: float | None = None
    """Time at which the client first received its result."""
    verdicts: tuple[str, ...] = ()
    """Result of each ``siteverify`` of its token: ``"accepted"`` or an error code."""

    @property
    def used(self) -> bool:
        """Tell whether a site accepted its token."""
        return "accepted" in self.verdicts


@dataclass(frozen=True, slots=True)
class Plan:
    """A future job."""

    outcome: Outcome = "token"
    seconds: float | None = None
    message: str = ""
    code: str = ""


@dataclass(slots=True)
class _Token:
    sitekey: str
    hostname: str
    created_at: float
    valid: bool
    """False if no site may accept it."""
    verdicts: list[str] = field(default_factory=list)


class Account:
    """Account of one customer of the service."""

    def __init__(
        self, balance: float, package: int, price: float, solve_seconds: SolveSeconds, clock: Callable[[], float]
    ) -> None:
        self.price = Decimal(str(price))
        self.clock = clock
        self.balance = Decimal(str(balance))
        self.package = package
        self.charged = Decimal(0)
        self._solve_seconds = solve_seconds
        self._jobs: dict[int, Job] = {}
        self._job_tokens: dict[int, str] = {}
        self._tokens: dict[str, _Token] = {}
        self._plans: deque[Plan] = deque()
        self._lock = threading.RLock()

    def plan(self, plans: Iterable[Plan]) -> None:
        """Add plans for the next jobs."""
        with self._lock:
            self._plans.extend(plans)

    def create(self, *, kind: str, page: str, sitekey: str, invisible: bool) -> int:
        """Create a job, charge it, and return its id.

        :raises RefusedError: when the balance is too low, or the plan is to refuse.
        """
        with self._lock:
            if self.balance < self.price and not self.package:
                raise RefusedError("Your balance is not enough to create this job.", "ERROR_ZERO_BALANCE")
            plan = self._plans.popleft() if self._plans else Plan()
            if plan.outcome == "refused":
                raise RefusedError(*filter(None, (plan.message or "This job is refused.", plan.code)))
            id, now = FIRST_JOB_ID + len(self._jobs), self.clock()
            seconds = self._seconds(len(self._jobs)) if plan.seconds is None else plan.seconds
            ready_at = inf if plan.outcome == "never" else now + seconds
            cost = Decimal(0) if self.package else self.price
            self.package -= bool(self.package)
            self.balance -= cost
            self.charged += cost
            self._jobs[id] = Job(id, kind, page, sitekey, invisible, plan.outcome, now, ready_at, float(cost))
            return id

    def result(self, job_id: int) -> tuple[Literal["running", "solved", "failed"], str]:
        """Return the state of a job and its token, which is empty until the job is solved.

        :raises RefusedError: when there is no such job.
        """
        with self._lock:
            job = self._jobs.get(job_id)
            if job is None or job.outcome == "vanished":
                raise RefusedError("Job not found.", "ERROR_TASK_NOT_FOUND")
            now = self.clock()
            state = _state(job, now)
            answered_at = now if job.answered_at is None and state != "running" else job.answered_at
            self._jobs[job_id] = replace(job, questions=job.questions + 1, answered_at=answered_at)
            if state == "solved" and job_id not in self._job_tokens:
                created_at = job.ready_at - (TOKEN_SECONDS + 1 if job.outcome == "stale" else 0.0)
                valid = job.outcome != "rejected"
                self._job_tokens[job_id] = self.mint(job.sitekey, job.page, created_at, valid=valid)
            return state, self._job_tokens.get(job_id, "")

    def mint(self, sitekey: str, page: str, created_at: float | None = None, *, valid: bool = True) -> str:
        """Create a token, as old as ``created_at`` says, or new."""
        token = "03AFcWeA" + secrets.token_urlsafe(360)
        with self._lock:
            created_at = self.clock() if created_at is None else created_at
            self._tokens[token] = _Token(sitekey, urlsplit(page).hostname or "", created_at, valid)
        return token

    def verify(self, token: str, sitekey: str) -> dict[str, Any]:
        """Check a token as Google's ``siteverify`` does. A token that is accepted is thereby used up."""
        with self._lock:
            known = self._tokens.get(token)
            error = self._token_error(known, sitekey) if token else "missing-input-response"
            if known is not None:
                known.verdicts.append(error or "accepted")
            if error or known is None:
                return {"success": False, "error-codes": [error]}
            return {"success": True, "hostname": known.hostname}

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Return all jobs in the order of their creation."""
        with self._lock:
            now = self.clock()
            verdicts = {id: tuple(self._tokens[token].verdicts) for id, token in self._job_tokens.items()}
            return tuple(
                replace(job, state=_state(job, now), verdicts=verdicts.get(id, ())) for id, job in self._jobs.items()
            )

    def _seconds(self, number: int) -> float:
        seconds = self._solve_seconds
        if callable(seconds):
            return seconds(number)
        return seconds if isinstance(seconds, (int, float)) else seconds[number % len(seconds)]

    def _token_error(self, token: _Token | None, sitekey: str) -> str | None:
        if token is None or token.sitekey != sitekey or not token.valid:
            return "invalid-input-response"
        if "accepted" in token.verdicts or self.clock() - token.created_at > TOKEN_SECONDS:
            return "timeout-or-duplicate"
        return None


def _state(job: Job, now: float) -> Literal["running", "solved", "failed"]:
    if now < job.ready_at:
        return "running"
    return "failed" if job.outcome == "fail" else "solved"
