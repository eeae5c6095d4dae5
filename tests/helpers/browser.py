"""Submit forms and open pages in a real browser, headless Chromium.

Every host name resolves to a server on the loopback interface, so that pages keep their own addresses and nothing
leaves the machine. The server serves the page under test, with a policy that blocks its scripts and everything that it
would load, and records the next request of the browser.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import subprocess
import tempfile
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from aiohttp import web

from scrapy_omocaptcha.testing.browser import installed_chromium
from tests.helpers.certificates import self_signed

CHROMIUM = installed_chromium()

_T = TypeVar("_T")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    # Pages are served as they stand: over plain http, and over https with a certificate of our own.
    "--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable",
    "--ignore-certificate-errors",
    "--no-proxy-server",
    "--remote-debugging-port=0",
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STEP = 20.0
"""Seconds that one step of the browser may take."""

# Puts the token where Google's script puts its textarea, and submits by the form's button or as a script does.
_SUBMIT = """
(selector, index, token, pressed) => {
  const widget = document.querySelectorAll(selector)[index];
  const isButton = widget.matches('button, input');
  const form = isButton ? widget.form : widget.closest('form');
  const inForm = (elements) => [...elements].filter((element) => element.form === form);
  let place = inForm(document.querySelectorAll('textarea[name="g-recaptcha-response"]'))[0];
  if (!place) {
    place = document.createElement('textarea');
    place.name = 'g-recaptcha-response';
    if (isButton) widget.before(place); else widget.append(place);
  }
  place.value = token;
  form.removeAttribute('target');
  form.setAttribute('novalidate', '');
  if (pressed) {
    const buttons = inForm(document.querySelectorAll('button, input'))
      .filter((button) => ['submit', 'image'].includes(button.type));
    const button = buttons.find((button) => button.name || !button.matches(':disabled')) || buttons[0];
    if (button) {
      button.disabled = false;
      button.removeAttribute('formtarget');
    }
    HTMLFormElement.prototype.requestSubmit.call(form, button);
  } else {
    HTMLFormElement.prototype.submit.call(form);
  }
}
"""


@dataclass(frozen=True)
class Page:
    """Page that the server serves."""

    url: str
    body: bytes
    charset: str = "utf-8"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Sent:
    """Request that the server received."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Seen:
    """State of a page that was opened."""

    value: Any
    """Value of the expression that was evaluated in the page."""
    requests: tuple[str, ...]
    """Every URL that was requested, including that of the page."""
    complaints: tuple[str, ...]
    """Messages of the browser and of scripts on the console."""


