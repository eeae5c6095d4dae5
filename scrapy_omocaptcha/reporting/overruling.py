"""Say how a page is taken for a challenge that was left alone: by a line of settings, or by three of a spider."""

from scrapy.http import Response

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.detection.marks import WALL_STATUSES
from scrapy_omocaptcha.forms.page import parse_page
from scrapy_omocaptcha.urls import host_of

_TITLE = "normalize-space(//title)"


def may_be_challenge(response: Response, page: Challenge) -> bool:
    """Tell whether a page that is left alone may be a challenge all the same.

    A page whose form asks for something to be filled in has content of its own, unless its status says otherwise.
    """
    return response.status in WALL_STATUSES or bool(page.does) or page.judgement == "doubtful"


def overruling_lines(response: Response, page: Challenge) -> tuple[str, list[str]]:
    """Return where the lines of Python belong by which pages like ``response`` are challenges, and the lines."""
    if page.judgement == "doubtful":
        return "this line of settings.py", [f'OMOCAPTCHA_WALLED_HOSTS = ["{host_of(page.url)}"]']
    return "this method of the spider", _trigger_for(response, page)


def _trigger_for(response: Response, page: Challenge) -> list[str]:
    selector = parse_page(response)
    title = "" if selector is None else selector.xpath(_TITLE).get()
    marks, values = f'response.status, response.xpath("{_TITLE}").get()', f"{response.status}, {title!r}"
    if page.form is not None and page.form.url.partition("?")[0] != response.url.partition("?")[0]:
        marks += ', challenge.form and challenge.form.url.partition("?")[0]'
        values += f", {page.form.url.partition('?')[0]!r}"
    return [
        "def omocaptcha_trigger(self, response, challenge):",
        f"    page = {marks}",
        f"    return True if page == ({values}) else None",
    ]
