"""Run a Lua script in Redis without blocking the crawl.

On an asyncio loop this uses redis-py's asynchronous client, on other reactors its blocking client in threads. It never
repeats a call whose reply was lost.
"""

from collections.abc import Sequence
from typing import Any

from scrapy.exceptions import NotConfigured
from scrapy.utils.asyncio import is_asyncio_available
from scrapy.utils.defer import maybe_deferred_to_future
from twisted.internet.threads import deferToThread

from scrapy_omocaptcha.settings.secret import Secret, masked

_TIMEOUT = 2.0
"""Seconds to connect, and to wait for a reply. Redis needs about a millisecond."""


class RedisUnavailable(Exception):
    """Redis gives no usable reply: it is down, slow or full, or the password is wrong. The script may have run."""


class ScriptFailed(RedisUnavailable):
    """Redis is available, but the script raised an error, so repeating the call is of no use."""


class RedisScript:
    """A Lua script that is registered with a Redis client.

    :param url: ``redis://``, ``rediss://`` or ``unix://``, with a password if there is one.
    :raises NotConfigured: when redis-py is not installed.
    :raises ValueError: when redis-py does not understand the URL.
    """

    def __init__(self, url: Secret, lua: str) -> None:
        try:
            # redis-py is an optional dependency.
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
                # Disable redis-py's retries: a repeated command could overtake a later one.
                retry=Retry(NoBackoff(), 0),
                decode_responses=True,
            )
            # Check the options of the URL now; redis-py would read them at the first challenge.
            self._client.connection_pool.make_connection()
        except (TypeError, ValueError) as error:
            # The error of redis-py may quote the URL, which may hold a password.
            raise ValueError(
                f"redis-py does not understand OMOCAPTCHA_REDIS_URL ({type(error).__name__}): it must be a URL such as "
                "'redis://127.0.0.1:6379/0', with options that redis-py knows"
            ) from None
        self._script = self._client.register_script(lua)
        self._errors = (redis.exceptions.RedisError, OSError)
        self._script_error = redis.exceptions.ResponseError

    async def __call__(self, keys: Sequence[str], arguments: Sequence[str]) -> Any:
        """Run the script and return its reply.

        :raises ScriptFailed: when the script raises an error.
        :raises RedisUnavailable: when Redis does not reply.
        """
        try:
            if self._asynchronous:
                return await self._script(keys, arguments)
            return await maybe_deferred_to_future(deferToThread(self._script, keys, arguments))
        except self._errors as error:
            # A Redis that is full or read-only, or forbids the script, raises subclasses of this class.
            kind = ScriptFailed if type(error) is self._script_error else RedisUnavailable
            password = self._client.connection_pool.connection_kwargs.get("password") or ""
            raise kind(f"{type(error).__name__}: {masked(str(error), password)}") from None

    async def close(self) -> None:
        if self._asynchronous:
            await self._client.aclose()
        else:
            self._client.close()
