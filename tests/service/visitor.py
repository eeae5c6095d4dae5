"""Ask the test site, or the service, with a plain HTTP client."""

from __future__ import annotations

import http.client
import re
import urllib.parse
from contextlib import closing
from dataclasses import dataclass
from html import unescape

from scrapy_omocaptcha.testing import WalledSite


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def title(self) -> str:
        return unescape(re.search("<title>(.*?)</title>", self.text)[1])  # type: ignore[index]

    @property
    def location(self) -> str:
        return self.headers["Location"]


class Visitor:
    """HTTP client with cookies. It follows no redirect."""

    def __init__(self, site: WalledSite, host: str = "127.0.0.1") -> None:
        self.site = site
        self.host = host
        self.cookies: dict[str, str] = {}

    def ask(self, path: str, fields: dict[str, str] | None = None, **headers: str) -> Answer:
        body = None if fields is None else urllib.parse.urlencode(fields)
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return self.send("GET" if fields is None else "POST", path, body, **headers)

    def send(self, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        with closing(http.client.HTTPConnection(self.host, self.site.port, timeout=20)) as connection:
            connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        for cookie in answer.headers.get_all("Set-Cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    def form(self, challenge: Answer, token: str) -> dict[str, str]:
        """Return the fields of a challenge's form, with a token."""
        names = re.findall(r'<(?:input type="hidden"|button type="submit") name="(.*?)" value="(.*?)"', challenge.text)
        return {unescape(name): unescape(value) for name, value in names} | {"g-recaptcha-response": token}

    def submit(self, challenge: Answer, path: str, token: str | None = None) -> Answer:
        """Submit the form of the challenge at ``path`` with its own action and method."""
        token = self.site_token() if token is None else token
        action = re.search(r'<form id="challenge" (?:action="(.*?)" )?method="(.*?)">', challenge.text)
        assert action is not None
        fields = self.form(challenge, token)
        if action[2] == "get":
            return self.ask(f"{action[1]}?{urllib.parse.urlencode(fields)}")
        return self.ask(action[1] or path, fields)

    def site_token(self) -> str:
        return self.site.service._account.mint(self.site.sitekey, f"http://{self.host}/")

    def challenge(self, path: str) -> Answer:
        """Return the challenge at ``path``, following a redirect to the gate."""
        answer = self.ask(path)
        return self.ask(answer.location) if answer.status == 302 else answer


def exchange(service, method, path, body=None):
    """Send one request over a connection of its own, and return the response and its body."""
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)) as connection:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response, response.read()
