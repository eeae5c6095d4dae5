"""Run a real Scrapyd on loopback, deploy projects to it as its users do, and call its API."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.helpers.commands import ROOT, TIMEOUT, python


class Scrapyd:
    """A Scrapyd that runs in a folder, with this API token in its environment, until ``close``."""

    def __init__(self, folder: Path, api_token: str) -> None:
        with socket.socket() as reserved:
            # Scrapyd takes no 0 for any free port. This one is nobody else's until it listens there.
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            reserved.bind(("127.0.0.1", 0))
            port = reserved.getsockname()[1]
            self.url = f"http://127.0.0.1:{port}"
            # It uses pkg_resources, which warns that it is deprecated.
            environment = {"PYTHONWARNINGS": "", "PYTHONPATH": str(ROOT), "OMOCAPTCHA_API_TOKEN": api_token}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "scrapyd", "--pidfile="],
                cwd=folder,
                env={**os.environ, **environment, "SCRAPYD_BIND_ADDRESS": "127.0.0.1", "SCRAPYD_HTTP_PORT": str(port)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                # Its jobs are in the same session, and are ended with it.
                start_new_session=True,
            )
            self.log = ""
            self.until(f"Site starting on {port}")

    def until(self, pattern: str) -> str:
        """Read the log until a line matches, and return what the pattern's group matches."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.log += line
            if found := re.search(pattern, line):
                return found.group(found.re.groups)
        raise AssertionError(f"Scrapyd ended before it logged {pattern!r}:\n{self.log}")

    def deploy(self, project: Path, folder: Path) -> str:
        """Deploy a copy of a project, since scrapyd-deploy writes into its folder, and return what that prints."""
        shutil.copytree(project, folder)
        cfg = folder / "scrapy.cfg"
        cfg.write_text(cfg.read_text().replace("http://127.0.0.1:6800", self.url))
        done = python("-m", "scrapyd_client.deploy", cwd=folder, PYTHONWARNINGS="")
        assert done.returncode == 0, done.stdout
        return done.stdout

    def call(self, path: str, **arguments: str | list[str]) -> dict[str, Any]:
        """Call the API, by POST if there are arguments, and return its answer."""
        data = urlencode(arguments, doseq=True).encode() if arguments else None
        with urlopen(f"{self.url}/{path}", data, timeout=TIMEOUT) as response:
            answer: dict[str, Any] = json.load(response)
        assert answer["status"] == "ok", answer
        return answer

    def finished(self, job: str) -> str:
        """Wait until a job has ended, and return how: "finished" or "died"."""
        return self.until(f"Process (finished|died): .*{job}").split()[0]

    def close(self) -> None:
        """End Scrapyd and all of its jobs."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate(timeout=TIMEOUT)
