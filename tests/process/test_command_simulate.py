"""``scrapy omocaptcha simulate``, run as a user runs it."""

import http.client
import os
import socket
import subprocess
import urllib.parse
from contextlib import ExitStack

import pytest

from scrapy_omocaptcha.testing import WALLS
from tests.helpers.forked_scrapy import started_scrapy


@pytest.fixture
def simulate(installed, tmp_path):
    """``simulate(…)`` → the process, its stdout and its stderr, as soon as it listens, and what it has printed."""
    options = {"cwd": tmp_path, "environment": {**os.environ, "PYTHONPATH": installed}}
    with ExitStack() as stack:

        def simulate(*arguments):
            started = started_scrapy(("omocaptcha", "simulate", *arguments), **options)
            process, stdout, stderr = stack.enter_context(started)
            lines = [stdout.readline()]
            while lines[-1] not in ("Press Ctrl-C to stop.\n", ""):
                lines.append(stdout.readline())
            return process, stdout, stderr, lines

        yield simulate


def test_it_runs_the_service_and_walled_sites_until_it_is_stopped(simulate):
    process, stdout, stderr, lines = simulate("--wall", "get", "--wall", "never", "--status", "503")
    assert "is behind the wall 'get'" in lines[0]
    assert WALLS["get"].about in lines[0]
    assert "is behind the wall 'never'" in lines[1]
    for path in ("/find", "/login", "/api/search"):
        assert any(line.split()[0] == path for line in lines)
    assert "    OMOCAPTCHA_API_TOKEN = 'offline-token'\n" in lines
    assert any(line.endswith("/recaptcha/api/siteverify verifies tokens, for a site of your own.\n") for line in lines)
    get, never = (urllib.parse.urlsplit(line.split()[0]) for line in lines[:2])
    assert get.hostname != never.hostname, "cookies know no ports, so these would be one session"
    connection = http.client.HTTPConnection(never.hostname, never.port)
    connection.request("GET", "/page/1")
    assert connection.getresponse().status == 503
    connection.close()
    assert stdout.readline() == "never site GET /page/1 -> 503 challenge\n"
    process.terminate()
    process.join()
    assert stdout.read().splitlines() == [
        "get: 0 pages from behind the wall, 0 challenges, 0 tokens accepted, 0 rejected",
        "never: 0 pages from behind the wall, 1 challenges, 0 tokens accepted, 0 rejected",
        "Jobs: 0 for 0.00000 USD.",
    ]
    assert stderr.read() == ""
    assert process.exitcode == 0


def test_it_prints_the_settings_of_an_api_version(simulate):
    *_, lines = simulate("--api-version", "2")
    assert "    OMOCAPTCHA_API_VERSION = 2\n" in lines


def test_a_port_that_is_taken_is_reported_in_one_line(scrapy, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = scrapy("simulate", "--port", port, cwd=tmp_path, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "already in use" in line
    assert port in line
    assert "--port" in line
