"""Ways of finding a reCAPTCHA v2 widget, and of telling whether the page is worth a job: ours and those of others."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from scrapy.http import HtmlResponse

from benchmarks.tables import OURS
from scrapy_omocaptcha import find_challenge

NODE_MODULES = Path(__file__).parent.parent / ".venv-bench" / "node_modules"
KEY_ATTRIBUTE = re.compile(r"data-sitekey=[\"']([^\"']+)[\"']")
"""What playwright-captcha falls back on."""


@dataclass(frozen=True)
class Page:
    """A saved page and what is true of it."""

    file: Path
    url: str
    status: int
    widget: bool
    """A live v2 widget is on it."""
    key: str | None
    wall: bool
    """It is a challenge, rather than a page with a widget."""

    def response(self) -> HtmlResponse:
        return HtmlResponse(self.url, body=self.file.read_bytes(), status=self.status)


@dataclass(frozen=True)
class Found:
    """What a finder makes of a page, and how long that takes it."""

    widget: bool
    key: str | None
    wall: bool
    microseconds: float


Judgement = tuple[bool, str | None, bool]
"""Is there a widget, its key, and would a job be bought."""


def ours(response: HtmlResponse) -> Judgement:
    challenge = find_challenge(response)
    return (False, None, False) if challenge is None else (True, challenge.sitekey, challenge.blocking)


def playwright_captcha(response: HtmlResponse) -> Judgement:
    """Its selector, and its expression where that finds nothing; it solves whatever it is called for."""
    key = response.css("[data-sitekey]::attr(data-sitekey)").get()
    if not key:
        match = KEY_ATTRIBUTE.search(response.text)
        key = match and match[1]
    return bool(key), key, bool(key)


def class_name(response: HtmlResponse) -> Judgement:
    return (found := b"g-recaptcha" in response.body), None, found


def script(response: HtmlResponse) -> Judgement:
    return (found := b"recaptcha/api.js" in response.body), None, found


def any_word(response: HtmlResponse) -> Judgement:
    return (found := b"recaptcha" in response.body.lower()), None, found


FINDERS: dict[str, Callable[[HtmlResponse], Judgement]] = {
    OURS: ours,
    "playwright-captcha's selector": playwright_captcha,
    "“g-recaptcha” in the page": class_name,
    "“recaptcha/api.js” in the page": script,
    "“recaptcha” in the page, in any case": any_word,
}
NO_KEYS = {name for name, finder in FINDERS.items() if finder in (class_name, script, any_word)}


def look(finder: Callable[[HtmlResponse], Judgement], page: Page, rounds: int) -> Found:
    times = []
    for _ in range(rounds):
        response = page.response()
        since = time.thread_time()
        judgement = finder(response)
        times.append(time.thread_time() - since)
    return Found(*judgement, median(times) * 1e6)


def is_antibot(pages: Sequence[Page], rounds: int) -> list[Found] | None:
    """What is-antibot, of npm, says; it knows no keys. None where it or node is not installed."""
    node = shutil.which("node")
    if node is None or not (NODE_MODULES / "is-antibot").is_dir():
        return None
    asked = [{"file": str(page.file), "url": page.url, "status": page.status} for page in pages]
    command = [node, str(Path(__file__).with_name("is_antibot.js")), str(NODE_MODULES.parent), str(rounds)]
    answered = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True)
    return [_found(answer) for answer in json.loads(answered.stdout)]


def _found(answer: dict[str, Any]) -> Found:
    # Google's own page is told from the product that it uses; it carries a widget all the same.
    found = answer["detected"] and answer["provider"] in ("recaptcha", "google")
    return Found(found, None, found, answer["us"])


def is_antibot_version() -> str:
    package = NODE_MODULES / "is-antibot" / "package.json"
    return str(json.loads(package.read_text())["version"]) if package.is_file() else "not installed"
