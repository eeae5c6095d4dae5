"""Find challenges in pages that a browser renders, and give tokens to their widgets.

What is decided about a challenge is in ``tokens``. Here is all that only live pages need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy.crawler import Crawler
from scrapy.settings import BaseSettings
from scrapy.utils.misc import load_object

from scrapy_omocaptcha.engine import Engine

if TYPE_CHECKING:
    from scrapy_omocaptcha.browser.playwright import PlaywrightMedium


def find_medium(crawler: Crawler, engine: Engine) -> PlaywrightMedium | None:
    """Return the browser that renders pages in a crawl, or None if its ``DOWNLOAD_HANDLERS`` have none."""
    schemes = find_schemes(crawler.settings)
    if not schemes:
        return None
    # scrapy-playwright is an extra, so it is imported only where it is used.
    from scrapy_omocaptcha.browser.playwright import PlaywrightMedium

    return PlaywrightMedium(engine, schemes, limits_contexts=bool(crawler.settings.getint("PLAYWRIGHT_MAX_CONTEXTS")))


def find_schemes(settings: BaseSettings) -> frozenset[str]:
    """Return the schemes whose pages can be rendered."""
    handlers = settings.getwithbase("DOWNLOAD_HANDLERS")
    return frozenset(scheme for scheme in ("http", "https") if _is_playwright(handlers.get(scheme)))


def _is_playwright(handler: object) -> bool:
    if handler is None or str(handler).startswith("scrapy.core."):
        return False
    handler_class: type = load_object(handler)  # type: ignore[arg-type]
    return any(base.__module__ == "scrapy_playwright.handler" for base in handler_class.__mro__)
