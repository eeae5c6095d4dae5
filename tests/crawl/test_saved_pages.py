"""Whole crawls: the real challenge pages of the corpus, served from a local site with their statuses."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from aiohttp import web

from tests.helpers.pages import FOLDER, needs_pages
from tests.helpers.sites import Site, page, spider

pytestmark = needs_pages


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


@pytest.fixture
def visit(crawl, service):
    """``visit(file, status)`` → the crawl of a page, and what its site got as the token: method, path and fields.

    The site answers with the challenge of the file until it gets a token, by whatever request.
    """

    def visit(file, status):
        got = []

        def answer(request, form):
            fields = {**dict(parse_qsl(request.query_string, True)), **form}
            if "g-recaptcha-response" in fields:
                got.append((request.method, request.path, fields))
            if got:
                return page("<title>the page</title>")
            return web.Response(body=(FOLDER / file).read_bytes(), status=status, content_type="text/html")

        with Site(answer) as site:
            return crawl(spider(f"{site.origin}/page"), {**service.settings, "RETRY_ENABLED": False}), got

    return visit


@pytest.mark.parametrize(("file", "status"), PASSED, ids=lambda value: str(value)[:3])
def test_a_real_challenge_is_passed_with_exactly_the_fields_of_its_form(visit, service, file, status):
    crawled, ((method, path, fields),) = visit(file, status)
    # Cloudflare's address carries a query of its own beside the form's fields.
    assert (method, path, [name for name in fields if not name.startswith("__cf_chl")]) == PASSED[file, status]
    assert fields["g-recaptcha-response"]
    assert [page.css("title::text").get() for page in crawled.pages] == ["the page"]
    assert len(service.jobs) == 1


@pytest.mark.parametrize(("file", "status"), REFUSED, ids=lambda value: str(value)[:3])
def test_a_real_challenge_that_cannot_be_solved_is_refused_with_its_reason(visit, service, file, status):
    crawled, got = visit(file, status)
    assert crawled.count(f"skipped/{REFUSED[file, status]}") == 1
    assert (got, service.calls) == ([], ())
    assert (len(crawled.pages), len(crawled.failures)) == (0, 1)
    assert any(REFUSED[file, status] in line for line in crawled.said())
