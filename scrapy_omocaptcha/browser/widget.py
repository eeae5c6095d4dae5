"""Give a token to a widget that is live in a page, as Google's script does.

What is done in the page itself is in ``widget.js``.
"""

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from playwright.async_api import Frame, Page

from scrapy_omocaptcha.browser.page import evaluate
from scrapy_omocaptcha.challenge import Form

SCRIPT = (files(__package__) / "widget.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class LiveWidget:
    """A widget in a page, by what it is found there."""

    frame: Page | Frame
    sitekey: str
    form: Form | None = None
    """The form that was read; None for a widget in no form."""
    number: int = 0
    """Number of the widgets before it that have this key in this form, or in none."""

    async def is_there(self) -> bool:
        """Tell whether it can take a token now."""
        return bool(await self._call("isThere"))

    async def give(self, secret: str, *, waits: bool = False) -> bool | None:
        """Put a token into its field, and have its callback called next.

        :param waits: whether to wait until the callback was called.
        :returns: whether it has a callback; None if it is gone.
        """
        is_called: bool | None = await self._call("give", secret, waits)
        return is_called

    async def press(self, is_called: bool) -> bool:
        """Have the button of its form pressed next, and tell whether the one that was read is there.

        :param is_called: whether the widget has a callback; without one, a form that has no button is sent as it is.
        """
        return bool(await self._call("press", is_called))

    async def _call(self, function: str, *arguments: Any) -> Any:
        form = self.form and {"number": self.form.number, "url": self.form.url, "button": self.form.button}
        place = {"sitekey": self.sitekey, "form": form, "number": self.number}
        script = f"([place, ...given]) => {SCRIPT}.{function}(place, ...given)"
        return await evaluate(self.frame, script, [place, *arguments])
