"""How an answer is read, whichever version of the API it belongs to.

The documents of several years and of several services contradict each other in small things: a number may be a text,
a field may be missing, words may repeat what was sent. Pure: it knows neither the calls nor what follows from them.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from scrapy_omocaptcha.errors import ApiBadAnswer
from scrapy_omocaptcha.settings.secret import masked

if TYPE_CHECKING:
    from scrapy_omocaptcha.buying.api.protocol import JobId
    from scrapy_omocaptcha.settings.secret import Secret

_BAD_TOKEN = re.compile(
    r"\b(?:invalid|wrong|incorrect|unknown)\W+(?:api[\W_]*)?(?:token|key)\b(?!\W+type)", re.IGNORECASE
)
_EMPTY_ACCOUNT = re.compile(
    r"(?:not enough|insufficient|no|zero|low|out of)\W+(?:balance|money|funds?|credits?)"
    r"|(?:balance|money|funds?|credits?)\W+(?:is\W+|are\W+)?(?:not enough|insufficient|empty|too low|zero)"
    r"|số dư",
    re.IGNORECASE,
)
_LONGEST_MESSAGE = 200
_LONGEST_ID = 100


def parse(text: str, call: str) -> dict[str, Any]:
    """The JSON object that ``text`` is.

    :param call: what was called, for the error's words.
    :raises ApiBadAnswer: it is none.
    """
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        raise ApiBadAnswer(f"{call}: the answer is not JSON") from None
    if not isinstance(answer, dict):
        raise ApiBadAnswer(f"{call}: the answer is JSON, but not an object")
    return answer


def scalar(value: Any) -> str:
    """``value`` as text; empty for what is no text, number or truth value."""
    return str(value) if isinstance(value, (str, int, float)) else ""


def says_error(answer: dict[str, Any]) -> bool:
    """``error`` is true (also as text), or ``errorId`` is not zero."""
    error_id = answer.get("errorId")
    return scalar(answer.get("error")).lower() in {"true", "1"} or bool(error_id and error_id != "0")


def status(answer: dict[str, Any]) -> str:
    """The state of a job as the answer spells it, in lower case."""
    return scalar(answer.get("status")).lower()


def job_id(value: Any, call: str) -> JobId:
    """The id of a job, as the number or the text that it came as.

    :raises ApiBadAnswer: it is neither, or nothing that may reach a log.
    """
    if isinstance(value, str):
        value = value.strip()
    shown = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    if not shown or len(shown) > _LONGEST_ID or not shown.isprintable():
        raise ApiBadAnswer(f"{call}: an answer without an error and without the id of a job")
    return value  # type: ignore[no-any-return]


def token(value: Any) -> str | None:
    """``value`` without white space around it, if a form field, a header and a cookie can carry it."""
    value = value.strip() if isinstance(value, str) else ""
    usable = value.isascii() and value.isprintable() and not any(c.isspace() for c in value)
    return value if value and usable else None


def amount(value: Any, call: str) -> float:
    """An amount of money; a balance may be below zero.

    :raises ApiBadAnswer: it is none.
    """
    try:
        number = float(scalar(value)) if not isinstance(value, bool) else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ApiBadAnswer(f"{call}: an amount that is not a number")
    return number


def listed_price(services: Any, field: str, kind: str, call: str) -> float | None:
    """The price of the service whose ``field`` is ``kind``; None where the list does not name it.

    :raises ApiBadAnswer: it is no list, or the price is none.
    """
    if not isinstance(services, list):
        raise ApiBadAnswer(f"{call}: an answer without a list of services")
    for service in services:
        if isinstance(service, dict) and scalar(service.get(field)) == kind:
            price = amount(service.get("price"), call)
            if price < 0:
                raise ApiBadAnswer(f"{call}: a price below zero")
            return price
    return None


def words(text: str, secret: Secret) -> str:
    """What the service says, on one line and not without end: it reaches the log, the credential must not."""
    text = masked(text, secret.reveal())
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_LONGEST_MESSAGE]


def are_about_account(message: str) -> bool:
    """These words say that the API token is wrong or the balance empty, as far as words can be trusted."""
    return bool(_BAD_TOKEN.search(message) or _EMPTY_ACCOUNT.search(message))
