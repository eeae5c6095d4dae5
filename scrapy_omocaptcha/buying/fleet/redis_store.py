"""Run the commands of ``fleet.lua`` in Redis without blocking the crawl.

On an asyncio loop this uses redis-py's asynchronous client, on other reactors its blocking client in threads.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from scrapy.exceptions import NotConfigured
from scrapy.utils.asyncio import is_asyncio_available
from twisted.internet.threads import deferToThread

from scrapy_omocaptcha.errors import in_words
from scrapy_omocaptcha.settings.secret import Secret, masked

Arguments = dict[str, Any]
"""The arguments of a command, as ``fleet.lua`` names them."""

_TIMEOUT = 2.0
"""Seconds to connect, and to wait for a reply. Redis needs about a millisecond."""


class NoReply(Exception):
    """The store gives no usable reply: it is down, slow or full, or the password is wrong. The command may have run."""


@cache
def read_script() -> str:
    return files(__package__).joinpath("fleet.lua").read_text(encoding="utf-8")


def keys_of(fleet: str) -> list[str]:
    """Return the keys of a fleet, in the order of the script."""
    # A fleet with a colon in its name could use the keys of another.
    of_fleet = "omocaptcha:fleet:" + fleet.replace("%", "%25").replace(":", "%3A")
    return [of_fleet, f"{of_fleet}:hosts", "omocaptcha:day"]


class RedisStore:
    """The Redis of a fleet.

    :param url: ``redis://``, ``rediss://`` or ``unix://``, with a password if there is one.
    :param fleet: name of the fleet, which the keys in Redis begin with. Workers with the same one are one crawl.
    :raises NotConfigured: when redis-py is not installed.
    :raises ValueError: when redis-py does not understand the URL.
    """

    def __init__(self, url: Secret, fleet: str) -> None:
        try:
            # redis-py is an optional dependency.
            import redis.asyncio.retry
            import redis.retry
            from redis.backoff import NoBackoff
        except ImportError:
            raise NotConfigured("OMOCAPTCHA_REDIS_URL needs redis-py: pip install 'scrapy-omocaptcha[redis]'") from None
        self._asynchronous = is_asyncio_available()
        # The two clients each take the Retry of their own kind: since 8.2, redis-py warns of the other one.
        client: Any = redis.asyncio if self._asynchronous else redis
        try:
            self._client = client.Redis.from_url(
                url.reveal(),
                socket_timeout=_TIMEOUT,
                socket_connect_timeout=_TIMEOUT,
                # Disable redis-py's retries: a repeated command could overtake a later one.
                retry=client.retry.Retry(NoBackoff(), 0),
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
        self._script = self._client.register_script(read_script())
        self._keys = keys_of(fleet)
        self.fleet = fleet
        # ValueError: a reply is not UTF-8, or no JSON.
        self._errors = (redis.exceptions.RedisError, OSError, ValueError)

    async def run(self, command: str, arguments: Arguments) -> dict[str, Any]:
        """Run a command as one step, and never twice; raise :class:`NoReply` when there is no reply."""
        call = self._keys, [command, json.dumps(arguments)]
        try:
            reply = await (self._script(*call) if self._asynchronous else deferToThread(self._script, *call))
            return dict(json.loads(reply))
        except self._errors as error:
            password = self._client.connection_pool.connection_kwargs.get("password") or ""
            raise NoReply(f"{in_words(error)}: {masked(str(error), password)}") from None

    async def close(self) -> None:
        if self._asynchronous:
            await self._client.aclose()
        else:
            self._client.close()
