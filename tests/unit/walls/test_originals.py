"""What was asked for before a redirect is written down as JSON, and rebuilt whatever Scrapy makes of the redirect."""

import json

import pytest
from scrapy import Request
from scrapy.downloadermiddlewares.redirect import RedirectMiddleware
from scrapy.http import Response
from scrapy.utils.test import get_crawler

from scrapy_omocaptcha.walls.originals import rebuild, way_of, write

PAGE, GATE, ELSEWHERE = "https://shop.example/page?p=2", "https://shop.example/gate", "https://wall.example/"
CONTENT_HEADERS = {"Content-Type": "text/x", "Content-Encoding": "identity", "Content-Language": "de"}


def redirected(request, *addresses, status=302):
    """Return the request that Scrapy makes of redirects to addresses, and what was written down before the last one."""
    middleware, original = RedirectMiddleware.from_crawler(get_crawler()), None
    for address in addresses:
        original = json.loads(json.dumps(write(request, original)))
        request = middleware.process_response(request, Response(request.url, status, headers={"Location": address}))
    return request, original


@pytest.mark.parametrize(
    "made",
    [
        {"cb_kwargs": {"number": 7}, "meta": {"cookiejar": "a", "dont_cache": True, "omocaptcha": True}},
        {"method": "POST", "body": b"\x00\xff", "headers": {**CONTENT_HEADERS, "Cookie": "a=b", "X-Own": ["1", "2"]}},
        {"cookies": {"s": "1"}, "dont_filter": True, "priority": -3},
        {"cookies": [{"name": "s", "value": "1", "domain": "shop.example"}]},
        {"headers": {"Referer": b"https://search.example/\xe9", "Authorization": ["Bearer é", "Bearer x"]}},
        # A callback has copied these from its response.
        {"meta": {"redirect_times": 1, "redirect_urls": [GATE], "redirect_reasons": [301]}},
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "addresses", [[GATE], [PAGE], ["http://shop.example/"], [ELSEWHERE, f"{ELSEWHERE}x", PAGE, GATE]]
)
def test_the_request_before_redirects_is_rebuilt(made, status, addresses):
    rebuilt = rebuild(*redirected(Request(PAGE, **made), *addresses, status=status))
    assert rebuilt.to_dict() == Request(PAGE, **made).to_dict()


def test_what_other_middlewares_have_added_to_a_redirected_request_stays_but_for_what_is_about_the_redirect():
    request, original = redirected(Request(PAGE), GATE)
    request.headers.update({"User-Agent": "other", "Referer": PAGE})
    request.meta["depth"] = 2
    rebuilt = rebuild(request, original)
    assert (rebuilt.headers, rebuilt.meta) == ({b"User-Agent": [b"other"]}, {"depth": 2})


@pytest.mark.parametrize("address", [GATE, ELSEWHERE])
@pytest.mark.parametrize("own", [{"download_slot": "slow"}, {}])
def test_a_request_is_rebuilt_with_its_own_download_slot(address, own):
    request, original = redirected(Request(PAGE, meta=own), address)
    request.meta["download_slot"] = "a"
    assert rebuild(request, original).meta == own


def test_the_way_of_a_request_begins_with_what_was_asked_for_and_ends_with_its_own_address():
    old = Request(PAGE, meta={"redirect_times": 1, "redirect_urls": ["https://shop.example/old"]})
    assert way_of(old, None) == [PAGE]
    assert way_of(*redirected(old, GATE)) == [PAGE, GATE]
    assert way_of(*redirected(old, GATE, PAGE, ELSEWHERE)) == [PAGE, GATE, PAGE, ELSEWHERE]
