"""Replace what is secret or private in calls of the API and in their answers, which anybody may read afterwards.

What was sent is known, so it is found wherever an answer repeats it. The rest is found by the name of its field or by
its form. The worst case is an answer that is not JSON: there only the form and the words around it can tell.
"""

import html
import ipaddress
import json
import re
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

from scrapy_omocaptcha.settings.secret import masked
from scrapy_omocaptcha.testing.replay import SOLVED_TOKEN
from scrapy_omocaptcha.urls import is_allowed, site_of

HIDDEN = "***"
PAGE = "https://shop.example/"
SITE_KEY = "SITE-KEY"
SERVICE = "service.example"

_KINDS = {
    "page": r"website_?url",
    "key": r"website_?key",
    "plain": r"^(error(_?id|_?code)?|status|success)$",
    "money": r"balance|voucher|quantity|package|credit|fund|money|wallet|amount|deposit|remain",
    "solved": r"^(result|solution|token|g_?recaptcha_?response)$",
    "private": r"user|login|mail|phone|customer|owner|telegram|password|secret|cookie|key$|token$|^ip$",
}
"""What fields with such names have in them; the first that matches counts. All within a field is of its kind too."""
_WORD = re.compile("[a-z]{1,24}|[A-Z_]{1,24}")
"""A remark in the place of a token, such as CAPTCHA_NOT_READY."""
_ABOUT_MONEY = re.compile(f"{_KINDS['money']}|số dư", re.IGNORECASE)
_NUMBER = re.compile(r"(?!0)\d[\d.,'\s]*")

_WELL_KNOWN = (
    *("omocaptcha.com", "2captcha.com", "rucaptcha.com", "anti-captcha.com", "capmonster.cloud", "capsolver.com"),
    *("google.com", "gstatic.com", "recaptcha.net", "cloudflare.com", "shop.example", SERVICE),
)
_URL = re.compile(
    r"(?P<scheme>https?)(?P<slashes>://|:\\/\\/|%3A%2F%2F)(?P<host>[^\s/\"'<>\\%?&#]+)(?P<path>[^\s\"'<>?&#]*)[^\s\"'<>]*",
    re.IGNORECASE,
)
_LONG = re.compile(r"[\w-]{20,}")
"""A part of a path that may be a credential."""
_TOKEN = re.compile("[A-Za-z0-9_-]{40,}")
_EMAIL = re.compile(r"[\w.+%-]{1,64}(?:@|%40|\\u0040|&#64;)[\w-]+(?:\.[\w-]+)+", re.IGNORECASE)
_GROUPS = "[0-9a-f]{1,4}(?:(?::|%3a)[0-9a-f]{1,4})"
_IP = re.compile(
    r"(?<!\d)(?!127\.)\d{1,3}(?:\.\d{1,3}){3}(?!\d)"
    rf"|(?<!\w)(?:{_GROUPS}{{7}}|(?:{_GROUPS}*)?(?:::|%3a%3a)(?:{_GROUPS}*)?)(?!\w)",
    re.IGNORECASE,
)
# What a text that should be JSON has of it: fields with a text, of which the last may be cut off, and a bare text.
_FIELD = re.compile(r'("(?P<name>[^"\\]*)"\s*:\s*)(?P<quote>"?)(?P<text>(?<=")(?:[^"\\]|\\.)*|[\w.+-]+)')
_BARE = re.compile(r'^(?P<brace>\s*\{\s*)"(?P<text>[^"]*)"\s*\}')
_LONGEST_TEXT = 2000
_DEEPEST = 50


