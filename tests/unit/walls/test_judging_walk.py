"""Rule 13 of the design, for all that can be known of a token at once: it is accepted only if nothing else explains it.

The table of verdicts in ``docs/design.rst`` says what each state of evidence means; here all of them are gone through.
"""

from collections import Counter
from itertools import count, product
from types import SimpleNamespace

from scrapy import Request
from scrapy.http import HtmlResponse, Response

from scrapy_omocaptcha.challenge import Challenge, Form
from scrapy_omocaptcha.errors import CrawlClosing, HandoverBroke
from scrapy_omocaptcha.tokens.judging import is_blank, is_lost
from scrapy_omocaptcha.tokens.verdict import Handed
from scrapy_omocaptcha.walls.passage import Page, Passage
from scrapy_omocaptcha.walls.session import Session
from scrapy_omocaptcha.walls.targets import Targets

URL = "http://shop.example/page/1"
ELSEWHERE = "http://shop.example/verify"
WALL, OTHER_FORM, OTHER_KEY = (
    Challenge(URL, key * 40, form=Form("POST", f"http://shop.example/{form}", ()))
    for key, form in (("a", "verify"), ("a", "login"), ("b", "verify"))
)
CHALLENGES = {b"same": WALL, b"other form": OTHER_FORM, b"other key": OTHER_KEY}
STATUSES = (200, 302, 403, 404, 407, 429, 503)
BODIES = (b"", b"a page", *CHALLENGES)


def answers(url):
    """Return what may come for a request: nothing, a page, an error, or a challenge, each with each status."""
    return [HtmlResponse(url, status, body=body) for status, body in product(STATUSES, BODIES)]


def challenge_of(answer):
    return CHALLENGES.get(answer.body) if isinstance(answer, Response) else None


class Evidence(Passage):
    """A passage of which nothing is there but the evidence: what came for the token, and for the page after it."""

    def __init__(self, again, *, is_first, is_alone, is_closing):
        self.request, self.purchase = Request(URL), None
        self.page = Page(HtmlResponse(URL, 403, body=b"same"), WALL, 0, None)
        self.is_first, self.is_alone, self._again = is_first, is_alone, again
        self._answers, self.session = 0, Session("shop.example", count(1).__next__)
        self.engine = SimpleNamespace(
            lifetime=SimpleNamespace(closing=is_closing), components=SimpleNamespace(meta_refresh=lambda answer: None)
        )
        self.redirects = SimpleNamespace(targets=Targets())
        self.asking = SimpleNamespace(is_for_own_page=True, is_for_order=False, is_at_gate=False)
        self.policy = SimpleNamespace(redirect_refusal=self._no_refusal)

    async def _no_refusal(self, *arguments):
        return None

    def take_challenge(self, answer):
        return challenge_of(answer)

    def cookies(self):
        return []

    async def send(self):
        if isinstance(self._again, Exception):
            raise self._again
        return self._again

    async def _look_behind(self, handed):
        return handed

    async def submit(self, token):
        """Do nothing: the evidence is there."""

    async def after_judging(self, result):
        return result

    async def wait_until_ready(self):
        return WALL


def handed_in():
    """Return what can come of handing a token in, as ``form_passage`` and ``browser.passage`` make it."""
    lost = HandoverBroke("no answer")
    yield from (Handed(None, is_page=False), Handed(None, is_page=False, is_seen=False))
    yield from (Handed(None, is_page=False, broke=broke) for broke in (lost, HandoverBroke("refused", is_sent=False)))
    for is_own, is_page in product((False, True), repeat=2):
        for answer in answers(URL if is_own else ELSEWHERE):
            sent = (Request(answer.url), Request(answer.url)) if is_own else None
            yield Handed(answer, is_page, is_own, lost if is_lost(answer) else None, sent)


def other_explanations(handed, again, *, is_alone, was_asked):
    """Yield what else than an accepted token may explain what came, in words of the design page."""
    answer, shown = handed.answer, again if was_asked else handed.answer
    if not handed.is_seen or (handed.broke is not None and not handed.broke.is_sent):
        yield "no request carried the token"
    if answer is not None and challenge_of(answer):
        yield "the challenge is the answer to the token"
    if answer is not None and answer.status >= 400 and was_asked:
        yield "the answer to the token is an error, and another request may have opened the wall"
    if handed.broke is not None and answer is None and is_alone:
        yield "the answer is lost, and others hand tokens in"
    if isinstance(shown, Exception) or shown is None:
        yield "nothing came"
    elif challenge_of(shown) and not (handed.is_own_address and answer is not None and answer.status < 300):
        yield "the challenge is there again"
    elif isinstance(shown, Response) and not challenge_of(shown):
        if shown.status in (401, 403, 429) or shown.status >= 500:
            yield "the wall or an overloaded site may have answered"
        if shown.status < 300 and is_blank(shown):
            yield "the page is empty"
    elif isinstance(shown, Request) and shown.meta.get("retry_times"):
        yield "the request failed, and is retried"


def walk():
    """Yield all states of evidence with what :meth:`Passage.judge` makes of them."""
    retried = Request(URL, meta={"retry_times": 1})
    later = [*answers(URL), Request("http://shop.example/page/2"), retried, CrawlClosing(), OSError()]
    for handed, is_first, is_alone, is_closing in product(handed_in(), *[(True, False)] * 3):
        for again in later:
            passage = Evidence(again, is_first=is_first, is_alone=is_alone, is_closing=is_closing)
            judging = passage.judge(passage.page, handed)
            try:
                judging.send(None)
            except StopIteration as ended:
                was_asked = passage.session.is_page_asked_for
                yield handed, again, is_first, is_alone, was_asked, ended.value
            except HandoverBroke:
                # It is handed in once more, which is a state of its own.
                assert is_first
            if not passage.session.is_page_asked_for:
                # What comes for the page makes no difference.
                break


def test_no_state_of_evidence_is_called_accepted_while_anything_else_explains_it():
    ends = Counter()
    for handed, again, is_first, is_alone, was_asked, result in walk():
        verdict = result.verdict
        ends[verdict.outcome] += 1
        state = f"{handed}, then {again}, first {is_first}, alone {is_alone}: {verdict}"
        explanations = list(other_explanations(handed, again, is_alone=is_alone, was_asked=was_asked))
        if verdict.outcome == "accepted":
            assert explanations == [], state
        if verdict.outcome == "rejected":
            shown = [one for one in (handed.answer, again) if one is not None]
            assert is_first, state
            assert WALL in map(challenge_of, shown), state
        if verdict.outcome == "unknown":
            assert verdict.reason, state
        if result.answer is None:
            assert verdict.is_useless or result.error is not None or verdict.reason == "another_wall", state
    assert ends.keys() == {"accepted", "rejected", "unknown"}
    assert min(ends.values()) > 100
    assert ends.total() > 5_000


def test_a_challenge_that_answers_a_token_rejects_it_whatever_its_status():
    """Walls show theirs with 429 and 503 as well, so that is no word of an overloaded site."""
    for status in STATUSES:
        answer = HtmlResponse(URL, status, body=b"same")
        passage = Evidence(None, is_first=True, is_alone=False, is_closing=False)
        broke = HandoverBroke("lost") if is_lost(answer) else None
        result = passage._judge_answer(WALL, Handed(answer, is_page=False, broke=broke))
        assert result.verdict.outcome == "rejected", status
