"""Recognise walls by what a crawl has seen of a site, where a page alone leaves doubt what its form is for."""

from dataclasses import replace
from http import HTTPStatus

from scrapy import Request
from scrapy.http import Response
from scrapy.utils.datatypes import LocalCache

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.detection import is_for_once, read_title
from scrapy_omocaptcha.urls import public_address

_MAX_PAGES = 10_000
_MAX_FORMS = 1000


class Sightings:
    """The pages that a crawl has got without a wall, and the forms that it has been shown instead.

    A page whose form might do something in a person's name is none of its business, whatever it has seen.
    """

    def __init__(self) -> None:
        self._pages: LocalCache[int, bool] = LocalCache(_MAX_PAGES)
        """The hashes of the addresses that have given a page without a widget."""
        self._forms: LocalCache[object, str] = LocalCache(_MAX_FORMS)
        """The address in whose place each form stood first."""

    def page_seen(self, request: Request, response: Response) -> None:
        """Record that a request was answered with a page without a widget."""
        if request.method == "GET" and response.status == HTTPStatus.OK and not response.flags:
            self._pages[hash(request.url)] = True

    def judge(self, request: Request, response: Response, challenge: Challenge) -> Challenge:
        """Return a challenge that is in doubt as one that withholds its page, if what was seen shows that it does."""
        form = challenge.form
        if challenge.judgement != "doubtful" or challenge.does or form is None:
            return challenge
        evidence = None
        if request.method == "GET" and hash(request.url) in self._pages:
            evidence = "its address has given another page before"
        elif form.url != response.url:
            values = tuple((name, "" if is_for_once(name) else value) for name, value in form.fields)
            key = (form.method, public_address(form.url), values, challenge.sitekey, read_title(response))
            first = self._forms.setdefault(key, public_address(request.url))
            if first != public_address(request.url):
                evidence = f"the same form stood in the place of {first}"
        if evidence is None:
            return challenge
        return replace(challenge, judgement="withholds", evidence=(*challenge.evidence, evidence))
