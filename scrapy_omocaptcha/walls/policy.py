"""What the settings, the spider and the request say of a challenge: is it one, is it left alone, how is it submitted.

The judgement itself is in ``detection`` and ``verdict``; here are the places at which a user can overrule it, and the
questions that need the crawl: robots.txt, allowed_domains, the limits.
"""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, NamedTuple

from scrapy import Request

from scrapy_omocaptcha.detection import find_challenge
from scrapy_omocaptcha.engine import request_state
from scrapy_omocaptcha.errors import HookFailed, NotBought
from scrapy_omocaptcha.forms.submission import TOKEN_META, Submission, submit_token
from scrapy_omocaptcha.settings.secret import masked
from scrapy_omocaptcha.urls import host_of, same_site
from scrapy_omocaptcha.walls.reasons import REASONS, unsolvable, unsubmittable, unsuitable_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy.crawler import Crawler
    from scrapy.http import Response

    from scrapy_omocaptcha.buying.limits import Limits
    from scrapy_omocaptcha.challenge import Challenge, Token
    from scrapy_omocaptcha.engine.components import Neighbours
    from scrapy_omocaptcha.settings import Settings

logger = logging.getLogger(__name__)

_LONGEST_WORDS = 1000
"""Characters of the error of a spider's hook that are told."""


class Refusal(NamedTuple):
    """Why a challenge is left alone: a word of a closed list, and the sentence for a person."""

    reason: str
    message: str


class Policy:
    """The user's word on each challenge of a crawl."""

    def __init__(self, crawler: Crawler, settings: Settings, neighbours: Neighbours, limits: Limits) -> None:
        self._crawler = crawler
        self._settings = settings
        self._neighbours = neighbours
        self._limits = limits
        self._hook_failure: str | None = None

    def find(self, request: Request, response: Response) -> Challenge | None:
        """The challenge that ``response`` is, in the judgement of the request, the spider, the settings, or ours."""
        challenge = find_challenge(response)
        if challenge is None or request.meta.get("omocaptcha") is True:
            return challenge
        for trigger in (self._hook("omocaptcha_trigger"), self._settings.trigger):
            verdict = trigger(response, challenge) if trigger is not None else None
            if isinstance(verdict, Coroutine):
                verdict.close()
            if verdict is not None and not isinstance(verdict, bool):
                raise TypeError(f"a trigger must return True, False or None, not {type(verdict).__name__}")
            if verdict is not None:
                return challenge if verdict else None
        return challenge if challenge.blocking else None

    async def refuse(
        self, request: Request, response: Response, challenge: Challenge, *, paid: bool = False
    ) -> Refusal | None:
        """Why a challenge is left alone, in the order in which the reasons are cheap to know.

        :param paid: it need not be bought now, so that nothing is asked of the purse.
        """
        reason = unsuitable_request(request) or self._unsolvable(challenge)
        if reason is None and self._hook_failure is not None:
            return Refusal("hook", self._hook_failure)
        if reason is None and self._hook("omocaptcha_submit") is None:
            reason = unsubmittable(challenge, response, cookies=self._neighbours.jar(request) is not None)
            if reason is None and challenge.form is not None:
                # The user agent is what robots.txt is asked for; nothing of this request is ever sent.
                target = Request(challenge.form.url, headers=request.headers, meta=request_state.own_meta(request))
                reason = await self._neighbours.forbids(target, page=request)
        if reason is not None:
            return Refusal(reason, REASONS[reason])
        return None if paid else self._unaffordable(challenge, host_of(request_state.url(request)))

    def refuse_beforehand(self, request: Request, challenge: Challenge) -> Refusal | None:
        """Why no token is bought for a request that wants one before it is sent."""
        reason = unsuitable_request(request)
        if reason is None and not same_site(challenge.url, request.url):
            reason = "foreign_form"
        return Refusal(reason, REASONS[reason]) if reason is not None else self.refuse_solving(challenge)

    def refuse_solving(self, challenge: Challenge) -> Refusal | None:
        """Why no token is bought, whatever it is wanted for."""
        reason = self._unsolvable(challenge)
        if reason is not None:
            return Refusal(reason, REASONS[reason])
        return self._unaffordable(challenge, host_of(challenge.url))

    def submit(self, response: Response, challenge: Challenge, token: Token) -> Submission:
        """The request that hands a token in: the spider's, or what a browser would send.

        :raises HookFailed: the spider's is none; nothing more is bought in this crawl for that hook to fail on.
        """
        hook = self._hook("omocaptcha_submit")
        if hook is None:
            return submit_token(response, challenge, token)
        try:
            return _submitted_by(hook, response, challenge, token)
        except Exception as error:
            words = f"{type(error).__name__}: {masked(str(error)[:_LONGEST_WORDS], token.value)}"
        self._hook_failure = f"omocaptcha_submit failed ({words}): mend it in the spider"
        logger.error("%s", self._hook_failure)
        # Not from the hook's error, whose words and frames may hold the token.
        raise HookFailed(self._hook_failure)

    def _unsolvable(self, challenge: Challenge) -> str | None:
        return unsolvable(challenge, self._settings.domains(self._crawler.spider))

    def _unaffordable(self, challenge: Challenge, host: str) -> Refusal | None:
        if self._settings.dry_run:
            # Before the limits: what a real crawl has spent leaves the pages of this one untouched all the same.
            return Refusal("dry_run", REASONS["dry_run"])
        try:
            self._limits.check(host, challenge.sitekey or "")
        except NotBought as error:
            return Refusal(error.reason, str(error))
        return None

    def _hook(self, name: str) -> Callable[..., object] | None:
        hook: Callable[..., object] | None = getattr(self._crawler.spider, name, None)
        return hook


def _submitted_by(hook: Callable[..., object], response: Response, challenge: Challenge, token: Token) -> Submission:
    """:raises Exception: whatever the hook raises, or what is wrong with what it returns."""
    request = hook(response, challenge, token)
    if isinstance(request, Coroutine):
        request.close()
    if not isinstance(request, Request):
        raise TypeError(f"it must return a Request, not {type(request).__name__}")
    if not same_site(challenge.url, request.url):
        raise ValueError("it must return a request to the site of the challenge")
    # A token is in it, so that it must be neither logged nor written down, whatever class the spider chose.
    fields = {name: getattr(request, name) for name in Request.attributes}
    return Submission(**{**fields, "meta": {**request.meta, **TOKEN_META}, "dont_filter": True}, secret=token.value)
