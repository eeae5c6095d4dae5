"""Which requests share a session, and how little is kept of them."""

from base64 import b64encode

import pytest
from scrapy import Request
from scrapy.downloadermiddlewares.httpproxy import HttpProxyMiddleware
from scrapy.http import Response
from scrapy.http.cookies import CookieJar

from scrapy_omocaptcha.tokens.medium import Mediums
from scrapy_omocaptcha.walls.sessions import Sessions


class OneJar:
    """Stands for Scrapy's components: all requests share one cookiejar, or have none."""

    def __init__(self):
        self.kept = CookieJar()

    def jar(self, request):
        return self.kept


@pytest.fixture
def components():
    return OneJar()


@pytest.fixture
def sessions(components):
    return Sessions(Mediums(components, None))


def through_the_proxy_middleware(request):
    """As Scrapy's own component leaves a request, after ours has seen it."""
    HttpProxyMiddleware().process_request(request)
    return request


SAME_SESSION = [
    ({"url": "https://shop.example/a"}, {"url": "https://shop.example/b?c"}),
    ({"url": "https://shop.example/a"}, {"url": "http://SHOP.example:8080/a"}),
    ({"meta": {"cookiejar": 1}}, {"meta": {"cookiejar": 1, "x": 2}}),
    ({"meta": {"proxy": "http://p:1"}}, {"meta": {"proxy": "http://p:1"}}),
    ({}, {"meta": {"proxy": None}}),
]
OTHER_SESSION = [
    ({"url": "https://shop.example/"}, {"url": "https://www.shop.example/"}),
    ({"meta": {"cookiejar": 1}}, {"meta": {"cookiejar": 2}}),
    ({"meta": {"cookiejar": 1}}, {}),
    ({"meta": {"proxy": "http://p:1"}}, {"meta": {"proxy": "http://p:2"}}),
    ({"meta": {"proxy": "http://p:1"}}, {}),
    ({"meta": {"proxy": "http://one:x@p:1"}}, {"meta": {"proxy": "http://two:x@p:1"}}),
]


def request(values):
    return Request(**{"url": "https://shop.example/", **values})


@pytest.mark.parametrize(("one", "other"), SAME_SESSION)
def test_host_cookiejar_and_proxy_make_a_session(sessions, one, other):
    assert sessions.session(request(one)) is sessions.session(request(other)) is sessions.known(request(one))
    assert sessions.session(request(one)).host == "shop.example"


@pytest.mark.parametrize("sent", [lambda made: made, through_the_proxy_middleware], ids=["as made", "rewritten"])
@pytest.mark.parametrize(("one", "other"), OTHER_SESSION)
def test_another_host_cookiejar_or_proxy_is_another_session_also_once_scrapy_has_rewritten_it(
    sessions, one, other, sent
):
    sessions.session(sent(request(one)))
    assert sessions.known(sent(request(other))) is None


@pytest.mark.parametrize(
    "proxy",
    [
        "http://proxy.example:3128",
        "http://proxy.example:3128/",
        "proxy.example:3128",
        "http://user:secret@proxy.example:3128",
        "http://us%40er:se%3Acret@proxy.example:3128/",
    ],
)
def test_a_request_is_of_one_session_before_and_after_scrapy_has_rewritten_its_proxy(sessions, proxy):
    walled = through_the_proxy_middleware(request({"meta": {"proxy": proxy}}))
    session = sessions.session(walled)
    assert sessions.known(request({"meta": {"proxy": proxy}})) is session
    assert sessions.known(walled) is session
    told = repr(sessions.__dict__)
    assert "secret" not in told
    assert b64encode(b"user:secret").decode() not in told


def test_of_ten_thousand_sessions_the_least_recently_used_is_forgotten(sessions):
    first, second, *others = [request({"url": f"https://{number}.example/"}) for number in range(10_001)]
    for one in (first, second, *others[:-1]):
        sessions.session(one)
    assert sessions.known(first)
    sessions.session(others[-1])
    assert [one for one in (first, second, *others) if sessions.known(one) is None] == [second]


def test_little_is_kept_of_requests_that_got_no_answer(sessions):
    kept = [request({}) for _ in range(3)]
    for one in kept:
        sessions.sent(one)
    for _ in range(5000):
        sessions.sent(request({}))
    assert len(sessions._stamps) <= 2000
    assert all(map(sessions.stamp_of, kept))


def test_the_stamps_of_a_later_run_are_higher_than_those_in_the_queue_of_an_earlier_one(components):
    first = Sessions(Mediums(components, None)).next_stamp()
    assert Sessions(Mediums(components, None)).next_stamp() > first


@pytest.mark.parametrize(
    ("sent_with", "set_cookies", "kept", "is_current"),
    [
        ("", [], {"a": "new"}, True),
        ("a=new; b=1", [], {"a": "new", "b": "1"}, True),
        ("a=old; b=1", [], {"a": "new", "b": "1"}, False),
        ("a=old", ["a=new; Path=/"], {"a": "new"}, True),
        ("a=old", ["b=1", 'a="new"'], {"a": "new"}, True),
        ("a=old", ["a=new"], {"a": '"new"', "b": "1"}, True),
        ("a=old", ["a=new"], {"a": "newer"}, False),
        ("", ["b=1", "a=new"], {"a": "newer", "b": "1"}, False),
        ("", ["a=; Max-Age=0"], {"b": "1"}, True),
    ],
)
def test_a_page_is_of_the_session_that_is_kept_unless_that_has_newer_cookies(
    components, sessions, sent_with, set_cookies, kept, is_current
):
    asked = request({"headers": {"Cookie": sent_with} if sent_with else {}})
    response = Response(asked.url, headers={"Set-Cookie": set_cookies})
    assert sessions.is_current(asked, response, frozenset(kept.items())) is is_current
    components.kept = None
    assert sessions.is_current(asked, response, frozenset()), "those that the spider sends itself stay the same"
