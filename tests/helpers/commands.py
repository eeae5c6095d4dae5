"""Run commands of a Scrapy project as a user does, in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import scrapy_omocaptcha
from tests.helpers.forked_scrapy import run_scrapy

if TYPE_CHECKING:
    from scrapy_omocaptcha.testing import OmoCaptchaService

ROOT = Path(__file__).parents[2]
TIMEOUT = 120
_PATH = str(Path(scrapy_omocaptcha.__file__).parent.parent)
STRICT = {"PYTHONWARNINGS": "error"}
"""Environment that makes warnings errors in a child process, as pytest does in its own."""
NO_CONSOLE = {"TELNETCONSOLE_ENABLED": "False"}
"""Settings without the telnet console: if its port is taken, the oldest Twisted warns of an open socket."""


def python(
    *arguments: str | Path, cwd: Path, stderr: int = subprocess.STDOUT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run ``python ARGUMENTS`` with the package as these tests have it; a warning is an error.

    :param stderr: by default, it is part of stdout.
    """
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": _PATH, **STRICT, **environment},
        stdout=subprocess.PIPE,
        stderr=stderr,
        encoding="utf-8",
        timeout=TIMEOUT,
        check=False,
    )


def scrapy(*arguments: str, cwd: Path, module: str = "scrapy", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``scrapy ARGUMENTS`` as ``python("-m", "scrapy", …)`` does, without waiting for the imports."""
    environment = {**os.environ, "PYTHONPATH": _PATH, **STRICT, **environment}
    options = {"stderr": subprocess.STDOUT, "timeout": TIMEOUT, "module": module}
    return run_scrapy(arguments, cwd=cwd, environment=environment, **options)


def crawl_process(told: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run the crawls of ``tests.helpers.crawl_process``, which is told what to crawl, until they end."""
    return scrapy(json.dumps(told), cwd=ROOT, module="tests.helpers.crawl_process")


def options_of(settings: dict[str, Any]) -> list[str]:
    """Return the options of a command that give these settings."""
    texts = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in settings.items()}
    return [word for name, text in texts.items() for word in ("-s", f"{name}={text}")]


def scrapy_crawl(
    project: Path, spider: str, *arguments: str, service: OmoCaptchaService
) -> subprocess.CompletedProcess[str]:
    """Run ``scrapy crawl SPIDER ARGUMENTS`` with that service, faster than one request a second."""
    settings = {**service.settings, **NO_CONSOLE, "DOWNLOAD_DELAY": "0.01"}
    token = settings.pop("OMOCAPTCHA_API_TOKEN")
    return scrapy("crawl", spider, *options_of(settings), *arguments, cwd=project, OMOCAPTCHA_API_TOKEN=token)
