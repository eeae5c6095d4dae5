"""Record what a spider says of a token that a page was given."""

from collections.abc import Callable
from types import TracebackType

from scrapy_omocaptcha.buying.purchase import ACCEPTED, REJECTED, Purchase, Verdict
from scrapy_omocaptcha.forms.submission import masked
from scrapy_omocaptcha.tokens.verdict import unknown

BY_HAND = unknown("by_hand")


class PagePurchase:
    """A token that a page has. Say what the site makes of it; otherwise that is *unknown* when the crawl closes.

    As an asynchronous context manager, it is unknown at the end of the block, also if the block raises.
    """

    def __init__(self, purchase: Purchase, forget: Callable[["PagePurchase"], None]) -> None:
        self._purchase = purchase
        self._forget = forget
        self.verdict: Verdict | None = None
        """The verdict that was recorded; None if none was yet."""

    def accepted(self) -> None:
        """Record that the site accepted the token."""
        self.record(ACCEPTED)

    def rejected(self) -> None:
        """Record that the site rejected the token."""
        self.record(REJECTED)

    def record(self, verdict: Verdict) -> None:
        """Record what became of the token, unless that is recorded."""
        if self.verdict is None:
            self.verdict = verdict
            self._purchase.record(verdict)
            self._forget(self)

    async def __aenter__(self) -> "PagePurchase":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.record(BY_HAND)
        while error is not None:
            # Errors of Playwright name the addresses that a page went to, and a form sent by GET has the token there.
            self._mask(error)
            error = error.__cause__ or error.__context__

    def _mask(self, error: BaseException) -> None:
        def without(value: object) -> object:
            return masked(value, self._purchase.token.value) if isinstance(value, str) else value

        error.args = tuple(map(without, error.args))
        vars(error).update({name: without(value) for name, value in vars(error).items()})
