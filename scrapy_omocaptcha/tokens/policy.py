"""Decide whether a page is a challenge, and whether that may be solved.

The judgement itself is in ``detection`` and ``reasons``, and ``hooks`` has the methods by which a spider overrules it.
Here are the questions that need the crawl: robots.txt, allowed_domains, the limits.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.detection import find_challenge
from scrapy_omocaptcha.engine import Engine
from scrapy_omocaptcha.engine.components import Components
from scrapy_omocaptcha.errors import CrawlClosing, NotBought
from scrapy_omocaptcha.settings import Settings
from scrapy_omocaptcha.settings.limits import LIMITS
from scrapy_omocaptcha.tokens.hints import Hints
from scrapy_omocaptcha.tokens.hooks import Hooks
from scrapy_omocaptcha.tokens.judging import is_same_wall
from scrapy_omocaptcha.tokens.medium import Mediums
from scrapy_omocaptcha.tokens.reasons import Case, Purpose, Refusal, find_refusal
from scrapy_omocaptcha.urls import host_of, is_allowed, redirect_target

_CLOSING_REASONS = {reason: limit.closes_with for reason, limit in LIMITS.items() if limit.closes_with}
_CLOSING_REASONS["account"] = "omocaptcha_account"
"""The reason with which the spider is closed, by the reason why nothing was bought."""


@dataclass
class Policy:
    """Decides what request, spider and settings allow for a challenge."""

    crawler: Crawler
    settings: Settings
    components: Components
    hooks: Hooks
    hints: Hints
    check_limits: Callable[[str], None]
    """Called with a host; raises ``NotBought`` where no job may be bought now."""
    mediums: Mediums
    handed_in: WeakKeyDictionary[Request, Challenge] = field(default_factory=WeakKeyDictionary, init=False)
    """The challenges for which tokens were handed in, by requests that are being taken through them."""

    def find(self, request: Request, response: Response) -> Challenge | None:
        """Return the challenge that ``response`` is, as the request, the spider, the settings or detection judge it.

        A page that shows once more the widget and form for which a token was handed in, and no deed, is that challenge,
        whatever the page or a trigger, which may go by the status, says of it.
        """
        page, wall = find_challenge(response, request), self.handed_in.get(request)
        if page is None:
            return None
        for widget in (page, *page.others):
            is_deed = widget.judgement == "acts" and wall is not None and wall.judgement != "acts"
            if wall is not None and is_same_wall(wall, widget) and not is_deed:
                return widget
        return page if self._is_challenge(request, response, page) else None

    def find_and_tell(self, request: Request, response: Response) -> Challenge | None:
        """Do as :meth:`find` for a page that the spider has asked for, and tell of one that is left alone."""
        page = find_challenge(response, request)
        if page is None:
            return None
        is_challenge = self._is_challenge(request, response, page)
        if is_challenge is None:
            self.hints.left_alone(response, page, self._refusal(request, response, page))
        elif is_challenge and page.judgement == "acts":
            self.hints.overruled(page)
        return page if is_challenge else None

    def _is_challenge(self, request: Request, response: Response, page: Challenge) -> bool | None:
        """Tell whether a page with a widget is a challenge; None where nothing but the page itself says that not."""
        if request.meta.get("omocaptcha") is True:
            return True
        judged = self.hooks.is_challenge(response, page)
        if judged is not None:
            return judged
        walled = self.settings.walled_hosts
        is_walled = page.judgement == "doubtful" and walled and is_allowed(host_of(page.url), walled)
        return True if is_walled or page.blocking else None

    def find_solvable(self, request: Request, response: Response) -> Challenge | None:
        """Return the challenge that ``response`` is, unless nothing would be bought for it, whatever the limits."""
        challenge = self.find(request, response)
        return challenge if challenge and not self._refusal(request, response, challenge) else None

    async def refusal(self, request: Request, response: Response, challenge: Challenge) -> Refusal | None:
        """Return why a challenge is not solved, whoever pays, or None; reasons that are cheap to know come first."""
        refusal = self._refusal(request, response, challenge)
        if refusal is None and challenge.form is not None and self._purpose(request) != "hook":
            refusal = await self._forbidden(request, challenge.form.url)
        return refusal

    def _purpose(self, request: Request) -> Purpose:
        """Return what a token for the challenge of a request is wanted for."""
        purpose = self.mediums.of(request).purpose
        return "hook" if purpose == "form" and self.hooks.can_submit else purpose

    def _refusal(self, request: Request, response: Response, challenge: Challenge) -> Refusal | None:
        """Return why a challenge is not solved, as far as that is known without robots.txt, or None."""
        purpose = self._purpose(request)
        keeps_cookies = self.mediums.of(request).jar(request) is not None
        case = Case(challenge, self.domains, request, response, keeps_cookies, self.components.is_downloaded(request))
        return find_refusal(purpose, case) or self.hooks.refusal

    def upfront_refusal(self, request: Request, challenge: Challenge) -> Refusal | None:
        """Return why no token is bought for a request that wants one before it is sent, or None."""
        refusal = find_refusal("upfront", Case(challenge, self.domains, request)) or self.hooks.refusal
        return refusal or self.limit_refusal(request.url)

    async def redirect_refusal(self, request: Request, answer: Response) -> Refusal | None:
        """Return why the redirect that answers a token may not be followed, or None."""
        url = redirect_target(answer.url, answer.headers.get("Location"))
        forbidden = None if url is None else await self._forbidden(request, url)
        if url is None or forbidden is None:
            return None
        is_offsite = forbidden.reason == "offsite"
        why = "the spider's allowed_domains leave out: add it there" if is_offsite else "robots.txt forbids"
        return forbidden._replace(message=f"the answer to a token redirects to {host_of(url)}, which {why}")

    async def _forbidden(self, request: Request, url: str) -> Refusal | None:
        """Return why nothing may be sent to an address for a request: robots.txt, or the spider's allowed domains."""
        # robots.txt rules depend on the user agent; nothing of this request is ever sent.
        target = Request(url, headers=request.headers, meta=request.meta)
        reason = await self.components.ask_rules(target, page=request)
        return None if reason is None else Refusal.of(reason)

    def token_refusal(self, challenge: Challenge, purpose: Purpose) -> Refusal | None:
        """Return why no token is bought for a challenge that the spider has found itself, or None."""
        refusal = find_refusal(purpose, Case(challenge, self.domains))
        return refusal or self.limit_refusal(challenge.url)

    @property
    def domains(self) -> tuple[str, ...]:
        return self.settings.domains(self.crawler.spider)

    def limit_refusal(self, url: str) -> Refusal | None:
        """Return why no token is bought for the host of ``url``, or None."""
        if self.settings.dry_run:
            # Checked before the limits: a dry run reports all pages, whatever an earlier crawl has spent.
            return Refusal.of("dry_run")
        try:
            self.check_limits(host_of(url))
        except NotBought as error:
            return Refusal(error.reason, str(error))
        return None

    def closes_spider(self, reason: str) -> bool:
        """Tell whether ``OMOCAPTCHA_CLOSE_ON_LIMIT`` closes the spider where nothing is bought for a reason."""
        return self.settings.close_on_limit and reason in _CLOSING_REASONS


async def close_at_limit(engine: Engine, refusal: Refusal, request: Request | None = None) -> CrawlClosing:
    """Close the spider once all tokens paid for are used, while ``request`` waits; return the error that says so."""
    with suppress(CrawlClosing):
        await engine.slots.until_all_is_used(request)
    engine.lifetime.close(_CLOSING_REASONS[refusal.reason])
    return CrawlClosing(f"OMOCAPTCHA_CLOSE_ON_LIMIT closes the spider: {refusal.message}")
