"""Whole crawls: the real challenge pages of the corpus, served from a local site with their statuses."""

from __future__ import annotations

import threading
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiohttp import web

from scrapy_omocaptcha.testing.server import LoopbackServer
from tests.helpers.crawling import RecordingSpider
from tests.helpers.pages import FOLDER, needs_pages

pytestmark = needs_pages


class Site(LoopbackServer):
    """Answers ``/page`` with a challenge until a token has been handed in, by whatever request."""

    def __init__(self, challenge: bytes, status: int) -> None:
        super().__init__(["127.0.0.1"], 0)
        self._challenge = challenge
        self._status = status
        self._lock = threading.Lock()
        self.submissions = []

    async def _handle(self, request):
        fields = [*parse_qsl(urlsplit(request.path_qs).query, True), *(await request.post()).items()]
        if "g-recaptcha-response" in dict(fields):
            with self._lock:
                self.submissions.append((request.method, request.path_qs.partition("?")[0], fields))
        if self.submissions:
            return web.Response(text="<title>the page</title>", content_type="text/html")
        return web.Response(body=self._challenge, status=self._status, content_type="text/html")


PASSED = {
    ("052-google-sorry-2018.html", 503): ("POST", "/index", ["g-recaptcha-response", "q", "continue", "submit"]),
    ("054-cloudflare-captcha-2019-04.html", 403): ("GET", "/cdn-cgi/l/chk_captcha", ["s", "g-recaptcha-response"]),
    ("055-cloudflare-captcha-2019-12a.html", 403): ("POST", "/", ["r", "g-recaptcha-response"]),
}
REFUSED = {
    ("099-google-sorry-enterprise-2026.html", 429): "data_s",
    ("133-ngx-waf-hcaptcha.html", 403): "other_captcha",
    ("142-bing-challenge-turnstile.html", 403): "other_captcha",
    ("145-perimeterx-funcaptcha-adorama.html", 403): "other_captcha",
    ("156-cloudflare-iuam-js.html", 503): "other_captcha",
}


def visiting(site):
    return type("Visits", (RecordingSpider,), {"urls": (f"{site.origin}/page",)})


@pytest.mark.parametrize(("file", "status"), PASSED, ids=lambda value: str(value)[:3])
def test_a_real_challenge_is_passed_with_exactly_the_fields_of_its_form(crawl, service, file, status):
    with Site((FOLDER / file).read_bytes(), status) as site:
        crawled = crawl(visiting(site), service.settings)
    method, path, names = PASSED[file, status]
    ((sent_method, sent_path, fields),) = site.submissions
    # Cloudflare's address carries a query of its own beside the form's fields.
    sent = [name for name, _ in fields if not name.startswith("__cf_chl")]
    assert (sent_method, sent_path, sent) == (method, path, names)
    assert dict(fields)["g-recaptcha-response"]
    assert [page.css("title::text").get() for page in crawled.pages] == ["the page"]
    assert len(service.jobs) == 1


@pytest.mark.parametrize(("file", "status"), REFUSED, ids=lambda value: str(value)[:3])
def test_a_real_challenge_that_cannot_be_solved_is_refused_with_its_reason(crawl, service, file, status):
    with Site((FOLDER / file).read_bytes(), status) as site:
        crawled = crawl(visiting(site), {**service.settings, "RETRY_ENABLED": False})
    assert crawled.count(f"skipped/{REFUSED[file, status]}") == 1
    assert site.submissions == []
    assert service.calls == ()
    assert (len(crawled.pages), len(crawled.failures)) == (0, 1)
    assert any(REFUSED[file, status] in line for line in crawled.said())
