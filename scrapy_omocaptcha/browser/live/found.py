"""Find the widgets of a page that a spider drives, and tell which of them is meant.

The page's HTML tells what a widget is, as at walls; the page itself, whether it is there and can be seen.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from operator import attrgetter
from typing import Any, NamedTuple

from playwright.async_api import Error, Frame, Page
from scrapy.http import HtmlResponse

from scrapy_omocaptcha.browser.page import WIDGET_TIMEOUT, evaluate, until
from scrapy_omocaptcha.browser.widget import SCRIPT, LiveWidget
from scrapy_omocaptcha.challenge import Challenge, Form
from scrapy_omocaptcha.detection import find_challenge
from scrapy_omocaptcha.errors import CrawlClosing, NotBought
from scrapy_omocaptcha.tokens.reasons import NOT_RENDERED
from scrapy_omocaptcha.urls import public_address, same_site

_CHECK_SELECTOR = """(selector) => {
  try { document.createDocumentFragment().querySelector(selector); } catch (error) { return error.message; }
}"""


class Found(NamedTuple):
    """A widget of a page."""

    challenge: Challenge | None
    """The challenge that the HTML has for it; None if it is no reCAPTCHA v2 widget."""
    widget: LiveWidget | None
    """The widget as it is rendered; None if it is not."""
    is_visible: bool = False
    is_meant: bool = False
    """Whether the selector of the spider leads to it."""

    def is_usable(self) -> bool:
        """Tell whether it is a reCAPTCHA v2 widget that is rendered."""
        return None not in (self.challenge, self.widget)

    def __str__(self) -> str:
        assert self.widget is not None
        form = self.widget.form
        where = f"in the form sent to {public_address(form.url)}" if form else "in no form"
        return f"{self.widget.sitekey} ({where}, {'visible' if self.is_visible else 'hidden'})"


async def find_widget(page: Page, selector: str | None, is_closing: Callable[[], bool]) -> tuple[LiveWidget, Challenge]:
    """Return the widget of a page that is meant, as soon as it is rendered.

    :raises ValueError: when there is none, or more than one.
    :raises NotBought: when Google's script does not render it.
    :raises CrawlClosing: when the crawl closes.
    """
    found: list[Found] = []

    async def look() -> bool:
        found[:] = [each for frame in page.frames for each in await _look_into(page, frame, selector)]
        return page.is_closed() or any(each.is_meant for each in filter(Found.is_usable, found))

    await until(look, WIDGET_TIMEOUT, is_closing)
    if is_closing():
        raise CrawlClosing
    if page.is_closed():
        raise ValueError(f"the page of {public_address(page.url)} is closed")
    if selector is not None and (wrong := await evaluate(page, _CHECK_SELECTOR, selector)):
        raise ValueError(f"widget={selector!r} is no CSS selector: {wrong}")
    chosen = _choose(public_address(page.url), selector, found)
    assert chosen.widget is not None
    assert chosen.challenge is not None
    return chosen.widget, chosen.challenge


def _choose(where: str, selector: str | None, found: list[Found]) -> Found:
    """Return the widget that is meant: the only one, or the only one that is visible."""
    usable = list(filter(Found.is_usable, found))
    meant = list(filter(attrgetter("is_meant"), usable))
    meant = list(filter(attrgetter("is_visible"), meant)) or meant
    if len(meant) == 1:
        return meant[0]
    listed = "; ".join(map(str, meant or usable))
    if meant:
        raise ValueError(f"{where} has {len(meant)} widgets, so pass widget='<CSS selector>': {listed}")
    if usable:
        raise ValueError(f"widget={selector!r} leads to none of the widgets of {where}: {listed}")
    if any(each.challenge for each in found):
        raise NotBought(*NOT_RENDERED)
    if found:
        raise ValueError(f"{where} has no reCAPTCHA v2 widget; what it has is of another version, such as v3")
    raise ValueError(f"{where} has no reCAPTCHA v2 widget; if it is shown after a click, click first")


async def _look_into(page: Page, frame: Frame, selector: str | None) -> list[Found]:
    """Return the widgets of a frame; those of other sites, as Google's own, have none that the page can use."""
    url = page.url if frame.url.startswith("about:") else frame.url
    if not same_site(page.url, url):
        return []
    # A frame may be on its way to another address.
    with suppress(Error):
        seen = await evaluate(frame, f"(selector) => {SCRIPT}.look(selector)", selector)
        challenge = find_challenge(HtmlResponse(url, body=seen["html"], encoding="utf-8"))
        challenges = [] if challenge is None else [challenge, *challenge.others]
        return list(_match(frame, seen["widgets"], challenges))
    return []


def _match(frame: Frame, widgets: list[dict[str, Any]], challenges: list[Challenge]) -> Iterator[Found]:
    """Yield what is known of each widget that is rendered, or of those in the HTML if none is."""
    # The first challenge of each key, and of each key in each form.
    known: dict[object, Challenge] = {}
    for challenge in reversed(challenges):
        number = challenge.form and challenge.form.number
        known[challenge.sitekey] = known[challenge.sitekey, number] = challenge
    seen: list[tuple[str, int | None]] = []
    for each in widgets:
        place = sitekey, number = each["sitekey"], each["form"]
        # Of a form that cannot be sent, the number is all that is needed.
        form = None if number is None else Form("GET", "", (), number=number)
        if place in known:
            form = known[place].form
        widget = LiveWidget(frame, sitekey, form, seen.count(place))
        seen.append(place)
        yield Found(known.get(place, known.get(sitekey)), widget, each["isVisible"], each["isMeant"])
    if not widgets:
        yield from (Found(challenge, None) for challenge in challenges)
