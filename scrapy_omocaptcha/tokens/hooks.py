"""Call the methods of a spider that overrule what this package does."""

import logging
from collections.abc import Callable
from inspect import iscoroutinefunction, isgeneratorfunction, signature

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import JsonResponse, Response

from scrapy_omocaptcha.challenge import Challenge, Token
from scrapy_omocaptcha.detection import find_challenge
from scrapy_omocaptcha.forms.page import parse_page
from scrapy_omocaptcha.forms.submission import Submission, as_submission, submit_token
from scrapy_omocaptcha.settings.secret import masked
from scrapy_omocaptcha.tokens.judging import is_blank
from scrapy_omocaptcha.tokens.reasons import GivenUp, Refusal
from scrapy_omocaptcha.urls import same_site

logger = logging.getLogger(__name__)

_LONGEST_ERROR = 1000
"""Characters of the error of a spider's method that are shown."""


class Hooks:
    """The methods of a crawl's spider.

    :raises ValueError: when one of them is an ``async def``, or does not take the arguments that it is called with.
    """

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self.refusal: Refusal | None = None
        """Why nothing more is bought: a method has failed on what was bought."""
        self._check("omocaptcha_trigger", "response, challenge")
        self._check("omocaptcha_submit", "response, challenge, token")

    def is_challenge(self, response: Response, challenge: Challenge) -> bool | None:
        """Return whether the spider takes a page for a challenge; None if it leaves that to detection."""
        trigger = self._hook("omocaptcha_trigger")
        verdict = None if trigger is None else trigger(response, challenge)
        if not (verdict is None or isinstance(verdict, bool)):
            raise TypeError(f"omocaptcha_trigger must return True, False or None, not {type(verdict).__name__}")
        return verdict

    @property
    def can_submit(self) -> bool:
        """Tell whether the spider has a method that makes the submissions."""
        return self._hook("omocaptcha_submit") is not None

    def submit(self, response: Response, challenge: Challenge, token: Token) -> Submission:
        """Return the request that hands a token in: the spider's own (``GivenUp`` if that fails), or a browser's."""
        hook = self._hook("omocaptcha_submit")
        if hook is None:
            return submit_token(response, challenge, token)
        try:
            return _submitted_by(hook, response, challenge, token)
        except Exception as error:
            words = f"{type(error).__name__}: {masked(str(error)[:_LONGEST_ERROR], token.value)}"
        # Raised outside of the except block, because the hook's error and its frames may hold the token.
        raise self._hook_failed("omocaptcha_submit", words)

    def rejected_refusal(self, rejected: str | None) -> Refusal | None:
        """Return why ``rejected`` can tell nothing from an answer, or None."""
        if rejected is None or not _is_method(rejected):
            return None
        try:
            if not callable(self._hook(rejected)):
                missing = "is not the name of a method of the spider (CSS selectors of a class begin with a dot)"
                raise ValueError(f"rejected={rejected!r} {missing}: fix it in the spider")
            self._check(rejected, "response")
        except ValueError as error:
            return Refusal("hook", str(error))
        return None

    def ask_rejected(self, rejected: str | None, answer: Response) -> bool | None:
        """Ask whether an answer says that the site rejected the token.

        :param rejected: a CSS selector, or the name of a spider's method for which there is no ``rejected_refusal``.
        :returns: None where nobody can tell: a selector says nothing of an answer that is blank or has a widget.
        :raises GivenUp: when the spider's method fails.
        """
        if rejected is None or not _is_method(rejected):
            return None if rejected is None else _matches(rejected, answer)
        method = self._hook(rejected)
        assert method is not None
        try:
            verdict = method(answer)
            if isinstance(verdict, bool):
                return verdict
            words = f"it must return True or False, not {type(verdict).__name__}"
        except Exception as error:
            words = f"{type(error).__name__}: {str(error)[:_LONGEST_ERROR]}"
        raise self._hook_failed(rejected, words)

    def _hook_failed(self, name: str, words: str) -> GivenUp:
        """Return the error for a failed method of the spider, after which nothing more is bought for it to fail on."""
        self.refusal = Refusal("hook", f"{name} failed ({words}): fix it in the spider")
        logger.error("%s", self.refusal.message)
        return GivenUp(self.refusal)

    def _check(self, name: str, arguments: str) -> None:
        """Raise ValueError if a hook is an ``async def``, yields, or does not take its arguments."""
        hook = self._hook(name)
        if iscoroutinefunction(hook) or isgeneratorfunction(hook):
            raise ValueError(f"{name} is an async def or yields: make it a plain def that returns")
        try:
            if hook is not None:
                signature(hook, follow_wrapped=False).bind(*arguments.split(", "))
        except TypeError:
            told = f"{name} does not take the arguments that it is called with: define it with (self, {arguments})"
            raise ValueError(told) from None

    def _hook(self, name: str) -> Callable[..., object] | None:
        hook: Callable[..., object] | None = getattr(self._crawler.spider, name, None)
        return hook


def _is_method(rejected: str) -> bool:
    """Tell whether ``rejected`` names a method, as any single word does, rather than being a CSS selector."""
    return rejected.removeprefix("self.").isidentifier()


def _matches(css: str, answer: Response) -> bool | None:
    if is_blank(answer) or isinstance(answer, JsonResponse):
        return None
    page = parse_page(answer)
    if page is not None and page.css(css):
        return True
    # Rejections show the form again, also those for which the selector is wrong.
    return None if find_challenge(answer) is not None else False


def _submitted_by(hook: Callable[..., object], response: Response, challenge: Challenge, token: Token) -> Submission:
    """Call the spider's hook and make its request a submission; raise what it raises, or what is wrong with it."""
    request = hook(response, challenge, token)
    if not isinstance(request, Request):
        raise TypeError(f"it must return a Request, not {type(request).__name__}")
    if not same_site(challenge.url, request.url):
        raise ValueError("it must return a request to the site of the challenge")
    if token.value.encode() not in request.url.encode() + request.headers.to_string() + request.body:
        raise ValueError("its request does not have token.value")
    return as_submission(request, token.value)
