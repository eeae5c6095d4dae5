"""The API token and the tokens that it buys: whatever happens, nobody but the service and the site sees them.

Every wall, every fault, every way to put a token and every way to fail is crawled at DEBUG, with all that Scrapy can
keep and tell switched on, and all of it is searched for the secrets, of which not even a piece may be there. A file
that a crawl writes into its folder is searched without further ado.

In the nights only: a fault that is none of the API's calls with the other of their transports, each transport with the
other version of the API, an answer that is lost before it is sent, and further redirects.
"""

import gc
import itertools
import json
import logging
import secrets
from types import TracebackType

import pytest
import scrapy
import treq  # noqa: F401 (the first crawl would import it, which takes longer than the timeouts here)
from aiohttp import web
from scrapy.http import JsonRequest
from twisted.python.failure import Failure

from scrapy_omocaptcha import Token, errors, find_challenge, solve, submit_token
from scrapy_omocaptcha.buying.api import factory
from scrapy_omocaptcha.buying.api.transport import Transport
from scrapy_omocaptcha.forms.submission import TOKEN_META, Submission
from scrapy_omocaptcha.settings.secret import Secret
from scrapy_omocaptcha.testing import WALLS, OmoCaptchaService
from scrapy_omocaptcha.testing.faults import KINDS
from tests.helpers.chance import random_faults, random_jobs
from tests.helpers.crawling import RecordingSpider
from tests.helpers.leaks import Search, error_texts, log_texts, pickled
from tests.helpers.nightly import nightly
from tests.helpers.sites import KEY, Site, cleared, page, redirect, sending, wishes
from tests.helpers.timeouts import set_timeout

pytestmark = pytest.mark.sockets
API_TOKEN = "omo-" + secrets.token_hex(24)
KEPT = logging.getLogger("tests.careless")


class Careless(RecordingSpider):
    """Writes down whatever it can lay its hands on."""

    def page(self, response, asked=None):
        super().page(response)
        KEPT.debug("%r %r %r %r %s", response.request, response.meta, response.flags, response.headers, response.url)
        KEPT.debug("%s %s", pickled(response.request.meta), pickled(response.request.to_dict(spider=self)))

    def failed(self, failure):
        super().failed(failure)
        KEPT.error("%s", failure.getTraceback(detail="verbose"), exc_info=failure.value)
        KEPT.debug("%s %s", pickled(failure.value), pickled(failure.request.to_dict(spider=self)))
        response = getattr(failure.value, "response", None)
        if response is not None:
            KEPT.debug("%r %r %s", response.request, response.request.body, response.url)


PLACES = {
    "here": lambda token, _: f"/page?said={token}",
    "hop": lambda _, number: f"/hop?number={number}",
    "path": lambda token, _: f"/page/{token}/x",
    "encoded": lambda token, _: "/page/" + "".join(f"%{ord(character):02x}" for character in token),
    "fragment": lambda token, _: f"/page#{token}",
    "nested": lambda token, _: f"/page?next=%2Fpage%3Fsaid%3D{token}",
    "host": lambda token, _: f"http://{token[:50]}.example/{token}",
    "there": lambda token, _: f"http://127.0.0.8:1/?{token}",
    "file": lambda token, _: f"file:///{token}",
}
"""Where a site may redirect a submission to: each is a function of its token and its number."""

JOB_IS_LOST = {"OMOCAPTCHA_JOB_TIMEOUT": 1}
"""What a crawl waits for a job that never ends, or whose number it does not know."""


def site_hangs(*addresses):
    """Return what a crawl waits for answers that never come: those to the addresses that begin like one of these.

    Where an answer has to come, a busy machine may take longer.
    """

    class Hasty:
        def process_request(self, request):
            if request.url.startswith(addresses):
                request.meta["download_timeout"] = 1

    return {"DOWNLOADER_MIDDLEWARES": {Hasty: 590}}


class Crawls:
    """Crawls of which everything is kept."""

    def __init__(self, crawl, service, folder):
        self._crawl, self.service, self._folder = crawl, service, folder
        self.left = []
        self._settings = {key: value for key, value in service.settings.items() if key != "OMOCAPTCHA_API_TOKEN"}

    def __call__(self, spider, **settings):
        number = len(self.left)
        files = {"HTTPCACHE_DIR": f"cache-{number}", "JOBDIR": f"job-{number}", "OMOCAPTCHA_LEDGER": "ledger.sqlite"}
        places = {setting: str(self._folder / name) for setting, name in files.items()}
        others = {"RETRY_TIMES": 0, "COOKIES_DEBUG": True, "HTTPCACHE_ENABLED": True}
        crawled = self._crawl(spider, {**self._settings, **places, **others, **settings})
        self.left.append(crawled)
        return crawled

    @property
    def tokens(self):
        """Every token that the service has sold, as its answers name it."""
        answers = [json.loads(call.answer) for call in self.service.calls if "Result" in call.name and call.answer]
        results = [answer.get("result") or answer.get("solution") for answer in answers]
        return {result["gRecaptchaResponse"] for result in results if result}


