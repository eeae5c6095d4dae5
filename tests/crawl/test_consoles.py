"""docs/recipes/shell: the code for Scrapy's consoles, in a crawl that has met a wall."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import urllib.request

import pytest
from scrapy.extensions.telnet import TelnetConsole

from tests.helpers.crawling import RecordingSpider
from tests.helpers.docs import page

pytestmark = pytest.mark.sockets
CODE = "print(crawler.stats.get_stats())"
AGREES = {b"\xfb": b"\xfd", b"\xfc": b"\xfe", b"\xfd": b"\xfb"}
"""By RFC 854, what agrees to an option that is offered, withdrawn or requested."""
SOLVED = "'omocaptcha/jobs/solved': 1"


class ConsoleSpider(RecordingSpider):
    """Spider that runs ``ask`` in a thread when it has a page, and keeps what it returns."""

    async def page(self, response, asked=None):
        self.said = await asyncio.to_thread(self.ask, self.crawler)


@pytest.fixture
def said(crawl, service, walled):
    """``said(ask, settings)`` → what a console has printed when the spider had its page."""

    def said(ask, settings):
        attributes = {"urls": (f"{walled('session').url}/page/1",), "ask": staticmethod(ask)}
        crawled = crawl(type("Spider", (ConsoleSpider,), attributes), {**service.settings, **settings})
        assert crawled.bugs == []
        return crawled.spider.said

    return said


def test_the_page_tells_the_code():
    assert CODE in page("recipes/shell").astext()


def test_the_telnet_console(said):
    def ask(crawler):
        console = next(each for each in crawler.extensions.middlewares if isinstance(each, TelnetConsole))
        with socket.create_connection(("127.0.0.1", console.port.getHost().port), timeout=10) as connection:
            answer = _Answer(connection)
            for prompt, line in (b"Username: ", "scrapy"), (b"Password: ", "offline"), (b">>> ", CODE):
                answer.until(prompt)
                connection.sendall(f"{line}\r\n".encode())
            return answer.until(b">>> ")

    settings = {"TELNETCONSOLE_ENABLED": True, "TELNETCONSOLE_PORT": [0, 0], "TELNETCONSOLE_PASSWORD": "offline"}
    assert SOLVED in said(ask, settings)


class _Answer:
    """What a telnet server sends; each option that it offers or asks for is agreed to."""

    def __init__(self, connection):
        self._connection = connection

    def until(self, end):
        """Return what comes, up to ``end``."""
        received, answered = b"", 0
        while end not in received:
            data = self._connection.recv(4096)
            assert data, received
            received += data
            options = re.findall(b"\xff([\xfb-\xfd])(.)", received, re.DOTALL)
            for verb, option in options[answered:]:
                self._connection.sendall(b"\xff" + AGREES[verb] + option)
            answered = len(options)
        return received.decode("latin-1")


def test_the_remote_control(said, tmp_path):
    pytest.importorskip("scrapy.extensions.remote_control", reason="Scrapy has it from 2.19 on")

    def ask(crawler):
        (file,) = tmp_path.glob("*.json")
        job = json.loads(file.read_text())
        url = f"http://127.0.0.1:{job['port']}/execute"
        headers = {"Authorization": f"Bearer {job['token']}"}
        request = urllib.request.Request(url, json.dumps({"code": CODE}).encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["output"]

    assert SOLVED in said(ask, {"REMOTE_CONTROL_ENABLED": True, "REMOTE_CONTROL_JOBS_DIR": str(tmp_path)})
