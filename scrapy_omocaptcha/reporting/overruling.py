"""Say how a page is taken for a challenge that was left alone."""

from scrapy.http import Response

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.detection.marks import WALL_STATUSES
from scrapy_omocaptcha.urls import host_of


def may_be_challenge(response: Response, page: Challenge) -> bool:
    """Tell whether a page that is left alone may be a challenge all the same.

    A page whose form asks for something to be filled in has content of its own, unless its status says otherwise.
    """
    return response.status in WALL_STATUSES or bool(page.does) or page.judgement == "doubtful"


def overruling(page: Challenge) -> tuple[str, str]:
    """Return what says that pages like ``page`` are challenges, and the line of settings.py if that is enough."""
    if page.judgement == "doubtful":
        return "this line of settings.py", f'OMOCAPTCHA_WALLED_HOSTS = ["{host_of(page.url)}"]'
    # Its form does something, which only the spider can know to be meant.
    return "omocaptcha_trigger in the spider", ""
