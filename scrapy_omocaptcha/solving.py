"""Buy tokens for what a spider has found itself, in its callbacks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from scrapy.crawler import Crawler

from scrapy_omocaptcha.challenge import Challenge, Token
from scrapy_omocaptcha.middleware import OmoCaptchaMiddleware
from scrapy_omocaptcha.tokens.verdict import unknown
from scrapy_omocaptcha.upfront.wishes import check_sitekey

if TYPE_CHECKING:
    # Playwright is an extra.
    from playwright.async_api import Page

    from scrapy_omocaptcha.browser.live.purchase import PagePurchase


async def solve(challenge: Challenge, *, crawler: Crawler) -> Token:
    """Buy a token for a challenge, under all limits of the crawl; to be awaited in a spider's callback.

    The response of the callback counts in Scrapy's scraper meanwhile, so that many callbacks that wait slow the crawl
    down. With ``OMOCAPTCHA_CLOSE_ON_LIMIT``, an error about a limit is raised only once all tokens that have been paid
    for are used.

    :raises ValueError: when the challenge's key is no key of reCAPTCHA v2. Nothing is bought.
    :raises NotBought: when a limit is reached, or the challenge may not be solved; see its ``reason``.
    :raises JobError: when a job was bought and gave no token.
    :raises ApiError: when the service took no job.
    :raises CrawlClosing: when the crawl closes.
    :raises RuntimeError: when the add-on is not active in this crawl.
    """
    if not isinstance(challenge, Challenge):
        raise TypeError(f"challenge is {challenge!r}, not what find_challenge has found")
    if challenge.sitekey:
        check_sitekey(challenge.sitekey, "the challenge")
    purchase = await _active(crawler).buy(challenge, "solve")
    purchase.record(unknown("by_hand"))
    return purchase.token


async def solve_page(page: Page, *, crawler: Crawler, widget: str | None = None, press: bool = False) -> PagePurchase:
    """Buy a token for a page that the spider drives, and give it to the page's widget::

        async def parse(self, response):
            page = response.meta["playwright_page"]
            await page.fill("#name", "Albatross")
            async with await solve_page(page, crawler=self.crawler) as purchase:
                await page.click("#search")
                await page.wait_for_selector(".result, .error")
                if await page.is_visible(".error"):
                    purchase.rejected()
                else:
                    purchase.accepted()

    It is awaited in a callback, under all limits of the crawl, and returns when the widget's field has the token and
    its callback has been called, as if a visitor had solved it. What the page does next is up to the spider, which
    also says what the site made of the token. From then on, all forms of the page are sent as the browser sends them;
    requests that would carry the token to another site are stopped.

    :param page: a page of scrapy-playwright. The widget may be in a frame of the page's own site.
    :param widget: the widget, where the page has several: a CSS selector of it, or of something around it. Without it,
        the only visible one.
    :param press: whether to press the button of the widget's own form as well, unless its callback sends something.
    :raises ValueError: when the page has no such widget, or more than one.
    :raises HandoverBroke: when the page was closed or left while the token was bought, does not answer any more, or
        has no button to press. The job is paid.
    :raises NotBought: when a limit is reached, or the widget may not be solved; see its ``reason``.
    :raises JobError: when a job was bought and gave no token.
    :raises ApiError: when the service took no job.
    :raises CrawlClosing: when the crawl closes.
    :raises RuntimeError: when the add-on, or scrapy-playwright, is not active in this crawl.
    """
    middleware = _active(crawler)
    medium = middleware.mediums.driven
    if medium is None:
        raise RuntimeError("no page is rendered in this crawl: DOWNLOAD_HANDLERS has no scrapy-playwright")
    buy = partial(middleware.buy, purpose=medium.purpose)
    purchase: PagePurchase = await medium.live_pages.solve(page, widget, press, buy)
    return purchase


def _active(crawler: Crawler) -> OmoCaptchaMiddleware:
    middleware = crawler.get_downloader_middleware(OmoCaptchaMiddleware)
    if middleware is None or middleware.is_off:
        raise RuntimeError("OMOcaptcha is not active in this crawl: see its line at the start of the log")
    return middleware
