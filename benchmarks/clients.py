"""Clients that other people wrote, used as their own documents tell, pointed at a service on loopback.

The only things changed in them are the address, where that is written into their code, and that their naps pass
``speed`` times as fast, along with the clock of the service.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from scrapy_omocaptcha.testing import TaskShape

KEY = "key-of-a-foreign-client"
Solve = Callable[[str, str], Any]
"""From a page's address and a site key to a token; where it is a coroutine function it has to be awaited."""


def installed(package: str) -> bool:
    """:param package: its name on PyPI, which of all these here is that of its module but for hyphens."""
    return find_spec(package.replace("-", "_")) is not None


class Hurried:
    """A module like ``time`` or ``asyncio`` whose ``sleep`` passes ``speed`` times as fast."""

    def __init__(self, module: Any, speed: float) -> None:
        self._module = module
        self._speed = speed

    def sleep(self, seconds: float) -> Any:
        return self._module.sleep(seconds / self._speed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def hurry(speed: float, *modules: ModuleType) -> None:
    for module in modules:
        for name in {"time", "asyncio"} & vars(module).keys():
            setattr(module, name, Hurried(getattr(module, name), speed))


def anticaptchaofficial(origin: str, speed: float) -> Solve:
    from anticaptchaofficial import antinetworking, recaptchav2proxyless
    from requests.adapters import HTTPAdapter

    address = "https://api.anti-captcha.com"
    hurry(speed, antinetworking, recaptchav2proxyless)

    class Elsewhere(HTTPAdapter):
        def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            request.url = request.url.replace(address, origin)
            return super().send(request, *args, **kwargs)

    antinetworking.session.mount(address, Elsewhere(pool_maxsize=100))

    def solve(page: str, sitekey: str) -> str:
        solver = recaptchav2proxyless.recaptchaV2Proxyless()
        solver.set_key(KEY)
        solver.set_website_url(page)
        solver.set_website_key(sitekey)
        token: str = solver.solve_and_return_solution()
        return token

    return solve


def capmonstercloudclient(origin: str, speed: float) -> Callable[[str, str], Awaitable[str]]:
    from capmonstercloudclient import CapMonsterClient, CapMonsterCloudClient, ClientOptions
    from capmonstercloudclient.requests import RecaptchaV2Request

    hurry(speed, CapMonsterCloudClient)
    client = CapMonsterClient(ClientOptions(api_key=KEY, service_url=origin))

    async def solve(page: str, sitekey: str) -> str:
        solution = await client.solve_captcha(RecaptchaV2Request(websiteUrl=page, websiteKey=sitekey))
        token: str = solution["gRecaptchaResponse"]
        return token

    return solve


def capsolver(origin: str, speed: float) -> Solve:
    import capsolver
    from capsolver import capsolver as implementation

    hurry(speed, implementation)
    capsolver.api_key, capsolver.api_base = KEY, origin

    def solve(page: str, sitekey: str) -> str:
        task = {"type": "ReCaptchaV2TaskProxyLess", "websiteURL": page, "websiteKey": sitekey}
        token: str = capsolver.solve(task)["gRecaptchaResponse"]
        return token

    return solve


def capsolver_core(origin: str, speed: float) -> Solve:
    from capsolver_core import CaptchaInfo, CaptchaType, create_capsolver
    from capsolver_core.core import client

    hurry(speed, client)
    solver = create_capsolver(api_key=KEY, service=origin)

    async def solve(page: str, sitekey: str) -> str:
        info = CaptchaInfo(type=CaptchaType.RECAPTCHA_V2, website_url=page, website_key=sitekey)
        token: str = (await solver.solve(info)).token
        return token

    return solve


def python3_anticaptcha(origin: str, speed: float) -> Solve:
    from python3_anticaptcha.core import aio_captcha_instrument
    from python3_anticaptcha.recaptcha_v2 import ReCaptchaV2

    hurry(speed, aio_captcha_instrument)
    aio_captcha_instrument.BASE_REQUEST_URL = f"{origin}/"

    async def solve(page: str, sitekey: str) -> str:
        kind = "RecaptchaV2TaskProxyless"
        client = ReCaptchaV2(api_key=KEY, captcha_type=kind, websiteURL=page, websiteKey=sitekey)
        token: str = (await client.aio_captcha_handler())["solution"]["gRecaptchaResponse"]
        return token

    return solve


def multicaps(origin: str, speed: float) -> Solve:
    from multicaps import CaptchaSolver, CaptchaSolvingService
    from multicaps._service import anti_captcha, base

    hurry(speed, base)
    anti_captcha.Service.BASE_URL = origin

    def solve(page: str, sitekey: str) -> str:
        with CaptchaSolver(CaptchaSolvingService.ANTI_CAPTCHA, KEY) as solver:
            return str(solver.solve_recaptcha_v2(site_key=sitekey, page_url=page).solution)

    return solve


def captchatools(origin: str, speed: float) -> Solve:
    import captchatools
    from captchatools import capmonster

    hurry(speed, capmonster)
    capmonster.BASEURL = origin

    def solve(page: str, sitekey: str) -> str:
        harvester = captchatools.new_harvester(
            solving_site="capmonster", api_key=KEY, sitekey=sitekey, captcha_url=page
        )
        token: str = harvester.get_token()
        return token

    return solve


def captcha_router(origin: str, speed: float) -> Solve:
    from captcha_router import CaptchaRouter, CaptchaTaskSpec, base
    from captcha_router.providers import anticaptcha

    hurry(speed, base, anticaptcha)
    anticaptcha.AntiCaptchaProvider.BASE_URL = origin
    solver = CaptchaRouter.get_solver(provider_name="anticaptcha", api_key=KEY)

    async def solve(page: str, sitekey: str) -> str:
        spec = CaptchaTaskSpec(kind="recaptcha_v2", params={"website_url": page, "site_key": sitekey})
        token: str = (await solver.solve_task(spec)).token
        return token

    return solve


CLIENTS: dict[str, Callable[[str, float], Solve]] = {
    "anticaptchaofficial": anticaptchaofficial,
    "capmonstercloudclient": capmonstercloudclient,
    "capsolver": capsolver,
    "capsolver-core": capsolver_core,
    "python3-anticaptcha": python3_anticaptcha,
    "multicaps": multicaps,
    "captchatools": captchatools,
    "captcha-router": captcha_router,
}
"""By the name of the package on PyPI: from the service's origin and the speed to its way of solving."""
SHAPES = {"capsolver": TaskShape(created="idle", running="idle", solution="both")}
"""What a client's own service answers, where that is not what OMOcaptcha's second version does."""
