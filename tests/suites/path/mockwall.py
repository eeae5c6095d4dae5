"""A wall for servers of twisted.web: each visitor without a clearance cookie gets a challenge for every address.

Tokens are checked at the offline service, so that each opens the wall once, and only while it is young.
"""

import json
import secrets
import urllib.request
from html import escape
from urllib.parse import quote, urlencode

from twisted.internet.threads import deferToThread
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from twisted.web.util import redirectTo

SITEKEY = "6LmockWall" + "A" * 30
TOKEN_FIELD = "g-recaptcha-response"
VERIFY = "/wall/verify"
PAGE = """<!DOCTYPE html>
<html><head><title>Access denied: are you a robot?</title>
<script src="https://www.google.com/recaptcha/api.js" async defer></script></head>
<body><h1>Please confirm you are not a robot</h1>
<form action="{action}" method="post">
<input type="hidden" name="csrf" value="{visitor}"><input type="hidden" name="next" value="{target}">
<div class="g-recaptcha" data-sitekey="{sitekey}"></div>
<button type="submit" name="action" value="continue">Continue</button>
</form></body></html>
"""


def walled_site(site_class, *, gate, siteverify):
    """Return a class to be used in the place of ``twisted.web.server.Site``.

    :param gate: path to which each page is redirected; without one, the challenge is shown at the page's own address.
    :param siteverify: address at which tokens are checked.
    """

    class WalledSite(site_class):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.wall = Wall(gate, siteverify)

        def getResourceFor(self, request):  # noqa: N802
            resource = super().getResourceFor(request)
            return resource if self.wall.lets_pass(request) else self.wall

    return WalledSite


class Wall(Resource):
    isLeaf = True  # noqa: N815

    def __init__(self, gate, siteverify):
        super().__init__()
        self._gate = gate
        self._siteverify = siteverify
        self._clearances = set()

    def lets_pass(self, request):
        is_own = request.path.decode("latin-1") in (VERIFY, self._gate)
        return self._is_cleared(request) and not is_own

    def _is_cleared(self, request):
        return request.getCookie(b"clearance") in self._clearances

    def render(self, request):
        path = request.path.decode("latin-1")
        if path == VERIFY and request.method == b"POST":
            deferToThread(self._verify, _field(request, TOKEN_FIELD)).addCallback(self._answer, request)
            return NOT_DONE_YET
        if path == self._gate and self._is_cleared(request):
            return redirectTo(_field(request, "next").encode(), request)
        if path != self._gate and self._gate:
            return redirectTo(f"{self._gate}?{urlencode({'next': _target(request)})}".encode(), request)
        return self._challenge(request)

    def _challenge(self, request):
        visitor = request.getCookie(b"visitor")
        if visitor is None:
            visitor = secrets.token_hex(8).encode()
            request.addCookie(b"visitor", visitor, path=b"/")
        target = _field(request, "next") if self._gate else _target(request)
        request.setHeader(b"Content-Type", b"text/html; charset=utf-8")
        values = {"visitor": visitor.decode(), "target": target, "action": VERIFY, "sitekey": SITEKEY}
        return PAGE.format_map({name: escape(value) for name, value in values.items()}).encode()

    def _verify(self, token):
        data = urlencode({"secret": SITEKEY, "response": token}).encode()
        with urllib.request.urlopen(self._siteverify, data, timeout=10) as answer:
            return json.load(answer)["success"]

    def _answer(self, accepted, request):
        if request._disconnected:
            return
        if accepted and _field(request, "csrf").encode() == request.getCookie(b"visitor"):
            clearance = secrets.token_hex(8).encode()
            self._clearances.add(clearance)
            request.addCookie(b"clearance", clearance, path=b"/")
            request.setResponseCode(303)
            request.setHeader(b"Location", _field(request, "next").encode())
        else:
            request.setResponseCode(403)
            request.write(b"<h1>Forbidden</h1>")
        request.finish()


def _field(request, name):
    return request.args.get(name.encode(), [b""])[0].decode("utf-8", "replace")


def _target(request):
    return quote(request.uri.decode("latin-1"), safe="/?&=%:;,+@!$'()*~#[]")
