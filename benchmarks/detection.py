"""Find challenges in saved pages: what is found, and what is bought in vain, beside other ways."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from scrapy import Request
from scrapy.http import HtmlResponse

from benchmarks.tables import OURS, Cell, Column, Table
from scrapy_omocaptcha import find_challenge

ROOT = Path(__file__).parent.parent
SAVED = ROOT.parent / "shared" / "pages"
"""Pages collected for this project, with labels. They are not part of the repository."""
NODE_MODULES = ROOT / ".venv-bench" / "node_modules"
FORMASAURUS = ROOT / ".venv-bench" / "formasaurus" / "formasaurus" / "data"
"""The pages that the package formasaurus ships. ``make bench`` downloads them."""
FORMASAURUS_WIDGETS = {
    "html/1.html": "6LetnfISAAAAAE6zIyc28qs7B8Hgyn0jyPeeJs_I",
    "html/181.html": "6LerbAITAAAAANFwBVm6iFa6lf3qCRoL8cSHlPA9",
    "html/182.html": "6LerbAITAAAAANFwBVm6iFa6lf3qCRoL8cSHlPA9",
}
"""The pages of formasaurus 0.10.0 with a live v2 widget, and its key, found by eye. None of them is a challenge."""
CHALLENGE_STATUS = 403


@dataclass(frozen=True)
class Scale:
    rounds: int = 15
    pages: int | None = None


SHORT = Scale(rounds=1, pages=20)


def tables(scale: Scale) -> Iterator[Table]:
    if SAVED.is_dir():
        yield _accuracy("saved pages of the project, chosen to be hard", _saved()[: scale.pages], scale)
    if FORMASAURUS.is_dir():
        yield _accuracy("pages that formasaurus ships", _formasaurus()[: scale.pages], scale)
    yield _judgement()


# -- judgement -------------------------------------------------------------------------------------------------------

LABELLED = ROOT / "tests" / "helpers" / "labelled_pages.jsonl"
"""Pages that were written for the tests."""
REFUSED = (403, 405, 429, 503)
FORMS = {"action": "does something", "wall": "withholds the page that was asked for"}


def _judgement() -> Table:
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in LABELLED.read_text(encoding="utf-8").splitlines():
        page = json.loads(line)
        # Only those are told of which it was kept how they were judged before anybody had seen them.
        if "first" in page:
            status = "403, 405, 429 or 503" if page["status"] in REFUSED else "any other"
            groups[f"{FORMS[page['label']]}; status {status}"].append(page)
    rows: list[list[Cell]] = []
    for kind, pages in groups.items():
        languages = len({page["language"] for page in pages})
        rows.append([kind, len(pages), languages, sum(page["first"] for page in pages), sum(map(_is_wall, pages))])
    return Table(
        title="Judgement: pages written for this",
        about=(
            "Two who had read neither the rules nor each other's pages wrote 40 walls and 40 forms that do something "
            "each, all with a live v2 widget. Forms that do something (a vote, an order, …) must never be taken for "
            "walls. Of other pages, expect what was found at first; the rules were then changed once."
        ),
        columns=(
            Column("pages", ".0f"),
            Column("languages", ".0f"),
            Column("taken for walls at first", ".0f"),
            Column("taken for walls now", ".0f"),
        ),
        rows=rows,
        notes=["Other ways take every page with a widget for a wall, or leave that to the user."],
    )


def _is_wall(page: dict[str, Any]) -> bool:
    request = Request(page["url"], meta={"redirect_urls": [page["asked"]]} if page["asked"] != page["url"] else {})
    challenge = find_challenge(HtmlResponse(page["url"], body=page["html"].encode(), status=page["status"]), request)
    return challenge is not None and challenge.blocking


# -- accuracy --------------------------------------------------------------------------------------------------------


class Page(NamedTuple):
    """A saved page and what is true of it: a live v2 widget, its key, and whether the page is a challenge."""

    file: Path
    url: str
    widget: bool
    key: str | None
    challenge: bool

    @property
    def status(self) -> int:
        return CHALLENGE_STATUS if self.challenge else 200


def _saved() -> list[Page]:
    labels = [json.loads(line) for line in (SAVED / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    url = "https://site.example/some/page"
    return [
        Page(SAVED / label["file"], url, label["is_v2"], label["sitekey"], label["blocking"] and label["is_v2"])
        for label in labels
    ]


def _formasaurus() -> list[Page]:
    pages = json.loads((FORMASAURUS / "index.json").read_text(encoding="utf-8"))
    keys = FORMASAURUS_WIDGETS
    return [Page(FORMASAURUS / name, page["url"], name in keys, keys.get(name), False) for name, page in pages.items()]


class Found(NamedTuple):
    """What a finder says of a page; ``buys`` is whether a job would be bought."""

    widget: bool
    key: str | None
    buys: bool
    microseconds: float = 0.0


def _ours(response: HtmlResponse) -> Found:
    challenge = find_challenge(response)
    return Found(False, None, False) if challenge is None else Found(True, challenge.sitekey, challenge.blocking)


def _playwright_captcha(response: HtmlResponse) -> Found:
    """Use the selector of playwright-captcha, and its regular expression if that finds nothing."""
    key = response.css("[data-sitekey]::attr(data-sitekey)").get()
    if not key and (match := re.search(r"data-sitekey=[\"']([^\"']+)[\"']", response.text)):
        key = match[1]
    return Found(bool(key), key, bool(key))


def _contains(word: bytes, *, any_case: bool = False) -> Callable[[HtmlResponse], Found]:
    def finder(response: HtmlResponse) -> Found:
        found = word in (response.body.lower() if any_case else response.body)
        return Found(found, None, found)

    return finder


FINDERS: dict[str, Callable[[HtmlResponse], Found]] = {
    OURS: _ours,
    "playwright-captcha's selector": _playwright_captcha,
    "“g-recaptcha” in the page": _contains(b"g-recaptcha"),
    "“recaptcha” in the page, in any case": _contains(b"recaptcha", any_case=True),
}
COLUMNS = (
    Column("widgets found", ".0f", better="more"),
    Column("right key", ".0f", better="more"),
    Column("false widgets", ".0f", better="less"),
    Column("challenges found", ".0f", better="more"),
    Column("bought in vain", ".0f", better="less"),
    Column("µs/page", ".0f", better="less"),
    Column("µs/page with a widget", ".0f", better="less"),
)
CHEAP = "they do not check whether the widget is live."
REASONS = {
    "widgets found": "they count every page that mentions reCAPTCHA, also falsely, and have no key to buy a token for.",
    "challenges found": "they take every page that mentions reCAPTCHA for a challenge, and buy in vain for the others.",
    "µs/page": CHEAP,
    "µs/page with a widget": CHEAP,
}


def _accuracy(pages_are: str, pages: Sequence[Page], scale: Scale) -> Table:
    rows = [
        _row(name, pages, [_measure(finder, page, scale.rounds) for page in pages]) for name, finder in FINDERS.items()
    ]
    name, found = f"is-antibot {is_antibot_version()}", _is_antibot(pages, scale.rounds)
    rows.append(_row(name, pages, found) if found else [name, *[None] * len(COLUMNS)])
    widgets = [page for page in pages if page.widget]
    return Table(
        title=f"Detection: {len(pages)} {pages_are}",
        about=(
            f"{len(widgets)} pages have a live v2 widget, {sum(page.challenge for page in pages)} are challenges "
            f"(status {CHALLENGE_STATUS}; others 200). CPU time for a new response, medians of {scale.rounds} rounds."
        ),
        columns=COLUMNS,
        rows=rows,
        reasons=REASONS,
    )


def _measure(finder: Callable[[HtmlResponse], Found], page: Page, rounds: int) -> Found:
    body, times = page.file.read_bytes(), []
    for _ in range(rounds):
        response = HtmlResponse(page.url, body=body, status=page.status)
        start = time.thread_time()
        found = finder(response)
        times.append(time.thread_time() - start)
    return found._replace(microseconds=median(times) * 1e6)


def _row(name: str, pages: Sequence[Page], found: Sequence[Found]) -> list[Cell]:
    both = list(zip(pages, found, strict=True))
    reads_keys = any(found.key for found in found)
    with_widget = [found.microseconds for page, found in both if page.widget]
    return [
        name,
        sum(page.widget and found.widget for page, found in both),
        sum(page.widget and page.key == found.key for page, found in both) if reads_keys else None,
        sum(found.widget and not page.widget for page, found in both),
        sum(page.challenge and found.buys for page, found in both),
        sum(found.buys and not page.challenge for page, found in both),
        median(found.microseconds for found in found),
        median(with_widget) if with_widget else None,
    ]


def _is_antibot(pages: Sequence[Page], rounds: int) -> list[Found]:
    """Return what the npm package is-antibot says; nothing if it or Node.js is not installed."""
    node = shutil.which("node")
    if node is None or not (NODE_MODULES / "is-antibot").is_dir():
        return []
    given = json.dumps([{"file": str(page.file), "url": page.url, "status": page.status} for page in pages])
    command = [node, str(Path(__file__).with_name("is_antibot.js")), str(NODE_MODULES.parent), str(rounds)]
    output = subprocess.run(command, input=given, capture_output=True, text=True, check=True).stdout
    # On Google's own challenge page it names Google.
    providers = ("recaptcha", "google")
    return [
        Found(found, None, found, answer["us"])
        for answer in json.loads(output)
        for found in [answer["detected"] and answer["provider"] in providers]
    ]


def is_antibot_version() -> str:
    package = NODE_MODULES / "is-antibot" / "package.json"
    return str(json.loads(package.read_text())["version"]) if package.is_file() else "not installed"
