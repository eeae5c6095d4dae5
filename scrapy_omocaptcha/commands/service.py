"""One question to the service, under a project's settings and without a crawl."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from scrapy.exceptions import NotConfigured, UsageError

from scrapy_omocaptcha.errors import AccountError, ApiError, ApiUnreachable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    from scrapy.settings import BaseSettings

    from scrapy_omocaptcha.buying.api.protocol import Api
    from scrapy_omocaptcha.settings import Settings

T = TypeVar("T")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object, with 'error' where there is no answer")


def read_settings(settings: BaseSettings) -> Settings:
    """Our settings. Who asks by hand wants to know, though crawls are switched off or dry.

    :raises UsageError: the credential is missing, or a value means nothing.
    """
    from scrapy_omocaptcha.settings import Settings

    try:
        return Settings.for_asking(settings)
    except (NotConfigured, ValueError) as error:
        raise UsageError(str(error), print_help=False) from None


def ask(ours: Settings, question: Callable[[Api], Awaitable[T]]) -> T:
    """What the service answers.

    :raises ApiError: nothing that could be used.
    """
    from scrapy_omocaptcha.buying.api.aiohttp_transport import AiohttpTransport
    from scrapy_omocaptcha.buying.api.factory import speak

    async def call() -> T:
        api = speak(ours, AiohttpTransport(ours.api_url, timeout=ours.api_timeout))
        try:
            return await question(api)
        finally:
            await api.close()

    try:
        # No crawl, so no reactor either.
        return asyncio.run(call())
    except KeyboardInterrupt:
        raise ApiUnreachable("interrupted") from None


def fail(error: ApiError, what: str, ours: Settings, *, as_json: bool) -> int:
    """Say in one sentence why ``what`` is not known, and what to do.

    :returns: the exit status.
    """
    cure = ""
    if isinstance(error, AccountError):
        cure = "; check OMOCAPTCHA_API_TOKEN and the balance of the account"
    elif isinstance(error, ApiUnreachable):
        cure = "; try again later, or check OMOCAPTCHA_API_URL"
    sentence = f"{ours.api_url} does not tell the {what}: {str(error).rstrip('.')}{cure}"
    return refuse(sentence, as_json=as_json, error=sentence, reason=error.reason)


def refuse(sentence: str, *, as_json: bool, **facts: Any) -> int:
    """Say ``sentence``, or in JSON the facts.

    :returns: the exit status.
    """
    print(json.dumps(facts) if as_json else sentence, file=sys.stdout if as_json else sys.stderr)
    return 1
