"""Implement ``scrapy omocaptcha price``."""

from __future__ import annotations

import argparse
import math

from scrapy.commands import ScrapyCommand

from scrapy_omocaptcha.commands import service
from scrapy_omocaptcha.errors import ApiError
from scrapy_omocaptcha.settings import FALLBACK_PRICE

add_options = service.add_options


def run(command: ScrapyCommand, opts: argparse.Namespace) -> int:
    """Print the price of a job in the service's list, and how many jobs OMOCAPTCHA_MAX_COST buys.

    Exit status: 0 when the price is known; 1 when the service cannot be reached, refuses or does not list it; 2 when a
    setting is missing or wrong.
    """
    settings = service.read_settings(command)
    try:
        listed = service.call(settings, lambda api: api.price())
    except ApiError as error:
        return service.print_api_error(opts, settings, "price", error)
    # Like a crawl, don't trust a list in which jobs are free.
    price = settings.price if settings.price is not None else listed or FALLBACK_PRICE
    # Rounded before, since 0.0018 / 0.0006 is 2.9999999999999996.
    jobs = math.floor(round(settings.max_cost / price, 6)) if settings.max_cost and price else None
    facts = {"price_usd": listed, "reckoned_usd": price, "max_cost_usd": settings.max_cost, "jobs": jobs}
    if listed is None:
        message = (
            f"the price list of {settings.api_url} does not include this kind of job; crawls assume {price:.5f} USD "
            "(set OMOCAPTCHA_PRICE to change it)"
        )
        return service.print_result(opts, facts, [], message)
    lines = [f"{listed:.5f} USD per job in the service's list"]
    if price != listed:
        lines.append(f"{price:.5f} USD per job is what crawls assume (OMOCAPTCHA_PRICE)")
    if jobs is None:
        lines.append("the number of jobs is not limited, since OMOCAPTCHA_MAX_COST or the price is 0")
    else:
        lines.append(f"OMOCAPTCHA_MAX_COST, {settings.max_cost:.5f} USD per crawl, buys {jobs:,} jobs")
    return service.print_result(opts, facts, lines, None)
