"""``scrapy omocaptcha balance``: what the account holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from scrapy_omocaptcha.commands import service
from scrapy_omocaptcha.errors import ApiError

if TYPE_CHECKING:
    import argparse

    from scrapy.commands import ScrapyCommand

USAGE = "[options]"
ABOUT = "Say what the account at the service holds."

add_options = service.add_options


def run(command: ScrapyCommand, opts: argparse.Namespace) -> int:
    """Exit status: 0 when the balance is known; 1 when the service cannot be reached or refuses, or the balance is
    below OMOCAPTCHA_MIN_BALANCE; 2 when a setting is missing or wrong."""
    assert command.settings is not None
    ours = service.read_settings(command.settings)
    try:
        balance = service.ask(ours, lambda api: api.balance())
    except ApiError as error:
        return service.fail(error, "balance", ours, as_json=opts.json)
    if not opts.json:
        print(f"{balance:.5f} USD", flush=True)
    if balance < ours.min_balance:
        sentence = (
            f"that is below OMOCAPTCHA_MIN_BALANCE ({ours.min_balance:.5f} USD), so that crawls buy nothing: "
            "top the account up, or lower it"
        )
        return service.refuse(sentence, as_json=opts.json, balance_usd=balance, error=sentence, reason="min_balance")
    if opts.json:
        print(json.dumps({"balance_usd": balance}))
    return 0
