"""Detect reCAPTCHA v2 challenges, and the walls of other vendors, in responses.

Most responses show at once that they are neither. What reads the others is imported with the first of them, so that
crawls that meet no captcha start sooner.
"""

from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.detection.marks import VENDOR_STATUSES, has_recaptcha_word, wall_word

__all__ = ["find_challenge", "find_other_captcha", "has_recaptcha_word", "wall_word"]


def find_challenge(response: Response, request: Request | None = None) -> Challenge | None:
    """Return the reCAPTCHA v2 challenge of a page.

    :param response: any response, downloaded or built by hand, with raw or with rendered HTML.
    :param request: the request that it answers, if that is known: what a form repeats of it was asked for.
    :returns: the live widget that the page is the challenge of, or may be, or else the first in document order, with
        its form, and the page's other widgets. None if the page has no live widget, or the response is not a page.
    """
    if not has_recaptcha_word(response):
        return None
    from scrapy_omocaptcha.detection.challenges import read_challenge

    return read_challenge(response, request)


def find_other_captcha(response: Response) -> str | None:
    """Return the name of the vendor whose wall the page is (``"hCaptcha"``), or None if it is not such a wall.

    Only a page with the status of a wall is one: many sites load such a product beside their content.
    """
    if response.status not in VENDOR_STATUSES:
        return None
    from scrapy_omocaptcha.detection.vendors import find_vendor

    return find_vendor(response)
