"""Clients by other authors solve jobs at the offline service, which shows that it behaves like a real one.

They pin versions of this package's dependencies, so they have their own environment: ``make foreign-clients``.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from tests.helpers.dialects import Dialect, OtherService

pytest.importorskip(
    "anticaptchaofficial", reason="the clients of other authors are not installed here: run `make foreign-clients`"
)
# Warnings of these clients are not ours to fix.
pytestmark = pytest.mark.filterwarnings("default")

KEY = "key-of-a-foreign-client"
SITEKEY = "6LtestOnly" + "a" * 30
PAGE = "http://shop.example/gate"
OMOCAPTCHA = Dialect()
ANTI_CAPTCHA = Dialect(numbers=True, failed="code")
CAPSOLVER = Dialect(created="idle", running="idle", failed="status")


@dataclass
class Solved:
    """Result of a client: a token, or an error message."""

    token: str = ""
    error: str = ""


class AntiCaptchaOfficial:
    """anticaptchaofficial, which has a fixed URL: an adapter of requests replaces it."""

    dialects = (OMOCAPTCHA, ANTI_CAPTCHA)
    kind = "RecaptchaV2TaskProxyless"

    def __init__(self, service: OtherService, monkeypatch: pytest.MonkeyPatch) -> None:
        from anticaptchaofficial import antinetworking
        from requests.adapters import HTTPAdapter

        address = "https://api.anti-captcha.com"

        class Elsewhere(HTTPAdapter):
            def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
                request.url = request.url.replace(address, service.origin)
                return super().send(request, *args, **kwargs)

        antinetworking.session.mount(address, Elsewhere())

    def _client(self, key: str) -> Any:
        from anticaptchaofficial.recaptchav2proxyless import recaptchaV2Proxyless

        client = recaptchaV2Proxyless()
        client.set_key(key)
        client.set_website_url(PAGE)
        client.set_website_key(SITEKEY)
        client.set_is_invisible(1)
        return client

    def solve(self, key: str = KEY) -> Solved:
        client = self._client(key)
        token = client.solve_and_return_solution()
        return Solved(token or "", client.err_string)

    def balance(self) -> float:
        return float(self._client(KEY).get_balance())


class CapMonster:
    """capmonstercloudclient, which takes the URL as an option."""

    dialects = (OMOCAPTCHA, ANTI_CAPTCHA)
    kind = "RecaptchaV2Task"

    def __init__(self, service: OtherService, monkeypatch: pytest.MonkeyPatch) -> None:
        self._url = service.origin

    def _client(self, key: str) -> Any:
        from capmonstercloudclient import CapMonsterClient, ClientOptions

        return CapMonsterClient(ClientOptions(api_key=key, service_url=self._url))

    def solve(self, key: str = KEY) -> Solved:
        from capmonstercloudclient.exceptions import BaseError
        from capmonstercloudclient.requests import RecaptchaV2Request

        request = RecaptchaV2Request(websiteUrl=PAGE, websiteKey=SITEKEY, isInvisible=True)
        try:
            return Solved(asyncio.run(self._client(key).solve_captcha(request))["gRecaptchaResponse"])
        except BaseError as error:
            return Solved(error=str(error))

    def balance(self) -> float:
        return float(asyncio.run(self._client(KEY).get_balance())["balance"])


class CapSolver:
    """capsolver, which has the URL in an attribute, and needs a status in the answer to createTask."""

    dialects = (CAPSOLVER,)
    kind = "ReCaptchaV2TaskProxyLess"

    def __init__(self, service: OtherService, monkeypatch: pytest.MonkeyPatch) -> None:
        import capsolver

        monkeypatch.setattr(capsolver, "api_base", service.origin)
        self._capsolver = capsolver

    def solve(self, key: str = KEY) -> Solved:
        self._capsolver.api_key = key
        task = {"type": self.kind, "websiteURL": PAGE, "websiteKey": SITEKEY, "isInvisible": True}
        try:
            return Solved(self._capsolver.solve(task).get("gRecaptchaResponse", ""))
        except self._capsolver.error.CapsolverError as error:
            return Solved(error=str(error))

    def balance(self) -> float:
        self._capsolver.api_key = KEY
        return float(self._capsolver.balance()["balance"])


class Python3AntiCaptcha:
    """python3-anticaptcha, which has the URL in a constant."""

    dialects = (OMOCAPTCHA, ANTI_CAPTCHA)
    kind = "RecaptchaV2TaskProxyless"

    def __init__(self, service: OtherService, monkeypatch: pytest.MonkeyPatch) -> None:
        from python3_anticaptcha.core import aio_captcha_instrument

        monkeypatch.setattr(aio_captcha_instrument, "BASE_REQUEST_URL", f"{service.origin}/")

    def solve(self, key: str = KEY) -> Solved:
        from python3_anticaptcha.recaptcha_v2 import ReCaptchaV2

        client = ReCaptchaV2(
            api_key=key, captcha_type=self.kind, websiteURL=PAGE, websiteKey=SITEKEY, isInvisible=True, sleep_time=0
        )
        answer = asyncio.run(client.aio_captcha_handler())
        return Solved((answer.get("solution") or {}).get("gRecaptchaResponse", ""), answer.get("errorCode") or "")

    def balance(self) -> float:
        from python3_anticaptcha.control import Control

        return float(asyncio.run(Control(api_key=KEY).aio_get_balance())["balance"])


CLIENTS = [AntiCaptchaOfficial, CapMonster, CapSolver, Python3AntiCaptcha]


@pytest.fixture(
    params=[(client, dialect) for client in CLIENTS for dialect in client.dialects], ids=lambda p: p[0].__name__
)
def foreign(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a client and the service that it uses."""
    client, dialect = request.param
    with OtherService(dialect, api_token=KEY) as service:
        yield client(service, monkeypatch), service


def test_a_foreign_client_solves_a_job(foreign):
    client, service = foreign
    solved = client.solve()
    assert service.siteverify(solved.token, SITEKEY)["success"], solved.error
    (job,) = service.jobs
    assert (job.kind, job.page, job.invisible, job.used) == (client.kind, PAGE, True, True)
    assert all(call.authorised for call in service.calls)


def test_a_foreign_client_understands_errors_and_the_balance(foreign):
    client, service = foreign
    assert client.solve("a-wrong-key").error
    assert service.jobs == ()
    service.next_job("fail")
    failed = client.solve()
    assert not failed.token
    assert [job.state for job in service.jobs] == ["failed"]
    assert client.balance() == pytest.approx(9.99945)
