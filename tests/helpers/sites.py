"""Sites whose answers a test decides, for what the well-behaved walls of ``scrapy_omocaptcha.testing`` never do."""

from __future__ import annotations

import threading

from aiohttp import web

from scrapy_omocaptcha.testing.server import LoopbackServer
from tests.helpers.crawling import RecordingSpider


class Site(LoopbackServer):
    """Site that answers with ``answer(request, form)`` and records every request."""

    def __init__(self, answer, host="127.0.0.9"):
        super().__init__([host], 0)
        self._answer = answer
        self._lock = threading.Lock()
        self.requests = []

    async def _handle(self, request):
        form = dict(await request.post())
        with self._lock:
            self.requests.append((request.method, request.path_qs, form, dict(request.headers)))
        return self._answer(request, form)


KEY = "6LtestOnly" + "a" * 30
CHALLENGE = f"""<title>Are you a robot?</title><form method=post action=/verify>
<div class=g-recaptcha data-sitekey={KEY}></div><button>Go on</button></form>
<script src=https://www.google.com/recaptcha/api.js></script>"""


def challenge(**options):
    return web.Response(text=CHALLENGE, status=403, content_type="text/html", **options)


def page(text="<title>the page</title>"):
    return web.Response(text=text, content_type="text/html")


def cleared(request):
    return request.cookies.get("clearance") == "yes"


def won(location):
    response = web.Response(status=302, headers={"Location": location})
    response.set_cookie("clearance", "yes", path="/")
    return response


def spider(*urls, **attributes):
    return type("Spider", (RecordingSpider,), {"urls": urls, **attributes})
