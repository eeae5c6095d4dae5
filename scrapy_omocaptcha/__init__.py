"""Solve reCAPTCHA v2 walls in Scrapy crawls with OMOcaptcha. The public names, and nothing else."""

from importlib import import_module
from typing import TYPE_CHECKING

from scrapy_omocaptcha.scrapy_versions import importing

with importing():
    from scrapy_omocaptcha import errors, signals
    from scrapy_omocaptcha.challenge import Challenge, Form, Token

if TYPE_CHECKING:
    from scrapy_omocaptcha.addon import Addon
    from scrapy_omocaptcha.browser.live.purchase import PagePurchase
    from scrapy_omocaptcha.detection import find_challenge
    from scrapy_omocaptcha.forms.submission import submit_token
    from scrapy_omocaptcha.middleware import OmoCaptchaMiddleware
    from scrapy_omocaptcha.solving import solve, solve_page
    from scrapy_omocaptcha.upfront.form_request import form_request

__all__ = [
    "Addon",
    "Challenge",
    "Form",
    "OmoCaptchaMiddleware",
    "PagePurchase",
    "Token",
    "errors",
    "find_challenge",
    "form_request",
    "signals",
    "solve",
    "solve_page",
    "submit_token",
]

# Imported when they are first asked for: every call of ``scrapy``, in any project, imports this package for the sake
# of its command, and should not wait for an HTTP client that it does not use.
_HOMES = {
    "Addon": "addon",
    "OmoCaptchaMiddleware": "middleware",
    "PagePurchase": "browser.live.purchase",
    "find_challenge": "detection",
    "form_request": "upfront.form_request",
    "solve": "solving",
    "solve_page": "solving",
    "submit_token": "forms.submission",
}


if not TYPE_CHECKING:  # a type checker would take it as a promise of any name at all

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        with importing():
            value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
