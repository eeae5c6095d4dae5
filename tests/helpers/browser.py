"""Submit forms and open pages in a real browser, headless Chromium.

Every host name resolves to a server on the loopback interface, so that pages keep their own addresses and nothing
leaves the machine. The server serves the page under test, with a policy that blocks its scripts and everything that it
would load, and records the next request of the browser.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web
from playwright.async_api import async_playwright

from scrapy_omocaptcha.testing.browser import installed_chromium
from tests.helpers.certificates import self_signed

CHROMIUM = installed_chromium()

_T = TypeVar("_T")
_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    # Pages are served as they stand: over plain http, and over https with a certificate of our own.
    "--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable",
    "--no-proxy-server",
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STEP = 20.0
"""Seconds that one step of the browser may take."""

# Puts the token where Google's script puts its textarea, and submits by the form's button or as a script does.
_SUBMIT = """
([selector, token, pressed]) => {
  const widget = document.querySelector(selector);
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
        self._page: Page | None = None
        self._next: asyncio.Future[Sent] | None = None
        self._await(self._start())

    def submit(self, page: Page, selector: str, *, token: str, pressed: bool) -> Sent:
        """Submit the form of a widget on ``page`` with ``token``, and return the request."""
        return self._await(self._submit(page, selector, token, pressed))

    def look(self, url: str, expression: str, *, width: int = 1200, dark: bool = False) -> Seen:
        """Open ``url`` in a window of that width, and evaluate ``expression`` once all is loaded."""
        return self._await(self._look(url, expression, width, dark))

    def close(self) -> None:
        """Stop the browser and the server."""
        self._await(self._stop())
        self._loop.close()

    def _await(self, awaitable: Awaitable[_T]) -> _T:
        return self._loop.run_until_complete(awaitable)

    async def _start(self) -> None:
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=_tls()).start()
        plain, tls = (address[1] for address in self._runner.addresses)
        rules = f"--host-resolver-rules=MAP *:80 127.0.0.1:{plain},MAP *:443 127.0.0.1:{tls}"
        self._playwright = await async_playwright().start()
        self._browser = await self._playwright.chromium.launch(executable_path=CHROMIUM, args=[*_FLAGS, rules])
        self._tab = await self._browser.new_page(ignore_https_errors=True)
        self._tab.set_default_timeout(1000 * _STEP)

    async def _stop(self) -> None:
        await self._browser.close()
        await self._playwright.stop()
        await self._runner.cleanup()

    async def _look(self, url: str, expression: str, width: int, dark: bool) -> Seen:
        requests: list[str] = []
        complaints: list[str] = []
        heard = {
            "request": lambda request: requests.append(request.url),
            "console": lambda message: complaints.append(message.text),
            "pageerror": lambda error: complaints.append(str(error)),
        }
        await self._tab.set_viewport_size({"width": width, "height": 800})
        await self._tab.emulate_media(color_scheme="dark" if dark else "light")
        for event, hear in heard.items():
            self._tab.on(event, hear)
        await self._tab.goto(url)
        value = await self._tab.evaluate(expression)
        for event, hear in heard.items():
            self._tab.remove_listener(event, hear)
        return Seen(value, tuple(requests), tuple(complaints))

    async def _submit(self, page: Page, selector: str, token: str, pressed: bool) -> Sent:
        self._page, self._next = page, None
        await self._tab.goto(page.url, wait_until="domcontentloaded")
        self._next = self._loop.create_future()
        await self._tab.evaluate(_SUBMIT, [selector, token, pressed])
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


def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "loopback.pem")
        path.write_bytes(self_signed("loopback"))
        context.load_cert_chain(path)
    return context
