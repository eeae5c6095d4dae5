"""Read the value of one setting as a type; invalid values raise ``ValueError`` made by :func:`invalid`."""

import math
import os
import re
from collections.abc import Callable
from dataclasses import field
from itertools import islice
from typing import TypeVar

from scrapy.exceptions import NotConfigured
from scrapy.settings import BaseSettings
from scrapy.utils.conf import closest_scrapy_cfg

from scrapy_omocaptcha.settings.names import meant_by
from scrapy_omocaptcha.settings.secret import Secret

Default = TypeVar("Default", str, None)
T = TypeVar("T")

API_VERSIONS = {"auto": None, "1": 1, "2": 2}
ON_FAILURE = {word: word for word in ("errback", "response")}
# What programs disagree about is not valid: white space, backslashes, a fragment.
_BASE_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[^\s:/\\#\[\]\x00-\x20]+)(?::[1-9][0-9]{0,4})?(?:/[^\s\\#\x00-\x20]*)?",
    re.IGNORECASE,
)
_LOOPBACK = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|\[::1\]", re.IGNORECASE)
_DOMAIN = re.compile(r"[. ]*[^/:*.\s][^/:*\s]* *")
_REDIS_URL = re.compile(r"(redis|rediss|unix)://[^\x00-\x20\x7f#]+")
_API_TOKEN = re.compile(r"\s*[!-~]*\s*")


def setting(name: str, read: Callable[..., T], *arguments: object, **options: object) -> T:
    """Declare the field of the setting ``name``, which ``read(settings, name, *arguments, **options)`` reads."""
    return field(metadata={"read": lambda s: read(s, name, *arguments, **options)})  # type: ignore[no-any-return]


def invalid(name: str, value: object, valid: str) -> ValueError:
    """Return the error to raise for an invalid value."""
    return ValueError(f"{name} is {value!r}; it must be {valid}")


def read_bool(settings: BaseSettings, name: str, default: bool) -> bool:
    try:
        return settings.getbool(name, default)
    except (TypeError, ValueError):
        raise invalid(name, settings.get(name), "True or False") from None


def read_number(
    settings: BaseSettings, name: str, default: float, *, minimum: float = 0.0, maximum: float = math.inf
) -> float:
    value = settings.get(name, default)
    try:
        number = float(value)
        if isinstance(value, bool) or math.isinf(number) or not minimum <= number <= maximum:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        at_most = f" and at most {maximum:g}" if maximum < math.inf else ""
        raise invalid(name, value, f"a number of at least {minimum:g}{at_most}") from None
    return number


def read_count(settings: BaseSettings, name: str, default: int, *, minimum: int = 0) -> int:
    number = read_number(settings, name, default, minimum=minimum)
    if number != int(number):
        raise invalid(name, settings.get(name), f"a whole number of at least {minimum}")
    return int(number)


def read_word(settings: BaseSettings, name: str, default: Default) -> str | Default:
    value: object = settings.get(name, default)
    if value is default:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, str)) or not str(value).strip():
        raise invalid(name, value, "a string")
    return str(value).strip()


def read_choice(settings: BaseSettings, name: str, default: str, valid: dict[str, T]) -> T:
    """Read a word that stands for a value."""
    word = str(settings.get(name, default)).strip()  # The command line gives a string.
    if word not in valid:
        raise invalid(name, settings.get(name), " or ".join(map(repr, valid)))
    return valid[word]


def read_path(settings: BaseSettings, name: str) -> str | None:
    """Read the path of a file, which counts from the folder of the project's ``scrapy.cfg``, if there is one.

    Crawls of a project are started in any of its folders, and share the file.
    """
    value = settings.get(name)
    if value is None:
        return None
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise invalid(name, value, "the path of a file, or None")
    return os.path.join(os.path.dirname(closest_scrapy_cfg()), os.fspath(value))


def read_domains(settings: BaseSettings, name: str) -> tuple[str, ...] | None:
    if settings.get(name) is None:
        return None
    valid = "a list of host names such as 'example.com'"
    try:
        domains = settings.getlist(name)
        odd = [domain for domain in domains if not _DOMAIN.fullmatch(domain)]
    except TypeError:
        raise invalid(name, settings.get(name), valid) from None
    if odd:
        raise invalid(name, odd[0], valid)
    return tuple(domain.strip(". ").lower() for domain in domains)


def read_base_url(settings: BaseSettings, name: str, default: str) -> str:
    """Read the base URL of an API that calls with a credential are sent to."""
    value = str(settings.get(name) or default)
    valid = "a URL such as 'https://…/api', without user, query or fragment; http for loopback addresses only"
    if "@" in value or "?" in value:
        # The message doesn't show the value, which may contain a credential.
        raise ValueError(f"{name} has a user, a password or a query; it must be {valid}")
    url = _BASE_URL.fullmatch(value)
    if url is None or (url["scheme"].lower() == "http" and not _LOOPBACK.fullmatch(url["host"])):
        raise invalid(name, value, valid)
    return value.rstrip("/")


def read_redis_url(settings: BaseSettings, name: str) -> Secret | None:
    """Read the URL of a Redis server, which may contain a password, from the settings or else the environment."""
    value = settings.get(name)
    if value is None and not (value := os.environ.get(name)):
        return None
    if not isinstance(value, str) or not _REDIS_URL.fullmatch(value):
        # The message doesn't show the value, which may contain a password.
        raise ValueError(
            f"{name} must be a URL such as 'redis://127.0.0.1:6379/0' (or rediss://, unix://), with '#' written as "
            "'%23', or None"
        )
    return Secret(value)


def read_api_token(settings: BaseSettings, name: str) -> Secret:
    """Read the API token from the settings or else the environment; a dry run needs none."""
    value = settings.get(name) or os.environ.get(name) or ""
    if not isinstance(value, str) or not _API_TOKEN.fullmatch(value):
        # The message doesn't show the value, which may be a credential with a typo.
        raise ValueError(f"{name} must be a string without spaces and line breaks: copy it again from your account")
    if not value.strip() and not read_bool(settings, "OMOCAPTCHA_DRY_RUN", False):
        similar = (each for each in sorted({*settings, *os.environ} - {name}) if meant_by(each, [name]))
        hint = "".join(f" ({each} is not read)" for each in islice(similar, 1))
        where = "in the settings or the environment"
        raise NotConfigured(f"no API token, so no captcha can be solved: set {name} {where}{hint}")
    return Secret(value.strip())


def read_price(settings: BaseSettings, name: str) -> float | None:
    if settings.get(name, "auto") == "auto":
        return None
    try:
        return read_number(settings, name, 0.0)
    except ValueError:
        raise invalid(name, settings.get(name), "'auto' or the price of a job in USD") from None
