"""Decide what is done about a challenge: is it one, may it be solved, how is it submitted.

The judgement itself is in ``detection`` and ``reasons``. Here are the hooks by which a user overrules it, and the
questions that need the crawl: robots.txt, allowed_domains, the limits.
"""

import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial

from lxml.html import defs
from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response

from scrapy_omocaptcha.challenge import Challenge, Token
from scrapy_omocaptcha.detection import find_challenge
from scrapy_omocaptcha.engine.components import Components
from scrapy_omocaptcha.errors import HookFailed, NotBought
from scrapy_omocaptcha.forms.page import parse_page
from scrapy_omocaptcha.forms.submission import TOKEN_META, Submission, submit_token
from scrapy_omocaptcha.settings import Settings
from scrapy_omocaptcha.settings.secret import masked
from scrapy_omocaptcha.urls import host_of, redirect_target, same_site
from scrapy_omocaptcha.walls.attempts import Refusal
from scrapy_omocaptcha.walls.hints import Hints
from scrapy_omocaptcha.walls.limit_closing import CLOSING_REASONS
from scrapy_omocaptcha.walls.medium import Mediums
from scrapy_omocaptcha.walls.reasons import REASONS, unsolvable, unsuitable_request

logger = logging.getLogger(__name__)

_LONGEST_HOOK_ERROR = 1000
"""Characters of the error of a spider's hook that are shown."""


