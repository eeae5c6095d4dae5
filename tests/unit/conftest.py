"""Tests of this folder open no connection and start no process."""

from __future__ import annotations

import sys
import threading

import pytest

FORBIDDEN = {
    *("os.fork", "os.posix_spawn", "os.system", "subprocess.Popen"),
    *("socket.bind", "socket.connect", "socket.getaddrinfo"),
}
testing: set[int] = set()
"""The thread of a test that is running; a reactor that tests of other folders have started has one of its own."""


def refuse(event, arguments):
    if event in FORBIDDEN and threading.get_ident() in testing:
        pytest.fail(f"a unit test has no use for {event}: it belongs into tests/service, tests/crawl or tests/process")


sys.addaudithook(refuse)


@pytest.fixture(autouse=True)
def _neither_connections_nor_processes():
    testing.add(threading.get_ident())
    yield
    testing.clear()
