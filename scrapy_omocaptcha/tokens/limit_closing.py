"""Close the spider when nothing more may be bought, as ``OMOCAPTCHA_CLOSE_ON_LIMIT`` wants."""

from contextlib import suppress

from scrapy import Request

from scrapy_omocaptcha.engine.engine import Engine
from scrapy_omocaptcha.errors import CrawlClosing
from scrapy_omocaptcha.settings import LIMITS
from scrapy_omocaptcha.tokens.reasons import Refusal

CLOSING_REASONS = {reason: limit.closes_with for reason, limit in LIMITS.items() if limit.closes_with}
CLOSING_REASONS["account"] = "omocaptcha_account"
"""The reason with which the spider is closed, by the reason why nothing was bought."""


async def close_at_limit(engine: Engine, refusal: Refusal, request: Request | None = None) -> CrawlClosing:
    """Close the spider once all tokens paid for are used, while ``request`` waits; return the error that says so."""
    with suppress(CrawlClosing):
        await engine.slots.until_all_is_used(request)
    engine.lifetime.close(CLOSING_REASONS[refusal.reason])
    return CrawlClosing(f"OMOCAPTCHA_CLOSE_ON_LIMIT closes the spider: {refusal.message}")
