"""Mask tokens in what a browser's libraries log: the addresses of forms that are sent by GET, and errors about them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from scrapy_omocaptcha.forms.submission import masked

_LOGGERS = ("scrapy-playwright", "asyncio", "scrapy.core.scraper")


@contextmanager
def masking(secret: str) -> Iterator[None]:
    """Mask a token in all that is logged of a browser while the block runs; an empty one is none."""
    mask = _Mask(secret)
    loggers = [logging.getLogger(name) for name in _LOGGERS] if secret else []
    for logger in loggers:
        logger.addFilter(mask)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(mask)


class _Mask(logging.Filter):
    def __init__(self, secret: str) -> None:
        super().__init__()
        self._secret = secret

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the token in the message of a record, in its extra fields, and in its error."""
        message = record.getMessage()
        if self._masked(message) != message:
            record.msg, record.args = self._masked(message), ()
        for name, value in record.__dict__.items():
            # Scrapy-playwright adds errors and addresses as extra fields.
            if name not in ("msg", "args", "exc_info"):
                setattr(record, name, self._masked(value))
        if record.exc_info and self._masked(record.exc_info[1]) is not record.exc_info[1]:
            # The traceback names the address as well.
            record.exc_info = None
        return True

    def _masked(self, value: Any) -> Any:
        text = str(value)
        hidden = masked(text, self._secret)
        return value if hidden == text else hidden