@pytest.fixture
def service(request):
    version = getattr(request, "param", 1)
    with OmoCaptchaService(api_token=API_TOKEN, balance=100, api_version=version) as service:
        yield service


@pytest.fixture
def crawls(crawl, service, tmp_path, monkeypatch):
    # Not in the settings, which are Scrapy's to show.
    monkeypatch.setenv("OMOCAPTCHA_API_TOKEN", API_TOKEN)
    return Crawls(crawl, service, tmp_path)


@pytest.fixture
def transport(request, monkeypatch):
    # Without a reactor, aiohttp makes the calls.
    monkeypatch.setattr(factory, "is_reactor_installed", lambda: request.param == "treq")


@pytest.fixture
def hasty(monkeypatch):
    """Return a set for the names of those calls of the API that are waited for as shortly as if no answer came."""
    names = set()
    post = Transport.post

    def hasty_post(self, path, body):
        set_timeout(self, 0.3 if path.strip("/") in names else 20)
        return post(self, path, body)

    monkeypatch.setattr(Transport, "post", hasty_post)
    return names


def check(crawls, folder, *sites):
    """Search everything that ``crawls`` have left behind."""
    assert len(crawls.tokens) > 0
    everything = Search({API_TOKEN, *crawls.tokens})
    for crawled in crawls.left:
        texts = [repr(crawled.stats), *log_texts(crawled.log)]
        for error in crawled.failures:
            texts += [*error_texts(error), pickled(error)]
        assert everything.in_texts(texts) == []
    crawlers = [crawled.spider.crawler for crawled in crawls.left]
    kept = (BaseException, Failure, TracebackType)
    assert everything.in_objects(crawlers, keepers=kept), "the credential itself is out of sight"
    # The traceback of an error that a spider keeps holds what its frames held, and that shows nothing of itself.
    errors_kept = [error for crawled in crawls.left for error in crawled.failures]

    def left():
        in_crawlers = everything.in_objects(crawlers, keepers=(Secret, *kept))
        return in_crawlers + everything.in_objects(errors_kept, keepers=(Secret, Token, Submission, Crawls))

    if left():
        # Weak mappings keep the values of what is garbage until it is collected.
        gc.collect()
        assert left() == []
    assert everything.in_folder(folder) == []
    mine = Search({API_TOKEN})
    for site in sites:
        assert mine.in_texts(map(repr, _seen(site))) == []
        assert everything.in_texts(visit[-1].get("Referer", "") for visit in _seen(site)) == []
    assert everything.characters > 10_000


def _seen(site):
    if isinstance(site, Site):
        return list(site.requests)
    return [(visit, visit.cookies, visit.body, visit.headers) for visit in site.requests]


def asks(*requests):
    return sending(*requests, base=Careless)


@pytest.mark.usefixtures("transport")
@pytest.mark.parametrize(
    ("fault", "transport"),
    [
        *[(None, "treq"), ("endings", "aiohttp"), ("calls", "aiohttp"), ("site", "treq")],
        *[nightly(None, "aiohttp"), nightly("endings", "treq"), nightly("calls", "treq"), nightly("site", "aiohttp")],
    ],
    indirect=["transport"],
)
def test_no_wall_and_no_fault_lets_a_secret_out(crawls, walled, tmp_path, hasty, fault):
    service = crawls.service
    names = {None: WALLS, "endings": ("get", "never", "per_page"), "calls": ("per_page",), "site": ("get", "per_page")}
    sites = [walled(name, catalogue_pages=8) for name in names[fault]]
    if fault == "endings":
        random_jobs(service, 0.5, seed=1)
    for kind in KINDS if fault == "calls" else ():
        # One that hit a create call would pause all buying.
        service.fault("getJobResult", kind, seconds=0.1)
        hasty.add("getJobResult")
    for number, site in enumerate(sites if fault == "site" else ()):
        random_faults(site, 0.3, seed=number, kinds=[kind for kind in KINDS if kind != "hang"], seconds=0.1)
        site.fault("/page/2", "hang")
    pages = range(1, 9 if fault == "calls" else 4)
    requests = [scrapy.Request(f"{site.url}/page/{number}?a=1") for site in sites for number in pages]
    hangs = {"endings": JOB_IS_LOST, "site": site_hangs(*(f"{site.url}/page/2" for site in sites))}
    # Useless jobs open the breaker, after which no fault would happen any more.
    crawls(asks(*requests), OMOCAPTCHA_BREAKER_FAILURES=100, **hangs.get(fault, {}))
    check(crawls, tmp_path, *sites)


