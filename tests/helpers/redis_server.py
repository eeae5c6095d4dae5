"""Start a real Redis for a test, on a socket in a folder of its own, that writes all commands to a file."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

PROGRAM = shutil.which("redis-server")
"""Path of redis-server, or None if it is not installed (Debian package redis-server)."""
_TIMEOUT = 30
"""Seconds to start and to end."""


class RedisServer:
    """A process of redis-server: ``url`` is its address, and ``client`` retries until it answers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "redis.sock"
        self.url = f"unix://{self._socket}"
        # Old versions of redis-py raise an OSError while the socket does not exist yet.
        errors = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError)
        patient = Retry(ConstantBackoff(0.05), int(_TIMEOUT / 0.05), supported_errors=errors)
        self.client = redis.Redis.from_url(self.url, decode_responses=True, retry=patient)
        self.start()

    def start(self) -> None:
        assert PROGRAM is not None
        options = {"port": 0, "unixsocket": self._socket, "dir": self._folder, "save": "", "appendonly": "yes"}
        arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        self._process = subprocess.Popen([PROGRAM, *arguments], stdout=subprocess.DEVNULL)
        self.client.ping()

    def stop(self) -> None:
        """End Redis, which keeps its data."""
        self._process.terminate()
        self._process.wait(_TIMEOUT)

    def freeze(self) -> None:
        """Make Redis hang, so that it accepts connections and does not answer, until ``thaw``."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def close(self) -> None:
        self.client.close()
        self._process.kill()
        self._process.wait(_TIMEOUT)

    def written(self) -> bytes:
        """Return all commands that have written something."""
        return b"".join(path.read_bytes() for path in sorted(self._folder.rglob("*.aof")))
