"""Clients of other services, used as their documentation says, with a service on loopback.

Only two things are changed in them: the address of the service, where it is hard-coded, and their sleeps, which pass
``speed`` times as fast, as the clock of the service does.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from types import ModuleType
from typing import Any

KEY = "key-of-a-foreign-client"
Solve = Callable[[str, str], Any]
"""Takes a page's address and a site key and returns a token; may be a coroutine function."""


def is_installed(package: str) -> bool:
    return find_spec(package.replace("-", "_")) is not None


class FastSleep:
    """A stand-in for the module ``time`` or ``asyncio`` whose ``sleep`` passes ``speed`` times as fast."""

    def __init__(self, module: Any, speed: float) -> None:
        self._module = module
        self._speed = speed

    def sleep(self, seconds: float) -> Any:
        return self._module.sleep(seconds / self._speed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def speed_up(speed: float, *modules: ModuleType) -> None:
    """Make all sleeps of ``modules`` pass ``speed`` times as fast."""
    for module in modules:
        for name in {"time", "asyncio"} & vars(module).keys():
            setattr(module, name, FastSleep(getattr(module, name), speed))


def anticaptchaofficial(origin: str, speed: float) -> Solve:
    from anticaptchaofficial import antinetworking, recaptchav2proxyless
    from requests.adapters import HTTPAdapter

    address = "https://api.anti-captcha.com"
    speed_up(speed, antinetworking, recaptchav2proxyless)

    class ToLoopback(HTTPAdapter):
        def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            request.url = request.url.replace(address, origin)
            return super().send(request, *args, **kwargs)

    antinetworking.session.mount(address, ToLoopback(pool_maxsize=100))

    def solve(page: str, sitekey: str) -> Any:
        solver = recaptchav2proxyless.recaptchaV2Proxyless()
        solver.set_key(KEY)
        solver.set_website_url(page)
        solver.set_website_key(sitekey)
        return solver.solve_and_return_solution()

    return solve


def capmonstercloudclient(origin: str, speed: float) -> Solve:
    from capmonstercloudclient import CapMonsterClient, CapMonsterCloudClient, ClientOptions
    from capmonstercloudclient.requests import RecaptchaV2Request

    speed_up(speed, CapMonsterCloudClient)
    client = CapMonsterClient(ClientOptions(api_key=KEY, service_url=origin))

    async def solve(page: str, sitekey: str) -> Any:
        solution = await client.solve_captcha(RecaptchaV2Request(websiteUrl=page, websiteKey=sitekey))
        return solution["gRecaptchaResponse"]

    return solve