@dataclass
class Policy:
    """Decides what request, spider and settings allow for a challenge."""

    crawler: Crawler
    settings: Settings
    components: Components
    hints: Hints
    check_limits: Callable[[str, str], None]
    """Called with a host and a site key; raises ``NotBought`` where no job may be bought now."""
    mediums: Mediums
    _hook_refusal: Refusal | None = field(default=None, init=False)
    _dead_ends: dict[tuple[str, str | None], Refusal] = field(default_factory=dict, init=False)
    """Why no token opens a wall, by host and site key. Each has cost a job."""

    def find(self, request: Request, response: Response) -> Challenge | None:
        """Return the challenge that ``response`` is, as the request, the spider, the settings or detection judge it.

        :raises TypeError: when a trigger returns anything but True, False or None.
        """
        challenge = find_challenge(response)
        if challenge is None or request.meta.get("omocaptcha") is True:
            return challenge
        for trigger in (self._hook("omocaptcha_trigger"), self.settings.trigger):
            verdict = trigger(response, challenge) if trigger is not None else None
            if isinstance(verdict, Coroutine):
                verdict.close()
            if verdict is not None and not isinstance(verdict, bool):
                raise TypeError(f"a trigger must return True, False or None, not {type(verdict).__name__}")
            if verdict is not None:
                return challenge if verdict else None
        if not challenge.blocking:
            self.hints.form_seen(challenge)
            return None
        return challenge

    async def refusal(self, request: Request, response: Response, challenge: Challenge) -> Refusal | None:
        """Return why a challenge is not solved, whoever pays, or None; reasons that are cheap to know come first."""
        medium = self.mediums.of(request)
        reason = unsuitable_request(request) or medium.unsuitable(request, response)
        refusal = _refusal(reason or self._unsolvable(challenge)) or self._hook_refusal
        refusal = refusal or self._dead_ends.get((host_of(challenge.url), challenge.sitekey))
        if refusal is None and not self.has_submit_hook:
            reason = medium.unsubmittable(request, response, challenge)
            if reason is None and challenge.form is not None:
                reason = await self._forbids(request, challenge.form.url)
            refusal = _refusal(reason)
        return refusal

    def upfront_refusal(self, request: Request, challenge: Challenge) -> Refusal | None:
        """Return why no token is bought for a request that wants one before it is sent, or None."""
        reason = unsuitable_request(request) if self.mediums.of(request).can_send_upfront else "browser"
        if reason is None and not same_site(challenge.url, request.url):
            reason = "foreign_form"
        return _refusal(reason) or self._hook_refusal or self.token_refusal(challenge)

    async def target_refusal(self, request: Request, challenge: Challenge, url: str) -> Refusal | None:
        """Return why the form of a page that was fetched anew may not be sent to ``url``, or None."""
        return _refusal(await self._forbids(request, url) if same_site(challenge.url, url) else "foreign_form")

    async def redirect_refusal(self, request: Request, challenge: Challenge, answer: Response) -> Refusal | None:
        """Return why the redirect that answers a token may not be followed, or None.

        If it may not, nothing more is bought for the wall of ``challenge``.
        """
        url = redirect_target(answer.url, answer.headers.get("Location"))
        reason = None if url is None else await self._forbids(request, url)
        if url is None or reason is None:
            return None
        why = "the spider's allowed_domains leave out: add it there" if reason == "offsite" else "robots.txt forbids"
        refusal = Refusal(reason, f"the answer to a token redirects to {host_of(url)}, which {why}")
        self._dead_ends[host_of(challenge.url), challenge.sitekey] = refusal
        return refusal

    async def _forbids(self, request: Request, url: str) -> str | None:
        # robots.txt rules depend on the user agent; nothing of this request is ever sent.
        target = Request(url, headers=request.headers, meta=request.meta)
        return await self.components.forbids(target, page=request)

    def token_refusal(self, challenge: Challenge) -> Refusal | None:
        """Return why no token is bought for a challenge, whatever the token is for, or None."""
        return _refusal(self._unsolvable(challenge)) or self._limit_refusal(challenge, host_of(challenge.url))

    def limit_refusal(self, request: Request, challenge: Challenge) -> Refusal | None:
        """Return why no token is bought for a challenge that could be solved, or None."""
        return self._limit_refusal(challenge, host_of(request.url))

    def _unsolvable(self, challenge: Challenge) -> str | None:
        return unsolvable(challenge, self.settings.domains(self.crawler.spider))

    def _limit_refusal(self, challenge: Challenge, host: str) -> Refusal | None:
        if self.settings.dry_run:
            # Checked before the limits: a dry run reports all pages, whatever an earlier crawl has spent.
            return _refusal("dry_run")
        try:
            self.check_limits(host, challenge.sitekey or "")
        except NotBought as error:
            return Refusal(error.reason, str(error))
        return None

    def closes_spider(self, reason: str) -> bool:
        """Tell whether the spider is to be closed since nothing was bought for this reason."""
        return self.settings.close_on_limit and reason in CLOSING_REASONS

    @property
    def has_submit_hook(self) -> bool:
        """Tell whether the spider has a method that makes the submissions."""
        return self._hook("omocaptcha_submit") is not None

    def submit(self, response: Response, challenge: Challenge, token: Token) -> Submission:
        """Return the request that hands a token in: the spider's own, or the one that a browser would send.

        :raises HookFailed: when the spider's hook fails; nothing more is bought in this crawl for it to fail on.
        """
        hook = self._hook("omocaptcha_submit")
        if hook is None:
            return submit_token(response, challenge, token)
        try:
            return _submitted_by(hook, response, challenge, token)
        except Exception as error:
            words = f"{type(error).__name__}: {masked(str(error)[:_LONGEST_HOOK_ERROR], token.value)}"
        # Raised outside of the except block, because the hook's error and its frames may hold the token.
        raise self._hook_failed("omocaptcha_submit", words)

    def rejection_test(self, rejected: str) -> Callable[[Response], bool]:
        """Return what tells from an answer that the site rejected a token.

        :param rejected: a CSS selector, or the name of a spider's method.
        :returns: a function that raises ``HookFailed`` when the spider's method fails.
        :raises ValueError: when the text is neither.
        """
        method = self._hook(rejected) if rejected.isidentifier() else None
        if method is not None:
            return partial(self._is_rejected, rejected, method)
        if rejected.isidentifier() and rejected not in defs.tags:
            raise ValueError(f"rejected={rejected!r} is neither a method of the spider nor an element of HTML")
        return partial(_matches, rejected)

    def _is_rejected(self, name: str, method: Callable[..., object], answer: Response) -> bool:
        try:
            verdict = method(answer)
            if isinstance(verdict, Coroutine):
                verdict.close()
            if isinstance(verdict, bool):
                return verdict
            words = f"it must return True or False, not {type(verdict).__name__}"
        except Exception as error:
            words = f"{type(error).__name__}: {str(error)[:_LONGEST_HOOK_ERROR]}"
        raise self._hook_failed(name, words)

    def _hook_failed(self, name: str, words: str) -> HookFailed:
        """Return the error for a failed method of the spider, after which nothing more is bought for it to fail on."""
        message = f"{name} failed ({words}): fix it in the spider"
        self._hook_refusal = Refusal("hook", message)
        logger.error("%s", message)
        return HookFailed(message)

    def _hook(self, name: str) -> Callable[..., object] | None:
        hook: Callable[..., object] | None = getattr(self.crawler.spider, name, None)
        return hook


def _refusal(reason: str | None) -> Refusal | None:
    """Return the refusal for a reason whose sentence is in ``REASONS``."""
    return None if reason is None else Refusal(reason, REASONS[reason])


def _matches(css: str, answer: Response) -> bool:
    page = parse_page(answer)
    return page is not None and bool(page.css(css))


def _submitted_by(hook: Callable[..., object], response: Response, challenge: Challenge, token: Token) -> Submission:
    """Call the spider's hook and make its request a submission.

    :raises Exception: whatever the hook raises.
    :raises TypeError: when it returns no request.
    :raises ValueError: when its request goes to another site.
    """
    request = hook(response, challenge, token)
    if isinstance(request, Coroutine):
        request.close()
    if not isinstance(request, Request):
        raise TypeError(f"it must return a Request, not {type(request).__name__}")
    if not same_site(challenge.url, request.url):
        raise ValueError("it must return a request to the site of the challenge")
    # Whatever class the spider chose, the request holds a token and must be neither logged nor written to disk.
    fields = {name: getattr(request, name) for name in Request.attributes}
    return Submission(**{**fields, "meta": {**request.meta, **TOKEN_META}, "dont_filter": True}, secret=token.value)
