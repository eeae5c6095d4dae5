"""Record what becomes of a bought token."""

from dataclasses import dataclass

from scrapy_omocaptcha.buying.ledger import Entry
from scrapy_omocaptcha.buying.limits import Limits
from scrapy_omocaptcha.challenge import Token


@dataclass(frozen=True, slots=True)
class Purchase:
    """A bought token. Exactly one of the methods is called, once it is known what became of the token."""

    token: Token
    entry: Entry
    limits: Limits

    def accepted(self, *, opened: bool = True) -> None:
        """Record that the site accepted the token.

        :param opened: whether the token is known to have been worth something; only then does the breaker learn of it.
        """
        self.entry.judged("accepted")
        if opened:
            self.limits.record_success(self.entry, self.token.sitekey)

    def rejected(self) -> None:
        """Record that the site rejected the token."""
        self.entry.judged("rejected")
        self.limits.record_failure(self.entry, self.token.sitekey)

    def expired(self, reason: str) -> None:
        """Record that the token was not handed in."""
        self.entry.judged("expired", reason)

    def unknown(self, reason: str, *, is_useless: bool = False) -> None:
        """Record that it will not be known what the site makes of the token.

        :param is_useless: whether the breaker learns of it, since the next token would fare no better.
        """
        if is_useless:
            self.limits.record_failure(self.entry, self.token.sitekey)
        self.entry.judged("unknown", reason)
