"""Record what becomes of a bought token."""

from scrapy_omocaptcha.buying.ledger import Entry
from scrapy_omocaptcha.buying.limits import Limits
from scrapy_omocaptcha.challenge import Token


class Purchase:
    """A bought token. Exactly one of the methods is called, once it is known what became of the token."""

    def __init__(self, token: Token, entry: Entry, limits: Limits) -> None:
        self.token = token
        self._entry = entry
        self._limits = limits

    def accepted(self, *, opened: bool = True) -> None:
        """Record that the site accepted the token.

        :param opened: whether the token is known to have been worth something; only then does the breaker learn of it.
        """
        self._entry.judged("accepted")
        if opened:
            self._limits.record_success(self._entry.record.host, self.token.sitekey)

    def rejected(self) -> None:
        """Record that the site rejected the token."""
        self._entry.judged("rejected")
        self._limits.record_failure(self._entry.record.host, self.token.sitekey)

    def expired(self, reason: str) -> None:
        """Record that the token was not handed in."""
        self._entry.judged("expired", reason)

    def unknown(self, reason: str, *, is_useless: bool = False) -> None:
        """Record that it will not be known what the site makes of the token.

        :param is_useless: whether the breaker learns of it, since the next token would fare no better.
        """
        if is_useless:
            self._limits.record_failure(self._entry.record.host, self.token.sitekey)
        self._entry.judged("unknown", reason)
