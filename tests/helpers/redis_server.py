"""A real Redis, started for a test: on a socket in a folder of its own, with its writes kept in a file."""

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
"""None: it is not installed (Debian package redis-server)."""
_PATIENCE = 30
"""Seconds."""


class RedisServer:
    """``url`` is its address, ``client`` a client that waits for it to be there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "redis.sock"
        self.url = f"unix://{self._socket}"
        # Old clients let errors of the operating system pass: a socket that is not there yet is one.
        errors = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError)
        patient = Retry(ConstantBackoff(0.05), int(_PATIENCE / 0.05), supported_errors=errors)
        self.client = redis.Redis.from_url(self.url, decode_responses=True, retry=patient)
        self.start()

    def start(self) -> None:
        assert PROGRAM is not None
        self._process = subprocess.Popen(
            [
                PROGRAM,
                "--port",
                "0",
                "--unixsocket",
                self._socket,
                "--dir",
                self._folder,
                "--save",
                "",
                "--appendonly",
                "yes",
            ],
            stdout=subprocess.DEVNULL,
        )
        self.client.ping()

    def stop(self) -> None:
        """End it; all that it knows is written down."""
        self._process.terminate()
        self._process.wait(_PATIENCE)

    def freeze(self) -> None:
        """It is there and says nothing, until it thaws."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def close(self) -> None:
        self.client.close()
        self._process.kill()
        self._process.wait(_PATIENCE)

    def written(self) -> bytes:
        """All that was ever written to it."""
        return b"".join(path.read_bytes() for path in sorted(self._folder.rglob("*.aof")))
