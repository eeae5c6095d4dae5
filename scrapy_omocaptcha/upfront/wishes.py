"""Read and write ``meta["omocaptcha"]`` of a request that wants a token: plain JSON, since such a request is queued."""

from dataclasses import asdict, dataclass
from typing import Any

from scrapy import Request

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.detection.elements import SITEKEY
from scrapy_omocaptcha.forms.placement import parse_put
from scrapy_omocaptcha.urls import host_of, public_address


@dataclass(frozen=True)
class Wish:
    """The token that a request wants, and what is to be done with it."""

    sitekey: str
    page: str
    put: str
    """Place of the token in the request; see ``forms.placement``."""
    invisible: bool = False
    rejected: str | None = None
    """A CSS selector, or the name of a spider's method, that tells that the site rejected the token."""

    @property
    def challenge(self) -> Challenge:
        """Return the challenge that the token is bought for."""
        evidence = ("the request asks for a token",)
        return Challenge(self.page, self.sitekey, invisible=self.invisible, judgement="withholds", evidence=evidence)

    def as_json(self) -> dict[str, Any]:
        """Return the value for ``meta["omocaptcha"]``."""
        return {name: value for name, value in asdict(self).items() if value not in (None, False)}


SENT_TO = "_token_sent_to"
"""Key in the meta of an answer: the address that its token was sent to, since spiders hand ``response.meta`` on."""


def check_wish(request: Request) -> None:
    """Raise ValueError if ``meta["omocaptcha"]`` of a request has the wrong type, or does not do what it looks like."""
    wish, where = request.meta["omocaptcha"], f"meta['omocaptcha'] of {public_address(request.url)}"
    if not isinstance(wish, (bool, dict)):
        raise ValueError(f"{where} is {wish!r}; it must be True, False or a dictionary")
    if wish is True and request.body:
        raise ValueError(
            f"{where} is True, which buys no token for what it sends: make the request with "
            "scrapy_omocaptcha.form_request, or let it be a dictionary"
        )


def read_wish(request: Request) -> Wish:
    """Return the wish in the meta of ``request``, or raise a ``ValueError`` that says what is wrong, and valid."""
    values, where = request.meta["omocaptcha"], f"meta['omocaptcha'] of {public_address(request.url)}"
    if request.meta.get(SENT_TO, request.url) != request.url:
        raise ValueError(f"{where} is a copy from response.meta and would buy another token: leave it out, or write it")
    if unknown := set(values) - set(Wish.__dataclass_fields__):
        raise ValueError(f"{where} has {sorted(map(str, unknown))}; valid are {sorted(Wish.__dataclass_fields__)}")
    for key in ("sitekey", "page", "put", *(values.keys() & {"rejected"})):
        if not (isinstance(values.get(key), str) and values[key]):
            raise ValueError(f"{where} has {key}={values.get(key)!r}; it must be a text")
    check_sitekey(values["sitekey"], where)
    if not host_of(values["page"]):
        raise ValueError(f"{where} has page={values['page']!r}; it must be the whole URL of the page with the widget")
    if request.method == "HEAD":
        raise ValueError(f"{where} wants a token for a HEAD request, whose answer is no page: send GET or POST")
    if not isinstance(values.get("invisible", False), bool):
        raise ValueError(f"{where} has invisible={values['invisible']!r}; it must be True or False")
    parse_put(values["put"])
    return Wish(**values)


def check_sitekey(sitekey: str, where: str) -> None:
    """Raise ValueError if ``sitekey`` is no key of reCAPTCHA v2, for which a job would be bought in vain."""
    if not SITEKEY.fullmatch(sitekey):
        raise ValueError(
            f"{where} has sitekey={sitekey!r}, which is no key of reCAPTCHA v2: those have 40 characters and begin "
            "with 6L"
        )
