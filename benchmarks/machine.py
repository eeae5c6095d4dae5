"""Where figures come from: the kind of machine and the versions. No names of hosts, no paths."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from benchmarks.clients import CLIENTS
from benchmarks.finders import is_antibot_version

WITH = ("scrapy-omocaptcha", "scrapy", "twisted", "treq", "aiohttp", "lxml")
PEERS = (*CLIENTS, "scrapyx-mw")


def machine() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def versions() -> dict[str, str]:
    found = {"Python": platform.python_version(), **{name: _version(name) for name in (*WITH, *PEERS)}}
    return {**found, "is-antibot (npm)": is_antibot_version()}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
