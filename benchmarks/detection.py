"""What detection costs, side by side with what it is measured against.

    python -m benchmarks.detection

Medians over many rounds, each of which takes every way once, on the processor's clock, so that what else the machine
does falls on all of them alike. The aims: without the word at most 1.2 times the bare scan, with it at most 1.3
times one parse of the page with one look-up, since a spider that looks at the page pays that anyway.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable

from scrapy.http import HtmlResponse

from scrapy_omocaptcha import find_challenge

ROUNDS = 400
SIZE = 100_000
KEY = "6LcDtestAAAAAKtestAkeyAofAourAownA_-0001"
API = '<script src="https://www.google.com/recaptcha/api.js" async defer></script>'
PARAGRAPH = (
    '<div class="story story-{n}"><h2 id="h{n}"><a class="title" href="/story/{n}?from=list">Story number {n}</a></h2>'
    '<p class="teaser">A <em>short</em> text that says what the story is about, in some forty words, as pages have '
    'them by the dozen, with a <a href="/tag/sea">link</a> or two and nothing else of note.</p>'
    '<ul><li><span class="by">Somebody</span></li><li><time datetime="2026-01-01">yesterday</time></li></ul>'
    '<img src="/i/{n}.jpg" alt="" width="300" height="200"></div>\n'
)
FORM = (
    '<form action="/contact" method="post"><input type="hidden" name="csrf" value="1"><input name="name">'
    '<input type="email" name="mail"><textarea name="text"></textarea>{}<button>Send</button></form>'
)
WIDGET = f'<div class="g-recaptcha" data-sitekey="{KEY}" data-callback="done"></div>'
EXPLICIT = f"""<div id="box"></div><script>
function go() {{ grecaptcha.render('box', {{'sitekey': '{KEY}', 'callback': function (t) {{ enable('send'); }} }}); }}
</script>"""
SCORE = f"<script>grecaptcha.ready(function () {{ grecaptcha.execute('{KEY}', {{action: 'home'}}); }});</script>"
WALL = f"<title>Are you a robot?</title><h1>One more step</h1><form method=post>{WIDGET}<button>Go</button></form>"


SCRIPTS = "".join(
    f'<script src="/js/{n}.js" defer></script><script>window.s{n} = {{"id": {n}, "on": true}};</script>'
    for n in range(15)
)


def article(form: str) -> bytes:
    """A page of about ``SIZE`` bytes with ``form`` at its end."""
    stories = "".join(PARAGRAPH.format(n=n) for n in range(SIZE // len(PARAGRAPH)))
    return f"<!DOCTYPE html><html><head><title>News</title>{SCRIPTS}</head><body>{stories}{form}</body></html>".encode()


PAGES = {
    "without the word": article(FORM.format("")),
    "with a checkbox": article(API + FORM.format(WIDGET)),
    "with a widget rendered by script": article(API + FORM.format(EXPLICIT)),
    "with v3": article(API.replace(".js", f".js?render={KEY}") + SCORE + FORM.format("")),
    "a wall": (API + WALL).encode(),
}


def fresh(body: bytes) -> HtmlResponse:
    return HtmlResponse("https://site.example/news", body=body, headers={"Content-Type": "text/html; charset=utf-8"})


def scan(response: HtmlResponse) -> None:
    response.body.find(b"recaptcha")


def parse(response: HtmlResponse) -> None:
    response.css("h2")


def look(response: HtmlResponse) -> None:
    response.css("h2")
    find_challenge(response)


WAYS: dict[str, Callable[[HtmlResponse], object]] = {
    "bytes.find": scan,
    "find_challenge": find_challenge,
    "Selector and one css": parse,
    "both": look,
}


def measure(body: bytes) -> dict[str, float]:
    """Microseconds of each way over a page, the median of all rounds."""
    taken: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(ROUNDS):
        for name, way in WAYS.items():
            response = fresh(body)
            start = time.thread_time()
            way(response)
            taken[name].append(time.thread_time() - start)
    return {name: statistics.median(times) * 1e6 for name, times in taken.items()}


def main() -> None:
    gc.disable()
    print(f"{'':<34}{'scan':>8}{'ours':>8}{'parse':>8}{'both':>8}   µs    ours/scan  ours/parse  both/parse")
    for name, body in PAGES.items():
        times = measure(body)
        bare, ours, parsed, both = times.values()
        print(
            f"{name:<34}{bare:>8.1f}{ours:>8.1f}{parsed:>8.1f}{both:>8.1f}   {len(body) // 1000:>3} KB"
            f"{ours / bare:>9.2f}{ours / parsed:>12.2f}{both / parsed:>12.2f}"
        )
        gc.collect()


if __name__ == "__main__":
    main()
