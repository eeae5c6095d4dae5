"""Send one request that wants a token, and judge the answer; ``attempts`` buys the token."""

from dataclasses import dataclass
from http import HTTPStatus
from zlib import crc32

from scrapy import Request
from scrapy.http import JsonResponse, Response, TextResponse
from scrapy.http.request import NO_CALLBACK

from scrapy_omocaptcha.buying.purchase import ACCEPTED, REJECTED, Verdict
from scrapy_omocaptcha.challenge import Challenge, Token
from scrapy_omocaptcha.detection import find_challenge
from scrapy_omocaptcha.detection.content import text_of
from scrapy_omocaptcha.engine.slots import Hold
from scrapy_omocaptcha.errors import HandoverBroke
from scrapy_omocaptcha.forms.encoding import field_names
from scrapy_omocaptcha.forms.page import parse_page
from scrapy_omocaptcha.forms.placement import put_token
from scrapy_omocaptcha.forms.submission import Submission
from scrapy_omocaptcha.tokens.attempts import Attempts, Result
from scrapy_omocaptcha.tokens.judging import is_blank, is_overloaded
from scrapy_omocaptcha.tokens.reasons import GivenUp, Refusal
from scrapy_omocaptcha.tokens.sending import send_submission
from scrapy_omocaptcha.tokens.verdict import unknown, unused
from scrapy_omocaptcha.upfront.wishes import SENT_TO, Wish
from scrapy_omocaptcha.urls import public_address, same_site

_ANOTHER_WALL = (
    "the answer from {} is another wall: whether the site took the token is not known. Go through that wall with an "
    "ordinary request before, and send the form in its session"
)


class FormRecord:
    """Facts about a host's forms with one site key."""

    accepts = False
    """Whether the site has accepted a token."""
    has_told_rejection = False
    """Whether ``rejected=`` has ever told a rejection here. From then on, an answer of which it tells none counts as
    none."""
    last_text: int | None = None
    """Checksum of the text of the last answer that showed the widget again."""


