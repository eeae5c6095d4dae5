"""Record what becomes of a bought token."""

from dataclasses import dataclass

from scrapy_omocaptcha.buying.breaker import Breaker
from scrapy_omocaptcha.buying.ledger import Entry
from scrapy_omocaptcha.buying.records import Outcome
from scrapy_omocaptcha.challenge import Token


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a bought token."""

    outcome: Outcome
    reason: str = ""
    """Reason why the token was not handed in, or its result is not known: a word of a closed list."""
    message: str = ""
    """The same as a sentence for a person."""
    is_useless: bool = False
    """Whether the next token would fare no better, as far as is known: the breaker counts these."""


ACCEPTED = Verdict("accepted")
REJECTED = Verdict("rejected", is_useless=True)


@dataclass(frozen=True, slots=True)
class Purchase:
    """A bought token. A verdict on it is recorded exactly once, unless the crawl ends before."""

    token: Token
    entry: Entry
    breaker: Breaker

    def record(self, verdict: Verdict) -> None:
        """Record what became of the token, in the ledger, in the stats and for the breaker."""
        if verdict.outcome == "accepted":
            self.breaker.record_success(self.entry.record.host)
        elif verdict.is_useless:
            self.breaker.record_failure(self.entry.record.host)
        self.entry.judged(verdict.outcome, verdict.reason)
