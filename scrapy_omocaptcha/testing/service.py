"""Run a complete OMOcaptcha offline: both versions of the API, their account, and ``siteverify``.

::

    with OmoCaptchaService(solve_seconds=8) as service:
        service.next_job("fail")
        ...  # crawl with service.settings
        assert len(service.jobs) == 2

Its tokens are only accepted by its own ``siteverify``, which the sites of ``site.py`` use. It solves no captcha and
connects to nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

from aiohttp import web

from scrapy_omocaptcha.testing.account import OUTCOMES, Account, Job, Outcome, Plan
from scrapy_omocaptcha.testing.calls import Call, format_call
from scrapy_omocaptcha.testing.faults import Fault, FaultyServer, apply_fault
from scrapy_omocaptcha.testing.routes import BASE_PATHS, CREDENTIALS, NOT_FOUND, PRICE_LIST_PATH, build_routes
from scrapy_omocaptcha.testing.server import check_choice, read_json
from scrapy_omocaptcha.testing.version1 import Shape, Version1
from scrapy_omocaptcha.testing.version2 import TaskShape, Version2

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scrapy_omocaptcha.testing.account import SolveSeconds

SITEVERIFY_PATH = "/recaptcha/api/siteverify"


class OmoCaptchaService(FaultyServer):
    """Offline OMOcaptcha that runs on loopback in its own thread.

    It serves both versions of the API for one account. Version 2 is also served at the root of the host, as by other
    services with the same protocol: use ``origin``, such as ``http://127.0.0.1:6080``, as their base URL.

    :param port: 0 for any free port.
    :param api_version: version in :attr:`url` and :attr:`settings`: 1 (jobs) or 2 (tasks).
    :param api_token: credential that calls must have.
    :param balance: balance of the account in US dollars.
    :param package: solves left of a package, which are used before the balance. Only version 2 tells them.
    :param price: price of a job in US dollars.
    :param solve_seconds: how long a job takes: a number, a sequence that is repeated, or a function of the job's number
        (from 0).
    :param clock: clock for jobs and tokens, in seconds; None for ``time.monotonic``. Tests can pass one that they
        control.
    :param on_event: function that gets a line of text, without any token, for each call. It is called in the server's
        thread.
    """

    shape: Shape
    """Variants of the answers in version 1. They may be changed at any time."""
    task_shape: TaskShape
    """Variants of the answers in version 2, those of other services included. They may be changed at any time."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        api_version: Literal[1, 2] = 1,
        api_token: str = "offline-token",
        balance: float = 10.0,
        package: int = 0,
        price: float = 0.00055,
        solve_seconds: SolveSeconds = 0.0,
        clock: Callable[[], float] | None = None,
        shape: Shape | None = None,
        task_shape: TaskShape | None = None,
        on_event: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__([host], port, on_event)
        check_choice(api_version, BASE_PATHS)
        self.api_version = api_version
        self.api_token = api_token
        self.clock = clock or time.monotonic
        self._account = Account(
            balance=balance, package=package, price=price, solve_seconds=solve_seconds, clock=self.clock
        )
        self.shape = shape or Shape()
        self.task_shape = task_shape or TaskShape()
        self._routes = build_routes(
            Version1(self._account, api_token, lambda: self.shape),
            Version2(self._account, api_token, lambda: self.task_shape),
        )
        self._calls: list[Call] = []

    # Addresses and settings

    @property
    def url(self) -> str:
        """Return the base URL of the API, for ``OMOCAPTCHA_API_URL``."""
        return f"{self.origin}{BASE_PATHS[self.api_version]}"

    @property
    def price_list_url(self) -> str:
        """Return the URL of version 2's price list, instead of OMOcaptcha's public one."""
        return f"{self.origin}{PRICE_LIST_PATH}?type=service"

    @property
    def siteverify_url(self) -> str:
        """Return the URL where a site can check tokens over HTTP, instead of Google's. Its secret is the site key."""
        return f"{self.origin}{SITEVERIFY_PATH}"

    @property
    def settings(self) -> dict[str, str | float]:
        """Return settings with which a Scrapy project uses this service, and polls it at short intervals."""
        settings: dict[str, str | float] = {
            "OMOCAPTCHA_API_URL": self.url,
            "OMOCAPTCHA_API_TOKEN": self.api_token,
            "OMOCAPTCHA_POLL_INTERVAL": 0.05,
        }
        if self.api_version == 1:
            return settings
        # The price list of version 2 is only requested from OMOcaptcha itself.
        return {**settings, "OMOCAPTCHA_API_VERSION": 2, "OMOCAPTCHA_PRICE": float(self._account.price)}

    # Past calls and jobs

    @property
    def calls(self) -> tuple[Call, ...]:
        """Return all requests in the order of arrival."""
        with self._lock:
            return tuple(self._calls)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Return all jobs in the order of their creation."""
        return self._account.jobs

    @property
    def charged(self) -> float:
        """Return the US dollars charged for jobs so far."""
        return float(self._account.charged)

    @property
    def balance(self) -> float:
        """Return the balance of the account in US dollars."""
        return float(self._account.balance)

    def spend(self, usd: float) -> None:
        """Take US dollars from the balance, as others who use the account do."""
        self._account.spend(usd)

    # Future jobs and faults

    def next_job(
        self,
        outcome: Outcome = "token",
        *,
        times: int = 1,
        seconds: float | None = None,
        message: str = "",
        code: str = "",
    ) -> None:
        """Set what happens to the next ``times`` jobs that have not been planned yet.

        :param outcome: see :data:`~scrapy_omocaptcha.testing.Outcome`.
        :param seconds: how long these jobs take, None for the default.
        :param message: message for a refused job.
        :param code: error code for a refused job in version 2.
        """
        check_choice(outcome, OUTCOMES)
        self._account.plan([Plan(outcome, seconds, message, code)] * times)

    def random_jobs(self, rate: float, *, seed: int, outcomes: Sequence[Outcome] = OUTCOMES[1:]) -> None:
        """Give a random share of the jobs one of ``outcomes``. :meth:`next_job` takes precedence.

        :param rate: share between 0 and 1.
        """
        for outcome in outcomes:
            check_choice(outcome, OUTCOMES)
        self._account.plan_randomly(rate, seed, outcomes)

    # Tokens at sites

    def siteverify(self, token: str, sitekey: str) -> dict[str, Any]:
        """Check a token as Google's ``siteverify`` does. A token that is accepted is thereby used up.

        :returns: ``{"success": True, "challenge_ts": …, "hostname": …}`` or ``{"success": False, "error-codes": […]}``
            with ``timeout-or-duplicate`` (used, or older than two minutes) or ``invalid-input-response`` (unknown, or
            of another site key).
        """
        return self._account.verify(token, sitekey)

    def mint(self, sitekey: str, page: str = "http://127.0.0.1/") -> str:
        """Create a token without a job, to try a site by hand."""
        return self._account.mint(sitekey, page)

    # HTTP

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == SITEVERIFY_PATH and request.method == "POST":
            return await self._handle_siteverify(request)
        route, body = self._routes.get(request.path, NOT_FOUND), read_json(await request.read())
        fault = self._take_fault(route.name) if route.name else None
        answer = None if fault and fault.unprocessed else route.respond(request.method, body)
        self._record(request, route.name, body, answer, fault)
        if fault is not None:
            return await apply_fault(fault, request, answer, self._pause)
        assert answer is not None
        return answer

    async def _handle_siteverify(self, request: web.Request) -> web.Response:
        form = await request.post()
        return web.json_response(self.siteverify(str(form.get("response", "")), str(form.get("secret", ""))))

    def _record(
        self, request: web.Request, name: str, body: object, answer: web.Response | None, fault: Fault | None
    ) -> None:
        authorised = False
        if isinstance(body, dict):
            authorised = self.api_token in [body.pop(credential, None) for credential in CREDENTIALS]
        call = Call(
            at=self.clock(),
            name=name,
            method=request.method,
            path=request.path_qs,
            body=body,
            authorised=authorised,
            status=answer.status if answer is not None else 0,
            answer=(answer.text or "") if answer is not None else "",
            fault=fault.kind if fault else None,
        )
        with self._lock:
            self._calls.append(call)
        self._on_event(format_call(call))
