"""Call the service once, with the settings of a project but without a crawl."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import NotConfigured, UsageError

from scrapy_omocaptcha.buying.api.aiohttp_transport import AiohttpTransport
from scrapy_omocaptcha.buying.api.factory import build_api
from scrapy_omocaptcha.buying.api.protocol import Api
from scrapy_omocaptcha.errors import AccountError, ApiError, ApiUnreachable
from scrapy_omocaptcha.settings import Settings

T = TypeVar("T")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object, with 'error' if there is no answer")


def read_settings(command: ScrapyCommand) -> Settings:
    """Read our settings, even if crawls are disabled or dry runs.

    :raises UsageError: when the API token is missing or a value is invalid.
    """
    assert command.settings is not None
    try:
        return Settings.for_account(command.settings)
    except (NotConfigured, ValueError) as error:
        raise UsageError(str(error), print_help=False) from None


def call(settings: Settings, method: Callable[[Api], Awaitable[T]]) -> T:
    """Return the service's answer to one API call.

    :raises ApiError: when the call fails or is interrupted.
    """

    async def call_and_close() -> T:
        api = build_api(settings, AiohttpTransport(settings.api_url, timeout=settings.api_timeout))
        try:
            return await method(api)
        finally:
            await api.close()

    try:
        return asyncio.run(call_and_close())  # Without a crawl there is no reactor either.
    except KeyboardInterrupt:
        raise ApiUnreachable("interrupted") from None


def print_api_error(opts: argparse.Namespace, settings: Settings, what: str, error: ApiError) -> int:
    """Print in one sentence why ``what`` is not known and what to do, and return the exit status."""
    cure = ""
    if isinstance(error, AccountError):
        cure = "; check OMOCAPTCHA_API_TOKEN and the balance of the account"
    elif isinstance(error, ApiUnreachable):
        cure = "; try again later, or check OMOCAPTCHA_API_URL"
    message = f"cannot get the {what} from {settings.api_url}: {str(error).rstrip('.')}{cure}"
    return print_result(opts, {"reason": error.reason}, [], message)


def print_result(opts: argparse.Namespace, facts: dict[str, Any], lines: Sequence[str], error: str | None) -> int:
    """Print ``facts`` as JSON or else ``lines``, and ``error`` if there is one, and return the exit status."""
    if opts.json:
        print(json.dumps(facts if error is None else {**facts, "error": error}))
    else:
        for line in lines:
            print(line, flush=True)
        if error is not None:
            print(error, file=sys.stderr)
    return 0 if error is None else 1
