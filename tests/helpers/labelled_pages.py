"""Pages with a widget that were written for the tests, and sites that show them.

Each is a wall, an action, which does something in a person's name, or doubtful. They were written by hands that had not
read the rules: those whose names begin with n and o, as real software shows them, when the rules were those of today;
all others before, of which only those are kept that the rules of today judge rightly.
"""

import json
from html import escape
from pathlib import Path

from aiohttp import web
from scrapy import Request
from scrapy.http import HtmlResponse

from scrapy_omocaptcha.challenge import TOKEN_FIELD
from tests.helpers.sites import Site, page

PAGES = [json.loads(line) for line in Path(__file__).with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()]
"""A dict for each page: ``file``, ``label``, ``language``, ``status``, ``url``, what it ``does``, and its ``html``.

Those of n and o also have the address that was ``asked`` for, the ``product`` that they are modelled on, and whether
they were taken for walls at ``first``, before anything was changed with them in view.
"""


def labelled(*labels):
    return [page for page in PAGES if page["label"] in labels]


def response(page, status=None):
    """Return a page as it was served, or as it would be with another status."""
    return HtmlResponse(page["url"], body=page["html"].encode(), status=status or page["status"], encoding="utf-8")


def request_of(page):
    """Return the request that a page answers, as it is after redirects."""
    asked = page.get("asked", page["url"])
    return Request(page["url"], meta={} if asked == page["url"] else {"redirect_urls": [asked]})


class LabelledSites(Site):
    """The sites of all pages with some labels, as a proxy serves them; :attr:`first` links to all of the pages.

    A browser asks for them at the site's own address, where two of one path are one. A token that comes with the
    address of a page as its Referer opens that page for the session.
    """

    first = "http://first.example/"

    def __init__(self, *labels, part=slice(None)):
        super().__init__(self._show)
        self.pages = {each["url"].replace("https:", "http:"): each for each in labelled(*labels)[part]}

    def move_here(self):
        """Give all pages an address at this site, and return these."""
        here = {f"{self.origin}/{url.split('/', 3)[3]}": each for url, each in self.pages.items()}
        self.pages = here
        return list(here)

    @property
    def submissions(self):
        """Return the requests that a form has made: method and address."""
        return [(method, url) for method, url, *_ in self.requests if method != "GET" or TOKEN_FIELD in url]

    def _show(self, request, form):
        url, asked = str(request.url), request.headers.get("Referer", "")
        if url == self.first:
            return page("".join(f'<a href="{escape(url)}">page</a> ' for url in self.pages))
        if (TOKEN_FIELD in form or TOKEN_FIELD in url) and asked in self.pages:
            answer = web.Response(status=303, headers={"Location": asked})
            answer.set_cookie(self.pages[asked]["file"], "open", path="/")
            return answer
        shown = self.pages.get(url)
        if shown is None or shown["file"] in request.cookies:
            return page("<title>behind</title>")
        # The sites are shown over plain HTTP.
        html = shown["html"].replace(f"https://{request.url.host}/", f"http://{request.url.host}/")
        return web.Response(text=html, status=shown["status"], content_type="text/html")
