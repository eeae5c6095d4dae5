"""``scrapy omocaptcha price``: what a job costs, and how many of them a crawl may buy."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from scrapy_omocaptcha.commands import service
from scrapy_omocaptcha.errors import ApiError

if TYPE_CHECKING:
    import argparse

    from scrapy.commands import ScrapyCommand

USAGE = "[options]"
ABOUT = "Say what a job costs by the service's list, and how many OMOCAPTCHA_MAX_COST buys."

_ROUNDING = 1e-9
"""USD: as the limits have it."""

add_options = service.add_options


def run(command: ScrapyCommand, opts: argparse.Namespace) -> int:
    """Exit status: 0 when the price is known; 1 when the service cannot be reached, refuses or does not list it; 2 when
    a setting is missing or wrong."""
    from scrapy_omocaptcha.settings import FALLBACK_PRICE

    assert command.settings is not None
    ours = service.read_settings(command.settings)
    try:
        listed = service.ask(ours, lambda api: api.price())
    except ApiError as error:
        return service.fail(error, "price", ours, as_json=opts.json)
    # A list that asks for nothing is not believed; nor does a crawl.
    reckoned = ours.price if ours.price is not None else listed or FALLBACK_PRICE
    jobs = math.floor((ours.max_cost + _ROUNDING) / reckoned) if ours.max_cost and reckoned else None
    facts = {"price_usd": listed, "reckoned_usd": reckoned, "max_cost_usd": ours.max_cost, "jobs": jobs}
    if listed is None:
        sentence = (
            f"the list of {ours.api_url} has no price for this kind of job; a crawl reckons with {reckoned:.5f} USD "
            "(OMOCAPTCHA_PRICE says another)"
        )
        return service.refuse(sentence, as_json=opts.json, **facts, error=sentence)
    if opts.json:
        print(json.dumps(facts))
        return 0
    print(f"{listed:.5f} USD a job by the service's list")
    if reckoned != listed:
        print(f"{reckoned:.5f} USD is what a crawl reckons with (OMOCAPTCHA_PRICE)")
    if jobs is None:
        print("no limit to the jobs of a crawl, since OMOCAPTCHA_MAX_COST or the price is 0")
    else:
        print(f"OMOCAPTCHA_MAX_COST, {ours.max_cost:.5f} USD a crawl, buys {jobs:,} jobs")
    return 0
