"""What was asked for before a redirect, as JSON, and the request that is made of it again."""

import json

import pytest
from scrapy import Request
from scrapy.downloadermiddlewares.redirect import RedirectMiddleware
from scrapy.http import Response
from scrapy.utils.test import get_crawler

from scrapy_omocaptcha.walls.originals import rebuild, write

URL = "https://shop.example/page"
CONTENT_HEADERS = {"Content-Type": "text/x", "Content-Encoding": "identity", "Content-Language": "de"}


@pytest.mark.parametrize("target", ["/gate", "https://wall.example/gate", "http://shop.example/gate"])
@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_is_as_it_was_before_its_redirect(target, status, method):
    headers = {**CONTENT_HEADERS, "Cookie": "user=ann", "Authorization": "Basic x", "Referer": URL, "Accept": "text/x"}
    asked = Request(URL, method=method, body="a=b", headers=headers, cookies={"a": "b"}, priority=3, meta={"key": 1})
    redirects = RedirectMiddleware.from_crawler(get_crawler())
    redirected = redirects.process_response(asked.copy(), Response(URL, status=status, headers={"Location": target}))
    again = rebuild(redirected, json.loads(json.dumps(write(asked, None))))
    assert again.to_dict() == asked.to_dict()