class Browser:
    """Chromium and its server, in an event loop that runs while a test waits for it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._ids = itertools.count(1)
        self._page: Page | None = None
        self._next: asyncio.Future[Sent] | None = None
        self._events: list[dict[str, Any]] = []
        self._await(self._start())

    def submit(self, page: Page, selector: str, *, index: int = 0, token: str, pressed: bool) -> Sent:
        """Submit the form of a widget on ``page`` with ``token``, and return the request."""
        return self._await(self._submit(page, selector, index, token, pressed))

    def look(self, url: str, expression: str, *, width: int = 1200, dark: bool = False) -> Seen:
        """Open ``url`` in a window of that width, and evaluate ``expression`` once all is loaded."""
        return self._await(self._look(url, expression, width, dark))

    def close(self) -> None:
        """Stop the browser and the server, and remove the profile."""
        self._await(self._stop())
        self._loop.close()

    def _await(self, awaitable: Awaitable[_T]) -> _T:
        return self._loop.run_until_complete(awaitable)

    async def _start(self) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="omocaptcha-browser-", ignore_cleanup_errors=True)
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=_tls(Path(self._home.name))).start()
        plain, tls = (address[1] for address in self._runner.addresses)
        self._process = await asyncio.create_subprocess_exec(
            str(CHROMIUM),
            *_FLAGS,
            f"--host-resolver-rules=MAP *:80 127.0.0.1:{plain},MAP *:443 127.0.0.1:{tls}",
            f"--user-data-dir={self._home.name}/profile",
            "about:blank",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        listening: asyncio.Future[str] = self._loop.create_future()
        self._log = self._loop.create_task(self._read_log(listening))
        address = await asyncio.wait_for(listening, 3 * _STEP)
        self._session = aiohttp.ClientSession()
        self._socket = await self._session.ws_connect(address, max_msg_size=0)
        targets = (await self._call("Target.getTargets"))["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._tab = (await self._call("Target.attachToTarget", targetId=page, flatten=True))["sessionId"]

    async def _stop(self) -> None:
        await self._call("Browser.close")
        await self._socket.close()
        await self._session.close()
        await self._process.wait()
        await self._log
        await self._runner.cleanup()
        self._home.cleanup()

    async def _read_log(self, listening: asyncio.Future[str]) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            if line.startswith(b"DevTools listening on ") and not listening.done():
                listening.set_result(line.split()[-1].decode())
        if not listening.done():
            listening.set_exception(RuntimeError("Chromium ended without saying where it listens"))

    async def _call(self, method: str, tab: str | None = None, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        message = {"id": number, "method": method, "params": params}
        await self._socket.send_json(message if tab is None else {**message, "sessionId": tab})
        while True:
            answer = await self._socket.receive_json(timeout=_STEP)
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            self._events.append(answer)

    async def _evaluate(self, expression: str) -> Any:
        result = await self._call(
            "Runtime.evaluate", self._tab, expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["exception"].get("description"))
        return result["result"].get("value")

    async def _look(self, url: str, expression: str, width: int, dark: bool) -> Seen:
        domains = ("Log", "Network", "Runtime")
        for domain in domains:
            await self._call(f"{domain}.enable", self._tab)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        window = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        await self._call("Emulation.setDeviceMetricsOverride", self._tab, **window)
        await self._call("Emulation.setEmulatedMedia", self._tab, features=[scheme])
        self._events.clear()
        arrived = await self._call("Page.navigate", self._tab, url=url)
        assert "errorText" not in arrived, arrived
        await self._evaluate(
            "document.readyState == 'complete' || new Promise(go => addEventListener('load', () => go()))"
        )
        value = await self._evaluate(expression)
        for domain in domains:
            # Its answer comes after all that the domain had to say.
            await self._call(f"{domain}.disable", self._tab)
        await self._call("Emulation.clearDeviceMetricsOverride", self._tab)
        said = [(event["method"], event["params"]) for event in self._events]
        return Seen(
            value,
            tuple(params["request"]["url"] for method, params in said if method == "Network.requestWillBeSent"),
            tuple(
                json.dumps(params)
                for method, params in said
                if method in ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
            ),
        )

    async def _submit(self, page: Page, selector: str, index: int, token: str, pressed: bool) -> Sent:
        self._page, self._next = page, None
        arrived = await self._call("Page.navigate", self._tab, url=page.url)
        assert "errorText" not in arrived, arrived
        await self._evaluate(
            "document.readyState != 'loading' || new Promise(go => addEventListener('DOMContentLoaded', go))"
        )
        self._next = self._loop.create_future()
        arguments = ", ".join(json.dumps(value) for value in (selector, index, token, pressed))
        await self._evaluate(f"({_SUBMIT})({arguments})")
        return await asyncio.wait_for(self._next, _STEP)

    async def _answer(self, request: web.Request) -> web.Response:
        # Only navigations carry this header; what the browser asks for on its own account does not.
        if request.headers.get("Upgrade-Insecure-Requests") == "1":
            if self._page is not None:
                page, self._page = self._page, None
                return web.Response(
                    body=page.body,
                    headers={
                        "Content-Type": f"text/html; charset={page.charset}",
                        "Content-Security-Policy": _POLICY,
                        **dict(page.headers),
                    },
                )
            if self._next is not None and not self._next.done():
                url = f"{request.scheme}://{request.host}{request.raw_path}"
                self._next.set_result(Sent(request.method, url, dict(request.headers), await request.read()))
        # No content: the browser stays where it is.
        return web.Response(status=204)


def _tls(folder: Path) -> ssl.SSLContext:
    path = folder / "loopback.pem"
    path.write_bytes(self_signed("loopback"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