@pytest.mark.parametrize("fault", [None, "never", "reset_after", "hang", nightly("reset"), nightly("html")])
def test_no_place_for_a_token_lets_it_out(crawls, walled, tmp_path, fault):
    site = walled("session")
    requests = [*wishes(site, page="/find?who=me").values()]
    if fault == "never":
        crawls.service.next_job("rejected", times=20)
    elif fault is not None:
        for request in requests:
            site.fault(request.url.removeprefix(site.url).partition("?")[0], fault, seconds=0.1)
    later = [scrapy.Request(f"{site.url}/free/{number}", priority=-1) for number in (1, 2)]
    hangs = site_hangs(*(request.url for request in requests)) if fault == "hang" else {}
    crawls(asks(*requests, *later), CONCURRENT_REQUESTS=1, **hangs)
    # A token is sent to nobody but the one that it was bought for.
    told = Search(crawls.tokens)
    assert told.in_texts(repr(seen) for seen in _seen(site) if "/free/" in seen[0].path) == []
    check(crawls, tmp_path, site)


@pytest.mark.parametrize("ways", [("get/302", "post/307"), nightly(("get/307", "post/302"))])
def test_no_redirect_of_a_token_lets_it_out(crawls, tmp_path, ways):
    tokens = []

    def answer(request, form):
        if request.path.startswith("/hop"):
            return redirect(f"/page?said={tokens[int(request.query['number'])]}")
        if request.path.startswith("/page") and cleared(request):
            return page()
        if request.path == "/page":
            return web.Response(status=404)
        if request.method == "GET" and "g-recaptcha-response" not in request.query:
            return challenge(method=request.path.strip("/").partition("/")[2])
        token = form.get("g-recaptcha-response") or request.query["g-recaptcha-response"]
        tokens.append(token)
        status, where = request.path.rpartition("/")[2].split("-")
        if where == "refresh":
            return page(f'<meta http-equiv=refresh content="0; url=/page/{token}">')
        response = redirect(PLACES[where](token, len(tokens) - 1), int(status))
        response.set_cookie("clearance", "yes" if where in ("here", "path") else "no", path="/")
        return response

    def challenge(method):
        verb, _, target = method.partition("/")
        return web.Response(
            text=f"<title>Access denied: are you a robot?</title><form method={verb} action=/verify/{target}>"
            f"<div class=g-recaptcha data-sitekey={KEY}></div></form>"
            "<script src=https://www.google.com/recaptcha/api.js></script>",
            status=403,
            content_type="text/html",
        )

    with Site(answer) as site:
        targets = itertools.product(ways, (*PLACES, "refresh"))
        urls = [f"{site.origin}/page/{way}-{where}" for way, where in targets]
        # Each in a session of its own.
        crawls(asks(*[scrapy.Request(url, meta={"cookiejar": url}) for url in urls]), OMOCAPTCHA_BREAKER_FAILURES=99)
        check(crawls, tmp_path, site)
    # The token is not sent once more, where a browser would ask for the page.
    asked = [path for method, path, *_ in site.requests if method == "GET" and path.startswith("/page")]
    assert Search(tokens).in_texts(asked) == []


@pytest.mark.parametrize("by_hand", [False, True])
def test_no_answer_to_a_get_submission_that_breaks_off_lets_the_token_out(crawls, walled, tmp_path, by_hand):
    sites = {walled("get"): fault for fault in ("reset_after", "truncated", "hang")}
    urls = [f"{site.url}/page/1" for site in sites]

    class ByHand(Careless):
        def requests(self):
            yield scrapy.Request("data:,", self.first, meta={**TOKEN_META, "handle_httpstatus_all": True})

        def first(self, response):
            # All keys of meta that the submission has are known by then.
            yield scrapy.Request("data:,again", self.second, meta={**response.meta, "download_latency": 0.1})

        def second(self, response):
            for url in urls:
                yield scrapy.Request(url, meta={"omocaptcha": False, "handle_httpstatus_all": True})

        async def parse(self, response):
            challenge = find_challenge(response)
            submission = submit_token(response, challenge, await solve(challenge, crawler=self.crawler))
            del submission.meta["omocaptcha"]
            # Without an errback, Scrapy logs the error.
            yield submission

    for site, fault in sites.items():
        site.fault("/verify", fault, times=4)
    hangs = site_hangs(*(f"{site.url}/verify" for site, fault in sites.items() if fault == "hang"))
    crawls(ByHand if by_hand else asks(*map(scrapy.Request, urls)), DOWNLOAD_MAXSIZE=200_000, **hangs)
    assert all("/verify" in [visit.path for visit in site.requests] for site in sites)
    check(crawls, tmp_path, *sites)


