"""Who leads, who is held, who is let go when: by the state machine alone, with nothing sent."""

from base64 import b64encode
from itertools import count

import pytest
from scrapy import Request
from scrapy.downloadermiddlewares.httpproxy import HttpProxyMiddleware
from scrapy.http import Response
from scrapy.http.cookies import CookieJar

from scrapy_omocaptcha.tokens.medium import Mediums
from scrapy_omocaptcha.walls.clearance import Worth
from scrapy_omocaptcha.walls.session import Role, Session
from scrapy_omocaptcha.walls.sessions import Sessions

PAGE = Request("https://shop.example/page")


class Wall:
    """A session, and stamps for it in the order in which a test asks for them."""

    def __init__(self):
        self.next_stamp = count(1).__next__
        self.session = Session("shop.example", self.next_stamp)
        self.gone_on = []

    def stamp(self, *, re_ask=False):
        stamp = self.next_stamp()
        if re_ask:
            self.session.clearance.record_sent(0, stamp)
        return stamp

    def lead(self):
        stamp = self.stamp()
        assert self.met(stamp) is Role.LEAD
        self.session.lead(stamp)

    def met(self, stamp):
        """Return the role of a request that has met a challenge."""
        self.session.record_challenge(stamp)
        return self.session.role(stamp)

    def hold(self, name, *, challenged=True):
        turn = self.session.turns.wait(challenged=challenged)
        turn.addCallbacks(lambda _: self.gone_on.append(name), lambda _: None)
        return turn

    def win(self, width=1, *, proven=False):
        self.session.clearance.record_won([], Worth.PROVEN if proven else Worth.NEW)
        self.session.stop_leading(lambda: width)

    def give_up(self):
        self.session.stop_leading(lambda: 8)


@pytest.fixture
def wall():
    return Wall()


# -- the next leader ------------------------------------------------------------------------------------------------


def test_a_leader_that_gives_up_hands_the_lead_to_one_follower_at_a_time(wall):
    waiting = [wall.stamp() for _ in range(3)]
    wall.lead()
    for number in range(3):
        wall.hold(number)
    assert wall.session.holds_new_requests
    assert wall.met(waiting[0]) is Role.WAIT
    wall.give_up()
    assert wall.gone_on == [0]
    assert wall.met(waiting[0]) is Role.LEAD
    wall.session.lead(waiting[0])
    wall.session.turns.end()
    assert wall.gone_on == [0], "held until the new leader is through"
    wall.win(width=5, proven=True)
    assert wall.gone_on == [0, 1, 2]


def test_after_three_clearances_for_one_page_each_only_who_has_met_the_wall_shows_that_it_is_open(wall):
    for _ in range(2):
        for _ in range(3):
            assert wall.session.clearance.worth is not Worth.FOR_ONE_PAGE
            wall.lead()
            wall.win()
            assert wall.met(wall.stamp(re_ask=True)) is Role.ALONE
            wall.session.record_page(PAGE, wall.stamp())
        assert wall.session.clearance.worth is Worth.FOR_ONE_PAGE
        wall.session.record_page(PAGE, wall.stamp(), has_met_wall=True)
        assert wall.session.clearance.worth is Worth.PROVEN


# -- letting go -----------------------------------------------------------------------------------------------------


def test_the_held_are_let_go_in_their_order_and_no_more_at_once_than_the_site_is_sent(wall):
    width = [2]
    wall.lead()
    wall.hold("gives up").cancel()
    for number in range(7):
        wall.hold(number, challenged=bool(number % 2))
    assert wall.gone_on == []
    wall.session.clearance.record_won([], Worth.NEW)
    wall.session.stop_leading(lambda: width[0])
    assert wall.gone_on == [0], "it is not known yet what the clearance is good for"
    wall.session.record_page(PAGE, wall.stamp())
    wall.session.turns.go_on()
    assert wall.gone_on == [0, 1]
    wall.session.turns.end()
    assert wall.gone_on == [0, 1, 2]
    width[0] = 4
    wall.session.turns.end()
    assert wall.gone_on == [0, 1, 2, 3, 4, 5]


def test_the_held_whose_turns_end_at_once_go_on_one_after_the_other_and_not_one_within_the_other(wall):
    """As when the crawl closes without asyncio: each is resumed by the end of the turn before."""
    within, depth = [], 0

    def go_on(_):
        nonlocal depth
        within.append(depth)
        depth += 1
        wall.session.turns.end()
        depth -= 1

    wall.lead()
    for number in range(300):
        wall.hold(number).addCallback(go_on)
    wall.win()
    assert wall.gone_on == list(range(300))
    assert within == [0] * 300


def test_a_page_sent_after_the_challenge_that_comes_without_one_releases_those_held_before_they_were_sent(wall):
    wall.lead()
    after = wall.stamp()
    wall.hold("met it")
    wall.hold("not yet sent", challenged=False)
    wall.hold("not yet sent either", challenged=False)
    wall.session.record_page(PAGE, after)
    assert wall.gone_on == ["not yet sent", "not yet sent either"]
    assert not wall.session.holds_new_requests, "nobody else is held before being sent"
    wall.win(width=9, proven=True)
    assert wall.gone_on == ["not yet sent", "not yet sent either", "met it"]
    wall.lead()
    assert wall.session.holds_new_requests


# -- sessions -------------------------------------------------------------------------------------------------------


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


# -- cookies --------------------------------------------------------------------------------------------------------


def answer(components, url, cookie):
    """Let an answer set a cookie, as Scrapy's middleware does, and return it."""
    response = Response(url, headers={"Set-Cookie": cookie})
    components.kept.extract_cookies(response, Request(url))
    return response


def test_the_cookies_of_other_hosts_are_not_gone_through(components, sessions, monkeypatch):
    answer(components, "https://www.shop.example/", "own=1")

    def refuse(jar):
        raise AssertionError("a crawl of thousands of hosts has a jar with the cookies of all of them")

    monkeypatch.setattr(CookieJar, "__iter__", refuse)
    monkeypatch.setattr(CookieJar, "__len__", refuse)
    walled = request({"url": "https://www.shop.example/b"})
    session = sessions.session(walled)
    session.clearance.record_won(cookies := sessions.cookies(walled), Worth.PROVEN)
    assert [cookie.name for cookie in cookies] == ["own"]
    sessions.keep_cookies(session, walled, Response(walled.url, headers={"Set-Cookie": "own=2"}), 0)


def test_the_stamps_of_a_later_run_are_higher_than_those_in_the_queue_of_an_earlier_one(components):
    first = Sessions(Mediums(components, None)).next_stamp()
    assert Sessions(Mediums(components, None)).next_stamp() > first
