"""Commands of a Scrapy project, run as a user runs them: in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import scrapy_omocaptcha

if TYPE_CHECKING:
    from scrapy_omocaptcha.testing import OmoCaptchaService

ROOT = Path(__file__).parents[2]
TIMEOUT = 120
STRICT = {"PYTHONWARNINGS": "error"}
"""For the environment of a process: what pytest does with warnings in its own."""
NO_CONSOLE = {"TELNETCONSOLE_ENABLED": "False"}
"""For the settings of a crawl: where another process has the port, the oldest Twisted warns of what it leaves open."""


def python(
    *arguments: str | Path, cwd: Path, stderr: int = subprocess.STDOUT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """``python ARGUMENTS``, with the package as these tests have it; a warning is an error.

    :param stderr: is in stdout, unless it is a PIPE.
    """
    package = str(Path(scrapy_omocaptcha.__file__).parent.parent)
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": package, **STRICT, **environment},
        stdout=subprocess.PIPE,
        stderr=stderr,
        encoding="utf-8",
        timeout=TIMEOUT,
        check=False,
    )


def scrapy_crawl(
    project: Path, spider: str, *arguments: str, service: OmoCaptchaService
) -> subprocess.CompletedProcess[str]:
    """``scrapy crawl SPIDER ARGUMENTS`` at that service, faster than one request a second."""
    settings = {**service.settings, **NO_CONSOLE, "DOWNLOAD_DELAY": "0.01"}
    token = settings.pop("OMOCAPTCHA_API_TOKEN")
    given = [word for name, value in settings.items() for word in ("-s", f"{name}={value}")]
    return python(*("-m", "scrapy", "crawl", spider, *given, *arguments), cwd=project, OMOCAPTCHA_API_TOKEN=token)
