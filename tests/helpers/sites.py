"""Sites whose answers a test decides, for what the well-behaved walls of ``scrapy_omocaptcha.testing`` never do."""

import inspect
import threading
from dataclasses import replace

import scrapy
from aiohttp import web

from scrapy_omocaptcha.testing.server import LoopbackServer
from scrapy_omocaptcha.testing.shop import redirect as found
from tests.helpers.crawling import RecordingSpider


class Site(LoopbackServer):
    """Site that answers with ``answer(request, form)``, which may be a coroutine, and records every request."""

    def __init__(self, answer, host="127.0.0.9"):
        super().__init__([host], 0)
        self._answer = answer
        self._lock = threading.Lock()
        self.requests = []

    async def _handle(self, request):
        form = dict(await request.post())
        with self._lock:
            self.requests.append((request.method, request.path_qs, form, dict(request.headers)))
        answer = self._answer(request, form)
        return await answer if inspect.isawaitable(answer) else answer


KEY = "6LtestOnly" + "a" * 30
CHALLENGE = f"""<title>Are you a robot?</title><p>Access denied.</p><form method=post action=/verify>
<div class=g-recaptcha data-sitekey={KEY}></div><button>Go on</button></form>
<script src=https://www.google.com/recaptcha/api.js></script>"""


def page(text="<title>the page</title>", status=200):
    return web.Response(text=text, status=status, content_type="text/html")


def challenge(action="/verify", *, status=403, **hidden):
    """Return a challenge whose form is sent to ``action``, with these hidden fields."""
    fields = "".join(f"<input type=hidden name={name} value={value}>" for name, value in hidden.items())
    return page(CHALLENGE.replace("/verify", f"'{action}'").replace("<button", f"{fields}<button"), status)


def cleared(request):
    return request.cookies.get("clearance") == "yes"


def won(location):
    response = web.Response(status=302, headers={"Location": location})
    response.set_cookie("clearance", "yes", path="/")
    return response


def redirect(location, status=302):
    return web.Response(status=status, headers={"Location": location})


def behind_wall(inside=lambda request: page(), *, gate=None, opens_at="/", to_gate=redirect):
    """Return how a site answers that shows ``inside(request)`` to those who are through its wall.

    :param gate: where the challenge is, if not in the place of each page.
    :param opens_at: where an accepted token leads to.
    :param to_gate: the answer that leads to the gate.
    """

    def answer(request, form):
        if request.path == "/verify":
            return won(opens_at)
        if request.path == gate:
            return challenge()
        if cleared(request):
            return inside(request)
        return challenge() if gate is None else to_gate(gate)

    return answer


def refusing(site, how):
    """Let the forms of a walled site refuse tokens by a redirect to them (``"redirect"``), or with an HTTP status."""
    answer = site.answer

    def refuse(visit):
        answered = answer(visit)
        if how == "page" or answered.token in (None, "accepted"):
            return answered
        return found(visit.path, "open", answered.token) if how == "redirect" else replace(answered, status=how)

    site.answer = refuse
    return site


def spider(*urls, **attributes):
    return type("Spider", (RecordingSpider,), {"urls": urls, **attributes})


def pages_of(site, count, **attributes):
    """Return a spider of so many pages of a walled site's catalogue."""
    return spider(*(f"{site.url}/page/{number}" for number in range(1, count + 1)), **attributes)


def sending(*requests, base=RecordingSpider, **attributes):
    """Return a spider that sends requests, which come back to its ``page`` or ``failed``."""

    class Sends(base):
        def requests(self):
            for request in requests:
                yield request.replace(callback=self.page, errback=self.failed)

    return type("Sends", (Sends,), attributes)


def one_by_one(*urls):
    """Return a spider that asks for each address once the page before has come."""

    class OneByOne(RecordingSpider):
        def requests(self):
            yield scrapy.Request(urls[0], self.page, errback=self.failed)

        def page(self, response):
            self.pages.append(response)
            for url in urls[len(self.pages) :][:1]:
                yield scrapy.Request(url, self.page, errback=self.failed)

    return OneByOne


def wishing(url, put, *, page, sitekey=KEY, **values):
    """Return a request that wants a token upfront."""
    return scrapy.Request(url, meta={"omocaptcha": {"sitekey": sitekey, "page": page, "put": put}}, **values)


def wishes(site, page="/find"):
    """Return a request to a walled site for each place of a token, all of which want one upfront."""

    def wish(put):
        return {"omocaptcha": {"sitekey": site.sitekey, "page": site.url + page, "put": put}}

    form = scrapy.FormRequest(f"{site.url}/find", formdata={"q": "Ada"})
    return {
        "form": form.replace(meta=wish("form:g-recaptcha-response")),
        "json": scrapy.http.JsonRequest(f"{site.url}/api/search", data={"q": "lamp"}, meta=wish("json:/token")),
        "header": scrapy.Request(f"{site.url}/api/header", meta=wish("header:X-Captcha-Token")),
        "query": scrapy.Request(f"{site.url}/api/query?q=1", meta=wish("query:token")),
    }
