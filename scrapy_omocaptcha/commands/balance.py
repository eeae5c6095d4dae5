"""Implement ``scrapy omocaptcha balance``."""

from __future__ import annotations

import argparse
from typing import Any

from scrapy.commands import ScrapyCommand

from scrapy_omocaptcha.commands import service
from scrapy_omocaptcha.errors import ApiError

add_options = service.add_options


def run(command: ScrapyCommand, opts: argparse.Namespace) -> int:
    """Print the balance of the account.

    Exit status: 0 when the balance is known; 1 when the service cannot be reached or refuses, or the balance is below
    OMOCAPTCHA_MIN_BALANCE; 2 when a setting is missing or wrong.
    """
    settings = service.read_settings(command)
    try:
        balance = service.call(settings, lambda api: api.balance())
    except ApiError as error:
        return service.print_api_error(opts, settings, "balance", error)
    facts: dict[str, Any] = {"balance_usd": balance}
    message = None
    if balance < settings.min_balance:
        facts["reason"] = "min_balance"
        message = (
            f"the balance is below OMOCAPTCHA_MIN_BALANCE ({settings.min_balance:.5f} USD), so crawls buy nothing: "
            "top up the account or lower the setting"
        )
    return service.print_result(opts, facts, [f"{balance:.5f} USD"], message)