class Redaction:
    """Replaces what is secret or private, and remembers it for the answers to later calls."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._known: dict[str, str] = {}

    def hide_secret(self, secret: str) -> None:
        """Replace a credential from now on, and each longer part of it."""
        self._secrets.add(secret)
        self._hide(secret, HIDDEN)

    def url(self, url: str) -> str:
        """Return the public URL of a call, whose host is replaced wherever it is repeated."""
        for secret in self._secrets:
            url = masked(url, secret)
        public = _URL.sub(_public_url, url)
        if urlsplit(public).hostname == SERVICE:
            self._hide(urlsplit(url).hostname or "", SERVICE)
        return public

    def body(self, text: str, *, is_balance: bool) -> dict[str, Any]:
        """Return a body as ``{"json": …}``, or as ``{"text": …}`` with its beginning.

        :param is_balance: whether all numbers are about money, since it is the answer to a call for the balance.
        """
        try:
            return {"json": self._value(json.loads(text), "money" if is_balance else "", _DEEPEST)}
        except (ValueError, RecursionError):
            pass
        # A token in braces is one of the answers that version 1 documents.
        text = _BARE.sub(lambda found: f'{found["brace"]}"{self._value(found["text"], "solved")}"}}', text)
        text = _FIELD.sub(self._public_field, text)
        text = self.text(text)
        return {"text": (_digits(text) if is_balance else text)[:_LONGEST_TEXT]}

    def text(self, text: str) -> str:
        """Return a text without what is known to be secret, or looks like it."""
        for secret in self._secrets:
            text = masked(text, secret)
        if self._known:
            known = "|".join(map(re.escape, sorted(self._known, key=len, reverse=True)))
            text = re.sub(known, lambda found: self._known.get(found[0].lower(), HIDDEN), text, flags=re.IGNORECASE)
        text = _URL.sub(_public_url, text)
        text = _EMAIL.sub("name@mail.example", text)
        text = _IP.sub("ip.example", text)
        text = _TOKEN.sub(SOLVED_TOKEN, text)
        return _digits(text) if _ABOUT_MONEY.search(text) else text

    def _value(self, value: Any, kind: str, depth: int = _DEEPEST) -> Any:
        """Return a value of JSON in a field of this kind.

        :raises RecursionError: when it is nested too deeply to be written.
        """
        if not depth:
            raise RecursionError
        if isinstance(value, dict):
            return {self.text(key): self._value(each, _kind(key) or kind, depth - 1) for key, each in value.items()}
        if isinstance(value, list):
            return [self._value(each, kind, depth - 1) for each in value]
        if value is None or isinstance(value, bool):
            return value
        if kind == "private":
            return HIDDEN
        if isinstance(value, str):
            return self._string(value, kind)
        return json.loads(_digits(json.dumps(value))) if kind == "money" else value

    def _string(self, value: str, kind: str) -> str:
        if kind == "page":
            return self._hide_page(value)
        if kind == "key":
            return self._hide(value, SITE_KEY)
        if kind == "solved" and re.fullmatch(r"\s*[!-~]+\s*", value) and not _WORD.fullmatch(value):
            return self._hide(value.strip(), SOLVED_TOKEN)
        return _digits(self.text(value)) if kind == "money" else self.text(value)

    def _public_field(self, found: re.Match[str]) -> str:
        kind = _kind(found["name"])
        is_shown = not found["quote"] and kind != "private"
        return f"{found[1]}{found['quote']}{found['text'] if is_shown else self._value(found['text'], kind)}"

    def _hide_page(self, url: str) -> str:
        host = urlsplit(url).hostname or ""
        if not _is_address(host):
            self._hide(host, "shop.example")
            self._hide(site_of(host), "shop.example")
        self._hide(urlsplit(url).path, "/page")
        return self._hide(url, PAGE)

    def _hide(self, value: str, replacement: str) -> str:
        """Replace a value wherever it is found from now on, however it is escaped, and return its replacement."""
        escaped = json.dumps(value)[1:-1]
        spellings = {value, quote(value), quote(value, safe=""), quote_plus(value), html.escape(value)}
        spellings |= {escaped, escaped.replace("/", "\\/"), re.sub("[+&<>']", _as_code, escaped)}
        if len(value) >= 5:  # Shorter ones are parts of other words.
            for spelling in spellings - {PAGE, SITE_KEY, SOLVED_TOKEN}:
                self._known.setdefault(spelling.lower(), replacement)
        return replacement


def _as_code(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _kind(name: str) -> str:
    return next((kind for kind, names in _KINDS.items() if re.search(names, name, re.IGNORECASE)), "")


def _digits(text: str) -> str:
    """Replace each digit by 9, but for leading zeros: nothing stays nothing, and a number has as many digits."""
    return _NUMBER.sub(lambda found: re.sub(r"\d", "9", found[0]), text)


def _public_url(found: re.Match[str]) -> str:
    """Return a URL without its query, its user and its port, and without the host if that is not well known."""
    try:
        host = urlsplit(f"//{found['host']}").hostname or ""
    except ValueError:
        host = ""
    if host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback):
        host = "127.0.0.1"
    elif not is_allowed(host, _WELL_KNOWN):
        host = SERVICE
    return f"{found['scheme']}{found['slashes']}{host}{_LONG.sub(HIDDEN, found['path'])}"


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return host == "localhost"
