"""A Lua script that runs in a Redis, called without holding up the crawl.

With an asyncio loop the client is redis-py's asynchronous one; with another reactor its blocking one, in threads. It
neither repeats a call whose answer is lost nor knows what the script does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy.exceptions import NotConfigured
from scrapy.utils.asyncio import is_asyncio_available
from scrapy.utils.defer import maybe_deferred_to_future
from twisted.internet.threads import deferToThread

from scrapy_omocaptcha.settings.secret import masked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scrapy_omocaptcha.settings.secret import Secret

_TIMEOUT = 2.0
"""Seconds to connect, and for an answer; Redis needs a thousandth."""


class RedisAway(Exception):
    """Redis does not answer, or not with what was asked: down, slow, full, a wrong password. Whether it has run the
    script is not known."""


class ScriptFailed(RedisAway):
    """Redis is there, and the script has run into an error: what was asked will not do, now or later."""


class RedisScript:
    """:param url: ``redis://``, ``rediss://`` or ``unix://``, with a password if there is one.

    :raises NotConfigured: redis-py is not installed.
    :raises ValueError: the URL means nothing to it.
    """

    def __init__(self, url: Secret, lua: str) -> None:
        try:
            # Only who shares limits needs it.
            import redis.asyncio
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError:
            raise NotConfigured("OMOCAPTCHA_REDIS_URL needs redis-py: pip install 'scrapy-omocaptcha[redis]'") from None
        self._asynchronous = is_asyncio_available()
        client_class: Any = redis.asyncio.Redis if self._asynchronous else redis.Redis
        try:
            self._client = client_class.from_url(
                url.reveal(),
                socket_timeout=_TIMEOUT,
                socket_connect_timeout=_TIMEOUT,
                # What is asked again behind our back could be asked after what was asked later.
                retry=Retry(NoBackoff(), 0),
                decode_responses=True,
            )
            # The options of a URL are read only when it connects, at the first challenge.
            self._client.connection_pool.make_connection()
        except (TypeError, ValueError) as error:
            # Its words may repeat the URL, which may hold a password.
            raise ValueError(
                f"OMOCAPTCHA_REDIS_URL is nothing that redis-py understands ({type(error).__name__}): it must be a URL "
                "such as 'redis://127.0.0.1:6379/0', with options that redis-py knows"
            ) from None
        self._script = self._client.register_script(lua)
        self._broken = (redis.exceptions.RedisError, OSError)
        self._script_error = redis.exceptions.ResponseError

    async def __call__(self, keys: Sequence[str], arguments: Sequence[str]) -> Any:
        """What the script returns.

        :raises ScriptFailed: the script runs into an error.
        :raises RedisAway: Redis does not answer.
        """
        try:
            if self._asynchronous:
                return await self._script(keys, arguments)
            return await maybe_deferred_to_future(deferToThread(self._script, keys, arguments))
        except self._broken as error:
            # Full, read-only and forbidden have classes of their own.
            kind = ScriptFailed if type(error) is self._script_error else RedisAway
            password = self._client.connection_pool.connection_kwargs.get("password") or ""
            raise kind(f"{type(error).__name__}: {masked(str(error), password)}") from None

    async def close(self) -> None:
        if self._asynchronous:
            await self._client.aclose()
        else:
            self._client.close()
