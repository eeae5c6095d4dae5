"""A complete OMOcaptcha that runs offline: both versions of the API, the account behind them and ``siteverify``.

::

    with OmoCaptchaService(solve_seconds=8) as service:
        service.next_job("fail")
        ...  # crawl with service.settings
        assert len(service.jobs) == 2

It sells tokens that only its own ``siteverify`` accepts, and so the sites of ``site.py``. Nothing in it
solves a captcha, and it never connects to anything.
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any, Literal

from aiohttp import web

from scrapy_omocaptcha.testing.account import OUTCOMES, Account, Job, Outcome, Plan
from scrapy_omocaptcha.testing.calls import Call, line_of
from scrapy_omocaptcha.testing.faults import KINDS, Fault, Faults, Kind, strike
from scrapy_omocaptcha.testing.routes import BASE_PATHS, CREDENTIALS, PRICE_LIST_PATH, Routes
from scrapy_omocaptcha.testing.server import LoopbackServer
from scrapy_omocaptcha.testing.version1 import Shape, Version1
from scrapy_omocaptcha.testing.version2 import TaskShape, Version2

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scrapy_omocaptcha.testing.account import SolveSeconds

SITEVERIFY_PATH = "/recaptcha/api/siteverify"


class OmoCaptchaService(LoopbackServer):
    """The service, on loopback, in a thread of its own.

    It speaks both versions of its API at once, for one account. Version 2 is served at the root of the host too, where
    the other services of that protocol have it: :attr:`origin` is a base URL as theirs.

    :param port: 0 takes a free one.
    :param api_version: the one that :attr:`url` and :attr:`settings` lead to: 1 (jobs) or 2 (tasks).
    :param api_token: the credential that calls have to carry.
    :param balance: US dollars in the account.
    :param price: US dollars a job.
    :param solve_seconds: how long a job takes: one number, a sequence that is gone through again and again,
        or a function of the job's number (the first is 0).
    :param clock: the seconds by which jobs get done and tokens grow old; a test passes its own and turns it.
    :param shape: which of the documented spellings the answers of version 1 use; may be changed later.
    :param task_shape: the same for version 2, and for the other services that speak it.
    :param on_event: gets a line of text for each call, in the server's thread. Never holds a token.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        api_version: Literal[1, 2] = 1,
        api_token: str = "offline-token",
        balance: float = 10.0,
        price: float = 0.00055,
        solve_seconds: SolveSeconds = 0.0,
        clock: Callable[[], float] = time.monotonic,
        shape: Shape | None = None,
        task_shape: TaskShape | None = None,
        on_event: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__([host], port)
        _check(api_version, tuple(BASE_PATHS))
        self.api_version = api_version
        self.api_token = api_token
        self.clock = clock
        self._account = Account(balance=balance, price=price, solve_seconds=solve_seconds, clock=clock)
        self._version1 = Version1(self._account, api_token, shape or Shape())
        self._version2 = Version2(self._account, api_token, task_shape or TaskShape())
        self._routes = Routes(self._version1, self._version2)
        self._faults = Faults()
        self._calls: list[Call] = []
        self._secrets: dict[str, str] = {}
        self._lock = threading.Lock()
        self._on_event = on_event or (lambda line: None)

    # What a user needs to get at it

    @property
    def url(self) -> str:
        """The base URL of the API, for ``OMOCAPTCHA_API_URL``."""
        return f"{self.origin}{BASE_PATHS[self.api_version]}"

    @property
    def price_list_url(self) -> str:
        """Version 2's list of prices, in the place of OMOcaptcha's public address."""
        return f"{self.origin}{PRICE_LIST_PATH}?type=service"

    @property
    def siteverify_url(self) -> str:
        """Where a site may check tokens over HTTP, in the place of Google's address."""
        return f"{self.origin}{SITEVERIFY_PATH}"

    @property
    def settings(self) -> dict[str, str | float]:
        """The settings that turn a Scrapy project to this service, and let it ask as often as a test wants."""
        settings: dict[str, str | float] = {
            "OMOCAPTCHA_API_URL": self.url,
            "OMOCAPTCHA_API_TOKEN": self.api_token,
            "OMOCAPTCHA_POLL_INTERVAL": 0.05,
        }
        if self.api_version == 1:
            return settings
        # Version 2's list of prices is asked of OMOcaptcha alone.
        return {**settings, "OMOCAPTCHA_API_VERSION": 2, "OMOCAPTCHA_PRICE": float(self._account.price)}

    # What happened

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every request so far, in the order of arrival."""
        with self._lock:
            return tuple(self._calls)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Every job so far, in the order in which they were made."""
        return self._account.jobs

    @property
    def charged(self) -> float:
        """US dollars taken for jobs so far."""
        return self._account.charged

    @property
    def balance(self) -> float:
        """US dollars left."""
        return float(self._account.balance)

    # What is to happen

    @property
    def shape(self) -> Shape:
        """Which of the documented spellings the answers of version 1 use."""
        return self._version1.shape

    @shape.setter
    def shape(self, shape: Shape) -> None:
        self._version1.shape = shape

    @property
    def task_shape(self) -> TaskShape:
        """Which of the ways that there are the answers of version 2 take."""
        return self._version2.shape

    @task_shape.setter
    def task_shape(self, shape: TaskShape) -> None:
        self._version2.shape = shape

    def next_job(
        self,
        outcome: Outcome = "token",
        *,
        times: int = 1,
        seconds: float | None = None,
        message: str = "",
        code: str = "",
    ) -> None:
        """Say what becomes of the next ``times`` jobs; several calls queue up.

        :param outcome: see :data:`~scrapy_omocaptcha.testing.account.Outcome`.
        :param seconds: how long these jobs take; None: as the service says.
        :param message: what the service says of a refused job.
        :param code: version 2's error code for it.
        """
        _check(outcome, OUTCOMES)
        self._account.plan([Plan(outcome, seconds, message, code)] * times)

    def random_jobs(self, rate: float, *, seed: int, outcomes: Sequence[Outcome] = OUTCOMES[1:]) -> None:
        """Let this share of the jobs that :meth:`next_job` does not speak for end in one of ``outcomes``."""
        for outcome in outcomes:
            _check(outcome, OUTCOMES)
        self._account.plan_randomly(rate, seed, outcomes)

    def fault(
        self, call: str, kind: Kind, *, times: int = 1, seconds: float = 1.0, location: str = "/elsewhere"
    ) -> None:
        """Let the next ``times`` calls of this name (``"*"``: of any) go wrong.

        :param kind: see :data:`~scrapy_omocaptcha.testing.faults.Kind`, which also says what ``seconds`` and
            ``location`` are for.
        """
        self._faults.book(call, Fault(kind, seconds, location), times)

    def random_faults(
        self,
        rate: float,
        *,
        seed: int,
        kinds: Sequence[Kind] = KINDS,
        calls: Sequence[str] = (),
        seconds: float = 1.0,
        location: str = "/elsewhere",
    ) -> None:
        """Let this share of all calls (or of those named) go wrong; the same ones for the same seed
        and the same order of calls."""
        self._faults.by_chance(rate, seed, [Fault(kind, seconds, location) for kind in kinds], calls)

    # What a site asks

    def register_site(self, sitekey: str, secret: str) -> None:
        """Let ``siteverify`` over HTTP know ``secret`` as that of ``sitekey``; else a key is its own."""
        with self._lock:
            self._secrets[secret] = sitekey

    def siteverify(self, token: str, sitekey: str) -> dict[str, Any]:
        """Answer as Google's ``siteverify`` does. A token that is accepted is thereby used up.

        ``{"success": True, "challenge_ts": …, "hostname": …}`` or ``{"success": False, "error-codes": […]}`` with
        ``timeout-or-duplicate`` (used, or older than two minutes) or ``invalid-input-response`` (unknown, or of
        another site key).
        """
        return self._account.verify(token, sitekey)

    def mint(self, sitekey: str, page: str = "http://127.0.0.1/") -> str:
        """A fresh token that no job was made for, to try a site by hand."""
        return self._account.mint(sitekey, page)

    # HTTP

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == SITEVERIFY_PATH and request.method == "POST":
            return await self._handle_siteverify(request)
        route = self._routes.find(request.path)
        try:
            body = json.loads(await request.read())
        except ValueError:
            body = None
        fault = self._faults.draw(route.name) if route.name else None
        answer = None if fault and fault.nothing_done else route.respond(request.method, body)
        self._record(request, route.name, body, answer, fault)
        if fault is not None:
            return await strike(fault, request, answer, self._pause)
        assert answer is not None
        return answer

    async def _handle_siteverify(self, request: web.Request) -> web.Response:
        form = await request.post()
        secret = str(form.get("secret", ""))
        with self._lock:
            sitekey = self._secrets.get(secret, secret)
        if not sitekey:
            return web.json_response({"success": False, "error-codes": ["missing-input-secret"]})
        return web.json_response(self.siteverify(str(form.get("response", "")), sitekey))

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
            fault=fault.kind if fault is not None else None,
        )
        with self._lock:
            self._calls.append(call)
        self._on_event(line_of(call))


def _check(value: object, valid: Sequence[object]) -> None:
    if value not in valid:
        raise ValueError(f"{value!r} is none of {', '.join(map(str, valid))}")
