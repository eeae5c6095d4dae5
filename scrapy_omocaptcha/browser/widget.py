"""Give a token to a widget that is live in a page, as Google's script does.

What is done in the page itself is in ``widget.js``.
"""

from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NamedTuple

from playwright.async_api import Frame, JSHandle, Page

from scrapy_omocaptcha.browser.page import evaluate
from scrapy_omocaptcha.challenge import Form

SCRIPT = (files(__package__) / "widget.js").read_text(encoding="utf-8")


class Given(NamedTuple):
    """The result of giving a token to a widget."""

    is_called: bool
    """Whether it has a callback."""
    thrown: str
    """Message of what the callback threw while it was waited for."""


@dataclass(frozen=True)
class LiveWidget:
    """A widget in a page, by what it is found there."""

    frame: Page | Frame
    sitekey: str
    form: Form | None = None
    """The form that was read; None for a widget in no form."""
    root: JSHandle | None = None
    """The document or the shadow root that it is in; None for the document that is shown when it is looked for."""
    number: int = 0
    """Number of the widgets before it that have this key in this form, or in none."""

    async def is_there(self) -> bool:
        """Tell whether it can take a token now."""
        return bool(await self._call("isThere"))

    async def give(self, secret: str, *, waits: bool = False) -> Given | None:
        """Put a token into its field, and have its callback called next; return None if it is gone.

        :param waits: whether to wait until the callback has returned, a second at most.
        """
        given = await self._call("give", secret, waits)
        return Given(given["isCalled"], given["thrown"]) if given else None

    async def press(self, is_called: bool) -> bool:
        """Have the button of its form pressed next, and tell whether the one that was read is there.

        :param is_called: whether the widget has a callback; without one, a form that has no button is sent as it is.
        """
        return bool(await self._call("press", is_called))

    async def _call(self, function: str, *arguments: Any) -> Any:
        form = self.form and {"number": self.form.number, "url": self.form.url, "button": self.form.button}
        place = {"sitekey": self.sitekey, "form": form, "root": self.root, "number": self.number}
        script = f"([place, ...given]) => {SCRIPT}.{function}(place, ...given)"
        return await evaluate(self.frame, script, [place, *arguments])
