"""What a page is: a reCAPTCHA v2 challenge, or the wall of another product.

Pure: a response in, a value out; no settings, no network, no engine.
"""

from scrapy_omocaptcha.detection.challenges import find_challenge
from scrapy_omocaptcha.detection.vendors import find_other_captcha

__all__ = ["find_challenge", "find_other_captcha"]
