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
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from aiohttp import web

from scrapy_omocaptcha.testing.account import OUTCOMES, Account, Job, Outcome, Plan
from scrapy_omocaptcha.testing.api import Version, Version1, Version2
from scrapy_omocaptcha.testing.faults import UNPROCESSED, Fault, FaultyServer
from scrapy_omocaptcha.testing.server import check_choice, read_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_omocaptcha.testing.account import SolveSeconds
    from scrapy_omocaptcha.testing.faults import Kind

VERSIONS: dict[int, type[Version]] = {1: Version1, 2: Version2}
_SITEVERIFY = "/recaptcha/api/siteverify"
_LOGGED_FIELDS = ("job_id", "taskId", "status", "message", "errorCode", "balance")


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request to the service."""

    at: float
    """Time of arrival by the service's clock, in seconds."""
    name: str
    """Name such as ``"createJob"`` or ``"createTask"``, empty for a path outside of the API."""
    method: str
    path: str
    body: Any
    """Decoded JSON without the credential, or None if it was not JSON."""
    authorised: bool
    """Whether the API token was right."""
    status: int
    """HTTP status of the answer before a fault changed it; 0 if a fault replaced the answer."""
    answer: str
    """Text of the answer before a fault changed it."""
    fault: Kind | None
    """Fault that was applied."""


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
    :param clock: clock for jobs and tokens, in seconds, such as one that a test controls; None for ``time.monotonic``.
    :param on_event: function that gets a line of text, without any token, for each call, in the server's thread.
    """

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
        on_event: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__([host], port, on_event)
        check_choice(api_version, VERSIONS)
        self.api_version = api_version
        self.api_token = api_token
        self.clock = clock or time.monotonic
        self._account = Account(balance, package, price, solve_seconds, self.clock)
        one, two = Version1(self._account, api_token), Version2(self._account, api_token)
        self._routes: dict[str, tuple[str, Callable[[object], dict[str, Any]]]] = {}
        # Version 2 is also at the root, as at other services with the same protocol.
        for base, version in ((one.path, one), (two.path, two), ("", two)):
            for name in version.calls:
                self._routes[f"{base}/{name}"] = (name, partial(version.answer, name))
        self._calls: list[Call] = []

    @property
    def url(self) -> str:
        """Return the base URL of the API, for ``OMOCAPTCHA_API_URL``."""
        return f"{self.origin}{VERSIONS[self.api_version].path}"

    @property
    def siteverify_url(self) -> str:
        """Return the address at which sites verify tokens, as at Google's; a token's site key is the secret."""
        return f"{self.origin}{_SITEVERIFY}"

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

    def siteverify(self, token: str, sitekey: str) -> dict[str, Any]:
        """Check a token as Google's ``siteverify`` does. A token that is accepted is thereby used up.

        :returns: ``{"success": True, "hostname": …}`` or ``{"success": False, "error-codes": […]}`` with
            ``timeout-or-duplicate`` (used, or older than two minutes) or ``invalid-input-response`` (unknown, or of
            another site key).
        """
        return self._account.verify(token, sitekey)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == _SITEVERIFY:
            form = await request.post()
            return web.json_response(self.siteverify(str(form.get("response", "")), str(form.get("secret", ""))))
        body = read_json(await request.read())
        name, _ = self._routes.get(request.path, ("", None))
        fault = self.take_fault(name) if name else None
        answer = None if fault and fault.kind in UNPROCESSED else self._respond(request.method, request.path, body)
        self._record(request, name, body, answer, fault)
        if fault is not None:
            return await self._break(fault, request, answer)
        assert answer is not None
        return answer

    def _respond(self, method: str, path: str, body: object) -> web.Response:
        """Return the response to a request. Errors of the API have status 200."""
        if path not in self._routes:
            return web.Response(status=404, text="Not found")
        if method != "POST":
            return web.Response(status=405, text="Method not allowed", headers={"Allow": "POST"})
        return web.json_response(self.answer(path, body))

    def answer(self, path: str, body: object) -> dict[str, Any]:
        """Return the answer to the decoded body of a call, whose URL has this path. Our own tests override it.

        :meta private:
        """
        return self._routes[path][1](body)

    def _record(
        self, request: web.Request, name: str, body: object, answer: web.Response | None, fault: Fault | None
    ) -> None:
        authorised = False
        if isinstance(body, dict):
            authorised = self.api_token in [body.pop(version.credential, None) for version in VERSIONS.values()]
        call = Call(
            at=self.clock(),
            name=name,
            method=request.method,
            path=request.path_qs,
            body=body,
            authorised=authorised,
            status=0 if answer is None else answer.status,
            answer="" if answer is None else answer.text or "",
            fault=fault.kind if fault else None,
        )
        with self._lock:
            self._calls.append(call)
        self._on_event(_format(call))


def _format(call: Call) -> str:
    """Format a call as a line for the log, without any token."""
    received = _logged_fields(read_json(call.answer)) or f" {call.status or 'nothing'}"
    fault = f" [fault: {call.fault}]" if call.fault else ""
    return f"service {call.name or call.path}{_logged_fields(call.body)} ->{received}{fault}"


def _logged_fields(value: object) -> str:
    fields = value if isinstance(value, dict) else {}
    return "".join(f" {name}={fields[name]}" for name in _LOGGED_FIELDS if name in fields)
