"""A site with pages of a test's own, behind one of the walls of ``scrapy_omocaptcha.testing`` or behind none.

Its ``robots.txt`` is never behind the wall.
"""

import time
from dataclasses import replace
from urllib.parse import quote

from aiohttp import web

from scrapy_omocaptcha.challenge import TOKEN_FIELD
from scrapy_omocaptcha.testing import WALLS, Wall, pages
from scrapy_omocaptcha.testing.gate import BUTTON, CLEARANCE_COOKIE, CSRF_FIELD, NEXT_FIELD, SESSION_COOKIE, Gate
from scrapy_omocaptcha.testing.server import LoopbackServer
from scrapy_omocaptcha.testing.visit import read_visit

WALL_COOKIES = (SESSION_COOKIE, CLEARANCE_COOKIE)
ONE_ADDRESS = Wall(
    "Every page redirects to one address, which says nothing; a token is thanked for.", redirect=True, after="thanks"
)
_FIELDS_OF_THE_WALL = (TOKEN_FIELD, CSRF_FIELD, NEXT_FIELD, BUTTON[0])


class WalledPages(LoopbackServer):
    """Site that answers with what ``answer(visit)`` returns, to those who are through its wall.

    :param answer: coroutine function. Where it returns None, the connection breaks within the answer.
    :param wall: a :class:`Wall`, the name of one of :data:`WALLS`, or None for a site without a wall.
    :param free: how many pages anybody may see before the wall is there.
    """

    def __init__(self, answer, service=None, wall=None, *, free=0, hosts=("127.0.0.1",)):
        super().__init__(hosts, 0)
        self._answer = answer
        self._free = free
        self._wall = WALLS[wall] if isinstance(wall, str) else wall
        self._gate_path = "/hold" if self._wall is ONE_ADDRESS else "/captcha"
        self._sitekey = "6LtestOnly" + "b" * 30
        self._gate = None
        if self._wall is not None:
            self._gate = Gate(
                self._wall,
                siteverify=lambda token: service.siteverify(token, self._sitekey),
                hostnames=hosts,
            )
        self.served = []
        """The visits that were answered with a page, as the page's own server would see them, and the status."""
        self.visits = []
        """All visits."""
        self.challenges = 0

    async def _handle(self, request):
        visit = await read_visit(request, time.monotonic())
        response = await self.respond(visit)
        return await _break_off(request) if response is None else response

    async def respond(self, visit):
        """Return the response to a visit, or None."""
        self.visits.append(visit)
        if self._gate is None or visit.path == "/robots.txt" or len(self.served) < self._free:
            return await self._page(visit)
        session = self._gate.session(visit)
        cookies = {SESSION_COOKIE: session.id} if session.is_new else {}
        if visit.path in ("/verify", "/gate"):
            return self._verify(visit, session)
        if self._wall.redirect and visit.path == self._gate_path:
            return _with(cookies, self._challenge(session, dict(visit.query).get(NEXT_FIELD, "")))
        if self._wall.form == "page" and visit.submits:
            if self._gate.check_form(dict(visit.form), session) is None:
                return _with(cookies, await self._page(_without_the_form(visit)))
        elif self._gate.allows(visit, session):
            return _with(cookies, await self._page(visit))
        if self._wall.redirect:
            target = visit.target if visit.method == "GET" else ""
            query = "" if self._wall is ONE_ADDRESS else f"?{NEXT_FIELD}={quote(target, safe='')}"
            return _with(cookies, web.Response(status=302, headers={"Location": self._gate_path + query}))
        # A browser would come back with GET, so whoever posts is only thanked.
        target = visit.target if visit.method == "GET" else ""
        return _with(cookies, self._challenge(session, target, visit.form))

    async def _page(self, visit):
        number = len(self.served)
        self.served.append((visit, None))
        response = await self._answer(visit)
        if response is not None:
            self.served[number] = (visit, response.status)
        return response

    def _verify(self, visit, session):
        fields = dict(visit.form)
        if self._gate.check_form(fields, session) is not None:
            return self._challenge(session, fields.get(NEXT_FIELD, ""))
        if self._wall.after == "thanks" or not fields[NEXT_FIELD]:
            response = web.Response(text=pages.thanks("/"), content_type="text/html")
        else:
            response = web.Response(status=302, headers={"Location": fields[NEXT_FIELD]})
        return _with({CLEARANCE_COOKIE: self._gate.grant_clearance(session)}, response)

    def _challenge(self, session, target, form=()):
        self.challenges += 1
        carried = [(name, value) for name, value in form if name not in _FIELDS_OF_THE_WALL]
        text = pages.challenge(self._wall, sitekey=self._sitekey, csrf=session.csrf, target=target, carried=carried)
        return web.Response(text=text, status=403, content_type="text/html")


def _without_the_form(visit):
    """Return the visit for which a wall that wants a token for each page was shown a form."""
    form = tuple((name, value) for name, value in visit.form if name not in _FIELDS_OF_THE_WALL)
    return replace(visit, method="POST" if form else "GET", form=form, body=b"")


async def _break_off(request):
    """Close the connection in the middle of an answer; a request without one would be repeated by Twisted itself."""
    response = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "text/html"})
    await response.prepare(request)
    await response.write(b"<html>")
    request.transport.close()
    return response


def _with(cookies, response):
    for name, value in cookies.items() if response is not None else ():
        response.set_cookie(name, value, path="/")
    return response
