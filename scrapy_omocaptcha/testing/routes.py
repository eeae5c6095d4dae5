"""Map the paths of the offline service to the calls of both versions of the API."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web

from scrapy_omocaptcha.testing import version1, version2

if TYPE_CHECKING:
    from collections.abc import Callable

BASE_PATHS = {1: "/api", 2: "/v2"}
PRICE_LIST_PATH = "/api/getServicePrice"
CREDENTIALS = (version1.CREDENTIAL, version2.CREDENTIAL)


class Route(NamedTuple):
    """One call of the API."""

    name: str
    """Name such as ``"createJob"``, empty for a path outside of the API."""
    method: str
    answer: Callable[[object], str]
    """Function from the decoded body, or None, to the text of the answer."""

    def respond(self, method: str, body: object) -> web.Response:
        """Return the HTTP response. Errors of the API have status 200."""
        if not self.name:
            return web.Response(status=404, text="Not found")
        if method != self.method:
            return web.Response(status=405, text="Method not allowed", headers={"Allow": self.method})
        return web.Response(text=self.answer(body), content_type="application/json")


NOT_FOUND = Route("", "", lambda body: "")


def build_routes(jobs: version1.Version1, tasks: version2.Version2) -> dict[str, Route]:
    """Return all calls by path. Version 2 is also served at the root, as by other services with the same protocol."""
    routes = {PRICE_LIST_PATH: Route("getServicePrice", "GET", lambda body: tasks.price_list())}
    for base, version in ((BASE_PATHS[1], jobs), (BASE_PATHS[2], tasks), ("", tasks)):
        for name in version.calls:
            routes[f"{base}/{name}"] = Route(name, "POST", partial(version.answer, name))
    return routes