@dataclass(eq=False)
class TokenRequest(Attempts):
    """The attempts to send one request with a token in it."""

    wish: Wish
    record: FormRecord
    hold: Hold

    def __post_init__(self) -> None:
        super().__post_init__()
        self.wanted = self.wish.challenge
        self.answer: Response | None = None
        """The last answer of the site."""

    async def run(self) -> Response:
        """Send the request with a token, and return the response to it, or raise ``GivenUp``."""
        result = await self.make_attempts()
        answer = self.deliver(self.wanted, result)
        assert isinstance(answer, Response)
        return self.engine.components.deliver(self.request, answer, **{SENT_TO: self.request.url})

    async def next_challenge(self) -> Challenge:
        """Return the challenge that the request wants a token for, unless that may not be solved any more."""
        # Other requests may have found out much since the last attempt.
        refusal = self.policy.upfront_refusal(self.request, self.wanted)
        if refusal is not None:
            raise GivenUp(refusal)
        return self.wanted

    async def hand_in(self, token: Token) -> Result:
        """Send the request with the token, and tell from the answer what the site made of it."""
        submission = with_token(self.request, self.wish.put, token.value)
        self.report_sent(submission.method, submission.url, field_names(submission))
        try:
            async with self.hold.sending():
                answer = await send_submission(self.engine.chain, submission, token)
        except HandoverBroke as error:
            # Raised, it has the token handed in once more.
            if self.is_first and (not error.is_sent or self.engine.components.will_retry(self.request, error.kind)):
                raise
            if not error.is_sent:
                return Result(verdict=unused("page_failed"), error=GivenUp(Refusal("broke", str(error))))
            refusal = Refusal("broke", f"{error}; the site may have acted on it all the same")
            return Result(verdict=unknown("broke"), error=GivenUp(refusal))
        assert isinstance(answer, Response)
        # The request that was sent holds the token, and must not reach a method of the spider.
        self.answer = answer = answer.replace(request=self.request)
        try:
            rejected = self.policy.hooks.ask_rejected(self.wish.rejected, answer)
        except GivenUp as error:
            return Result(verdict=unknown("hook"), error=error)
        self.record.has_told_rejection |= rejected is True
        wall = None if rejected else self.policy.find(self.request, answer)
        if wall is not None and self._is_another(wall):
            refusal = Refusal("form_changed", _ANOTHER_WALL.format(public_address(wall.url)))
            return Result(verdict=unknown("another_wall", is_useless=True), error=GivenUp(refusal))
        if rejected or wall is not None:
            # A second time, the site may refuse it only because it has taken it the first time.
            return Result(verdict=REJECTED if self.is_first else unknown("broke"))
        if is_overloaded(answer) and self.is_first and self.engine.components.will_retry(self.request, answer):
            raise HandoverBroke(f"the request with the token was answered with {answer.status}")
        verdict = self._judge(answer, rejected)
        self.record.accepts |= verdict is ACCEPTED
        return Result(answer, verdict)

    def _is_another(self, wall: Challenge) -> bool:
        """Tell whether a wall has another site key or another form than the request."""
        sent = (self.request.method, public_address(self.request.url))
        form = wall.form and (wall.form.method, public_address(wall.form.url))
        return wall.sitekey != self.wanted.sitekey or form not in (None, sent)

    def _judge(self, answer: Response, rejected: bool | None) -> Verdict:
        """Return what is known of a token that was not plainly rejected.

        :param rejected: False where the spider has told that it was accepted, None where that is not known.
        """
        hint = "; tell what a rejection looks like with rejected= (form_request)"
        if self.wish.rejected is not None:
            hint = f"; rejected={self.wish.rejected!r} takes it for none: if it is one, name what tells so"
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            is_error = answer.status >= HTTPStatus.BAD_REQUEST
            message = f"the answer has the status {answer.status}{hint}"
            return unknown("http_error" if is_error else "redirect", message, is_useless=is_error)
        if rejected is False:
            return ACCEPTED
        is_believed = self.wish.rejected is not None and self.record.has_told_rejection
        if not is_believed and find_challenge(answer) is not None:
            message = f"the answer shows the form's widget again, which rejections do, and some results{hint}"
            return unknown("widget_again", message, is_useless=self._remember_text(answer))
        if self._may_be_rejected_by_redirect(answer):
            return unknown("redirect", f"the answer leads to another site, back to the form or on by itself{hint}")
        is_json_for_selector = self.wish.rejected is not None and not is_believed and isinstance(answer, JsonResponse)
        if not isinstance(answer, TextResponse) or is_blank(answer) or is_json_for_selector:
            return unknown("no_page", f"the answer is empty, neither a page nor text, or JSON for a selector{hint}")
        return ACCEPTED

    def _remember_text(self, answer: Response) -> bool:
        """Remember the text of an answer that shows the widget again; tell whether it is that of the one before.

        Rejections are alike, results differ.
        """
        page = parse_page(answer)
        text = "" if page is None else text_of(page.root)
        last, self.record.last_text = self.record.last_text, crc32(text.encode())
        return last == self.record.last_text

    def _may_be_rejected_by_redirect(self, answer: Response) -> bool:
        """Tell whether a site that redirects may have redirected because it rejected the token."""
        page, sent, came = map(public_address, (self.wanted.url, self.request.url, answer.url))
        is_back = came == page != sent
        return is_back or not same_site(page, came) or self.engine.components.meta_refresh(answer) is not None


def with_token(request: Request, put: str, token: str) -> Submission:
    """Return the submission that sends ``request`` with ``token`` in it; ``ValueError`` if there is no such place."""
    meta = {key: value for key, value in request.meta.items() if key != "omocaptcha"}
    return put_token(request.replace(meta=meta, callback=NO_CALLBACK, errback=None), put, token)
