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


_NOT_FOUND = Route("", "", lambda body: "")


class Routes:
    """All calls by path. Version 2 is also served at the root, as by other services with the same protocol."""

    def __init__(self, jobs: version1.Version1, tasks: version2.Version2) -> None:
        self._by_path = {PRICE_LIST_PATH: Route("getServicePrice", "GET", lambda body: tasks.price_list())}
        for base, version in ((BASE_PATHS[1], jobs), (BASE_PATHS[2], tasks), ("", tasks)):
            for name in version.calls:
                self._by_path[f"{base}/{name}"] = Route(name, "POST", partial(version.answer, name))

    def find(self, path: str) -> Route:
        """Return the call at ``path``, or one without a name that answers 404."""
        return self._by_path.get(path, _NOT_FOUND)
