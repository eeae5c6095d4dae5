"""Scrapy crawls through reCAPTCHA v2 walls, solved by OMOcaptcha. The public names, and nothing else."""

from scrapy_omocaptcha import errors, signals
from scrapy_omocaptcha.addon import Addon
from scrapy_omocaptcha.challenge import Challenge, Form, Token
from scrapy_omocaptcha.detection import find_challenge
from scrapy_omocaptcha.middleware import OmoCaptchaMiddleware, solve
from scrapy_omocaptcha.submission import submit_token

__all__ = [
    "Addon",
    "Challenge",
    "Form",
    "OmoCaptchaMiddleware",
    "Token",
    "errors",
    "find_challenge",
    "signals",
    "solve",
    "submit_token",
]
