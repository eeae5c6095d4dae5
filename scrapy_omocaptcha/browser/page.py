"""Read a page that is open in a browser, and wait for what it shows."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from playwright.async_api import Error, Frame, Page
from scrapy.http import HtmlResponse

from scrapy_omocaptcha.challenge import Challenge

T = TypeVar("T")

LOAD_TIMEOUT = 10.0
"""Longest wait for the page that a token leads to, in seconds."""
WIDGET_TIMEOUT = 5.0
"""Longest wait for the widget of a challenge to be rendered, in seconds."""
_CHALLENGE_TIMEOUT = 2.0
"""Longest wait for the challenge of a page, in seconds."""
_END_TIMEOUT = 2.0
"""Longest wait for a page to answer, or to be closed, once nothing more is expected of it, in seconds."""
_INTERVAL = 0.2
"""Seconds between two looks at a page."""
_READ = """() => [
  document.documentElement.outerHTML.includes("recaptcha"),
  (performance.getEntriesByType("navigation")[0] || {}).responseStatus || 200,
]"""


async def read(page: Page) -> HtmlResponse:
    """Return what a page shows, with the status of its last navigation, or 200 if the browser does not tell.

    The body is empty unless it contains the word "recaptcha", without which the page is no challenge.
    """
    is_suspicious, status = await evaluate(page, _READ)
    content = await answered(page.content()) if is_suspicious else ""
    return HtmlResponse(page.url, status, body=content, encoding="utf-8")


async def wait_for_challenge(
    page: Page, find: Callable[[HtmlResponse], Challenge | None], is_closing: Callable[[], bool]
) -> Challenge | None:
    """Return the challenge in a page, where a script may show it some time after the page was loaded."""
    found: list[Challenge | None] = []

    async def look() -> bool:
        # The page may be on its way to another address.
        with suppress(Error):
            found[:] = [find(await read(page))]
        return any(found)

    return found[0] if await until(look, _CHALLENGE_TIMEOUT, is_closing) else None


async def evaluate(page: Page | Frame, script: str, argument: Any = None) -> Any:
    """Return the value of a script in a page."""
    return await answered(page.evaluate(script, argument))


class Unanswered(Error):
    """A page, which may wait for another one, did not answer."""


async def answered(answer: Awaitable[T], timeout: float = LOAD_TIMEOUT) -> T:
    """Wait for an answer of a page, for so many seconds."""
    try:
        return await asyncio.wait_for(answer, timeout)
    except asyncio.TimeoutError:
        raise Unanswered("the page does not answer") from None


async def leave(page: Page, *, empty: bool) -> bool:
    """Leave a page so that it can be read at once, showing nothing if it is to be ``empty``.

    :returns: whether it had to be closed, since it does not answer.
    """
    for window in page.context.pages:
        if await window.opener() == page:
            await close(window)
    try:
        await answered(page.evaluate("0"), _END_TIMEOUT)
        if empty:
            await page.goto("about:blank", timeout=_END_TIMEOUT * 1000)
    except Error as error:
        # A page that is on its way elsewhere answers by an error.
        if not page.is_closed() and (empty or isinstance(error, Unanswered)):
            await close(page)
            return True
    return False


async def close(page: Page) -> None:
    """Close a page, by its target if it does not answer, as Chromium does not where it is on its way elsewhere."""
    with suppress(Error):
        await answered(page.close(), _END_TIMEOUT)
        return
    with suppress(Error):
        session = await answered(page.context.new_cdp_session(page), _END_TIMEOUT)
        await answered(session.send("Page.close"), _END_TIMEOUT)


async def is_loaded(page: Page) -> bool:
    # The page may be on its way to another address.
    with suppress(Error):
        return bool(await evaluate(page, "document.readyState === 'complete'"))
    return False


async def until(condition: Callable[[], Awaitable[bool]], timeout: float, is_closing: Callable[[], bool]) -> bool:
    """Wait until a condition holds; return False if it does not within ``timeout`` seconds, or the crawl closes."""

    async def looks() -> None:
        while not await condition():
            await asyncio.sleep(_INTERVAL)

    end = time.monotonic() + timeout
    # A single look may take as long as a page takes to come.
    looking = asyncio.ensure_future(looks())
    # A look that is cancelled may end with another error, as in a page that closes, which nobody waits for any more.
    looking.add_done_callback(lambda task: task.cancelled() or task.exception())
    try:
        while not looking.done() and time.monotonic() < end and not is_closing():
            await asyncio.wait([looking], timeout=_INTERVAL)
        if looking.done():
            looking.result()
        return looking.done()
    finally:
        looking.cancel()
