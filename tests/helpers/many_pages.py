"""The pages of a site on which Scrapy's features have something to do."""

import asyncio
import gzip
import io
import zlib
from collections import Counter
from html import escape

from aiohttp import web
from PIL import Image

TREE = {"/tree": ("/tree/a", "/tree/b"), "/tree/a": ("/tree/a/1", "/tree/a/2"), "/tree/a/1": ("/tree/a/1/x", "/tree")}
TEXT = "Žltý kôň, 20 €"


class ManyPages:
    """Answers by the path; the state of one site.

    ============================ =================================================================================
    ``/tree…``, ``/page/…``      pages with links
    ``/to/X``, ``/to-307/X``     redirect to ``/X``, with another status if the path says one
    ``/loop/N``                  redirects to ``/loop/N+1`` for ever
    ``/elsewhere/X``             redirects to ``/X`` on the site's other host
    ``/refresh/X``               a meta refresh to ``/X``
    ``/busy/N/…``                503 for the first N times
    ``/drop/N/…``                no answer for the first N times
    ``/status/N/…``              a page with that status
    ``/login/X``, ``/me``        sets a cookie, and shows the cookies
    ``/echo``                    shows method, headers and body of the request
    ``/text/X``, ``/packed/X``   a page in the charset X, or compressed by X
    ``/file/N``, ``/image/N``    bytes, and a PNG
    ``/big``                     100 kB
    ============================ =================================================================================
    """

    def __init__(self, other_host=None, delay=0.0):
        self.other = other_host
        self.delay = delay
        self._times = Counter()

    async def __call__(self, visit):
        if self.delay:
            await asyncio.sleep(self.delay)
        if visit.path == "/robots.txt":
            return web.Response(text="User-agent: *\nDisallow: /page/2\n", content_type="text/plain")
        kind, _, rest = visit.path[1:].partition("/")
        kind, _, detail = kind.partition("-")
        self._times[visit.target] += 1
        answer = getattr(self, kind, None)
        if answer is None:
            return web.Response(status=404, text="<title>not found</title>", content_type="text/html")
        return answer(visit, rest, detail)

    def _html(self, title, links=(), status=200, head="", **options):
        anchors = "".join(f'<a href="{link}">{link}</a>' for link in links)
        text = f"<html><head><title>{escape(title)}</title>{head}</head><body>{anchors}</body></html>"
        return web.Response(text=text, status=status, content_type="text/html", **options)

    def tree(self, visit, rest, detail):
        return self._html(visit.path, TREE.get(visit.path, ()))

    def page(self, visit, rest, detail):
        return self._html(visit.target)

    def to(self, visit, rest, detail):
        query = "" if "?" not in visit.target else "?" + visit.target.partition("?")[2]
        return web.Response(status=int(detail or 302), headers={"Location": f"/{rest}{query}"})

    def loop(self, visit, rest, detail):
        return web.Response(status=302, headers={"Location": f"/loop/{int(rest) + 1}"})

    def elsewhere(self, visit, rest, detail):
        return web.Response(status=302, headers={"Location": f"{self.other()}/{rest}"})

    def refresh(self, visit, rest, detail):
        return self._html("wait", head=f'<meta http-equiv="refresh" content="0; url=/{rest}">')

    def busy(self, visit, rest, detail):
        return self._html("busy", status=503) if self._is_bad(visit, rest) else self._html(visit.path)

    def drop(self, visit, rest, detail):
        return None if self._is_bad(visit, rest) else self._html(visit.path)

    def _is_bad(self, visit, rest):
        return self._times[visit.target] <= int(rest.partition("/")[0])

    def status(self, visit, rest, detail):
        return self._html(visit.path, status=int(rest.partition("/")[0]), headers={"X-Note": "kept"})

    def login(self, visit, rest, detail):
        response = self._html(f"welcome {rest}")
        response.set_cookie("user", rest, path="/")
        return response

    def me(self, visit, rest, detail):
        return self._html(f"you are {visit.cookies.get('user')}, {visit.cookies.get('lang')}")

    def echo(self, visit, rest, detail):
        names = ("X-Requested-With", "X-Api-Key", "Authorization", "Accept", "Accept-Language", "User-Agent")
        return self._html(f"{visit.method} {[visit.headers.get(name) for name in names]} {visit.form or visit.body}")

    def text(self, visit, rest, detail):
        charset, _, declared = rest.partition("/")
        meta = f'<meta charset="{charset}">' if declared == "meta" else ""
        body = f"<html><head>{meta}<title>{TEXT}</title></head></html>".encode(charset, "xmlcharrefreplace")
        content_type = "text/html" if declared else f"text/html; charset={charset}"
        return web.Response(body=body, headers={"Content-Type": content_type})

    def packed(self, visit, rest, detail):
        pack = {"gzip": gzip.compress, "deflate": zlib.compress}[rest]
        body = pack(f"<html><head><title>{TEXT}</title></head></html>".encode())
        headers = {"Content-Type": "text/html; charset=utf-8", "Content-Encoding": rest}
        return web.Response(body=body, headers=headers)

    def json(self, visit, rest, detail):
        return web.json_response({"page": rest})

    def file(self, visit, rest, detail):
        return web.Response(body=rest.encode() * 100, content_type="application/octet-stream")

    def image(self, visit, rest, detail):
        buffer = io.BytesIO()
        Image.new("RGB", (int(rest), 10)).save(buffer, "PNG")
        return web.Response(body=buffer.getvalue(), content_type="image/png")

    def big(self, visit, rest, detail):
        return self._html("big", head="<!--" + "x" * 100_000 + "-->")

    def sitemap(self, visit, rest, detail):
        urls = "".join(f"<url><loc>http://{visit.headers['Host']}/page/{number}</loc></url>" for number in range(4))
        text = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'
        return web.Response(text=text, content_type="application/xml")
