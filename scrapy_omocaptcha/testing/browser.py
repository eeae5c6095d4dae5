"""Crawl with scrapy-playwright offline: a stand-in answers for Google, and no other request leaves the machine.

::

    with OmoCaptchaService() as service, WalledSite(service, "callback_only") as site:
        crawl(MySpider, start=f"{site.url}/catalogue/", settings={**service.settings, **browser_settings()})

The stand-in, ``google.js``, renders widgets as Google documents it. Nobody solves them in the browser.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy.utils.misc import load_object

if TYPE_CHECKING:
    from playwright.async_api import Page, Route
    from scrapy import Request

_HANDLER = "scrapy_playwright.handler.ScrapyPlaywrightDownloadHandler"
_CALLBACK = "playwright_page_init_callback"
_SPIDERS_CALLBACK = "_offline_google_init_callback"

_SCRIPT = Path(__file__).with_name("google.js")
_ELSEWHERE = re.compile(r"^(?!https?://(?:127(?:\.\d+){3}|localhost)(?:[:/?#]|$))", re.IGNORECASE)
_GOOGLE = re.compile(
    r"https?://(?:www\.google\.com|(?:www\.)?recaptcha\.net)/recaptcha/"
    r"(?:(?P<script>(?:api|enterprise)\.js)|(?:api2|enterprise)/(?:anchor|bframe))(?:[?#]|$)"
)

_ARGUMENTS = (
    # A name that a page may not reach is not even looked up. This also holds for popups, workers and web sockets.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.* , EXCLUDE localhost",
    # A proxy of the environment would look names up itself.
    "--no-proxy-server",
    "--disable-gpu",
    "--disable-quic",
)


def browser_settings() -> dict[str, Any]:
    """Return Scrapy settings for a crawl with scrapy-playwright and a headless Chromium that reach loopback only.

    Chromium is the installed ``chromium-headless-shell``, ``chromium`` or ``chromium-browser``, or else the one that
    Playwright has downloaded.
    """
    options: dict[str, Any] = {"headless": True, "args": list(_ARGUMENTS)}
    chromium = installed_chromium()
    if chromium is not None:
        options["executable_path"] = chromium
    return {
        "DOWNLOAD_HANDLERS": {"http": _HANDLER, "https": _HANDLER},
        "TWISTED_REACTOR": "twisted.internet.asyncioreactor.AsyncioSelectorReactor",
        "PLAYWRIGHT_BROWSER_TYPE": "chromium",
        "PLAYWRIGHT_LAUNCH_OPTIONS": options,
        # The place next to the downloader is one that requests of other middlewares pass too.
        "DOWNLOADER_MIDDLEWARES": {f"{__name__}.{OfflineGoogle.__name__}": 1000},
    }


def installed_chromium() -> str | None:
    """Return the path of the first Chromium on the PATH, or None if there is none."""
    # The shell, which Playwright itself downloads for headless crawls, needs less than half of the CPU.
    names = ("chromium-headless-shell", "chromium", "chromium-browser")
    return next(filter(None, map(shutil.which, names)), None)


class OfflineGoogle:
    """Downloader middleware that answers for Google in the pages of ``meta["playwright"]`` requests.

    All other requests of such a page that would leave the machine are aborted. Routes of the spider's own
    ``playwright_page_init_callback`` come first.
    """

    def process_request(self, request: Request) -> None:
        """Add our page callback to the request; that of the spider, if any, is called after it."""
        ours = f"{__name__}.{prepare_page.__name__}"
        spiders = request.meta.get(_CALLBACK)
        if request.meta.get("playwright") and spiders != ours:
            request.meta.update({_CALLBACK: ours, _SPIDERS_CALLBACK: spiders})


async def prepare_page(page: Page, request: Request) -> None:
    """Route what ``page`` wants from elsewhere to the stand-in, then call the spider's own callback."""
    # A page that the spider kept has a route already.
    await page.unroute(_ELSEWHERE)
    await page.route(_ELSEWHERE, _answer)
    spiders = request.meta.get(_SPIDERS_CALLBACK)
    if spiders is not None:
        await load_object(spiders)(page, request)


async def _answer(route: Route) -> None:
    google = _GOOGLE.match(route.request.url)
    if google is None:
        await route.abort()
    elif google["script"]:
        await route.fulfill(path=_SCRIPT, content_type="text/javascript")
    else:
        await route.fulfill(body="<!DOCTYPE html><title>reCAPTCHA</title>", content_type="text/html")