def test_no_hook_that_fails_lets_a_token_out(crawls, walled, tmp_path):
    site = walled("callback_only")

    def fail(token):
        raise KeyError(token)

    def crawl_with(hook):
        submits = {"omocaptcha_submit": lambda self, response, challenge, token: hook(token.value)}
        return crawls(sending(scrapy.Request(f"{site.url}/page/1"), base=Careless, **submits))

    crawl_with(fail)
    crawl_with(lambda token: fail(f"what is {token[:40]}… or …{token[-40:]}?"))
    crawl_with(lambda token: scrapy.Request(f"https://elsewhere.example/?{token}"))
    crawl_with(lambda token: scrapy.Request(f"{site.url}/verify/{token}", method="POST", body=f"{token}=1&a={token}"))
    crawl_with(lambda token: scrapy.Request(f"{site.url}/verify", method="POST", body=json.dumps({"a": token})))
    fine = crawl_with(lambda token: JsonRequest(f"{site.url}/verify", data={"token": token}))
    assert len(fine.pages) == 1
    check(crawls, tmp_path, site)


@pytest.mark.usefixtures("transport")
@pytest.mark.parametrize(
    ("transport", "service", "create"),
    [
        *[("treq", 1, "createJob"), ("aiohttp", 2, "createTask")],
        *[nightly("aiohttp", 1, "createJob"), nightly("treq", 2, "createTask")],
    ],
    indirect=["transport", "service"],
)
def test_the_verbs_used_by_hand_let_nothing_out(crawls, walled, tmp_path, hasty, create):
    site = walled("get")

    class ByHand(Careless):
        handle_httpstatus_list = (403,)

        def requests(self):
            yield scrapy.Request(f"{site.url}/page/1", meta={"omocaptcha": False}, callback=self.found)

        async def found(self, response):
            challenge = find_challenge(response)
            for fault in (None, "hang", None, "bad_gateway", None, "html", None, None):
                if fault is not None:
                    crawls.service.fault(create, fault)
                (hasty.add if fault == "hang" else hasty.discard)(create)
                try:
                    token = await solve(challenge, crawler=self.crawler)
                except errors.OmoCaptchaError as error:
                    KEPT.exception("%r", error)
                    self.failures.append(error)
                    continue
                request = submit_token(response, challenge, token)
                KEPT.info("%s %r %s %s", token, request, pickled(token), pickled(request))
                yield request.replace(callback=self.came, errback=self.failed)

        def came(self, response):
            self.pages.append(response.status)

    crawls.service.next_job("token", times=6)
    crawls.service.next_job("fail")
    crawls.service.next_job("refused", message=f"No job for {API_TOKEN}!")
    assert len(crawls(ByHand, **JOB_IS_LOST).failures) == 5
    check(crawls, tmp_path, site)


@pytest.mark.parametrize("service", [1, 2], indirect=True)
def test_a_service_that_repeats_the_credential_is_not_quoted(crawls, walled, tmp_path):
    site = walled("session")
    crawls(asks(scrapy.Request(f"{site.url}/page/1")))
    # After the second and the third of them, no job is asked for any more.
    refusals = [("Key {:.20} is wrong", 3), ("Invalid api token {}.", 1), ("No money on {}", 1), ("What is {}?", 3)]
    for words, times in refusals:
        crawls.service.next_job("refused", message=words.format(API_TOKEN), times=times)
        crawled = crawls(asks(*[scrapy.Request(f"{site.url}/page/{number}?b=1") for number in (1, 2, 3)]))
        assert words.partition("{")[0] + "***" in "".join(crawled.said())
    check(crawls, tmp_path, site)


def test_the_search_finds_what_it_looks_for(tmp_path):
    secret = secrets.token_hex(20)
    search = Search({secret})
    (tmp_path / "file").write_bytes(b"\0" + secret[5:30].encode())
    holder = {"a": [Token("x", "y", 0.0), lambda: secret]}
    assert search.in_texts([f"x{secret[3:19]}y", "harmless"])
    assert search.in_folder(tmp_path)
    assert search.in_objects([holder], keepers=())
    assert search.in_objects([Token(secret, "key", 0.0)], keepers=())
    assert search.in_objects([Submission("http://a.example/", secret=secret)], keepers=())
    assert not search.in_objects([{"a": Secret(secret)}], keepers=(Secret,))
    with pytest.raises(ValueError, match="harmless") as caught:
        raise ValueError("harmless")
    assert search.in_texts(error_texts(caught.value))
    assert search.in_objects([caught.value], keepers=())
