"""Detect reCAPTCHA v2 challenges, and the walls of other vendors, in responses."""

from scrapy_omocaptcha.detection.blocking import is_wall_address
from scrapy_omocaptcha.detection.challenges import find_challenge
from scrapy_omocaptcha.detection.vendors import find_other_captcha

__all__ = ["find_challenge", "find_other_captcha", "is_wall_address"]
