"""Give a token to a widget that is live in a page, as Google's script does.

What is done in the page itself is in ``widget.js``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.resources import files
from typing import Any, Literal, NamedTuple

from playwright.async_api import Frame, JSHandle, Page

from scrapy_omocaptcha.browser.page import answered, evaluate

CALLBACK_TIMEOUT = 1.0
"""Longest wait for the widget's callback to send the token, in seconds. After that the form's button is pressed."""
SCRIPT = (files(__package__) / "widget.js").read_text(encoding="utf-8")


class Given(NamedTuple):
    """What came of giving a token to a widget."""

    is_called: bool
    """Whether it has a callback."""
    thrown: str
    """Message of what the callback threw while it was waited for."""


@dataclass(frozen=True)
class LiveWidget:
    """A widget in a page, by what it is found there."""

    frame: Page | Frame
    sitekey: str
    action: str = ""
    """Address of the form that it is in; empty without a form."""
    root: JSHandle | None = None
    """The document or the shadow root that it is in; None for the document that is shown when it is looked for."""
    number: int = 0
    """Which it is of those with this key in forms with this address."""
    form: str | None = None
    """CSS selector of the form that is filled in and sent; None for the one that it is in."""
    click: str | Literal[False] | None = None
    """CSS selector of the button that is pressed; None for the first one that sends the form, False for none."""

    async def is_there(self) -> bool:
        """Tell whether it can take a token now."""
        return bool(await self._call("isThere"))

    async def give(self, secret: str, *, waits: bool = False) -> Given | None:
        """Put a token into its field, and have its callback called next; return None if it is gone.

        :param waits: whether to wait until the callback has returned, a second at most.
        """
        given = await self._call("give", secret, waits)
        return Given(given["isCalled"], given["thrown"]) if given else None

    async def press(self) -> None:
        """Have the button of its form pressed next."""
        await self._call("press")

    async def fill(self, data: Mapping[str, Sequence[str]]) -> str | None:
        """Fill in its form as a visitor does, and return the name of a field for which that is not possible.

        :param data: values by name, none for what is to be left out; of files, their paths.
        """
        filled = await answered(self.frame.evaluate_handle(*self._script("fill", data)))
        inputs = await (await filled.get_property("files")).get_properties()
        for each in inputs.values():
            control = (await each.get_property("control")).as_element()
            assert control is not None
            await control.set_input_files(await (await each.get_property("paths")).json_value())
        missing: str | None = await (await filled.get_property("missing")).json_value()
        return missing

    async def _call(self, function: str, *arguments: Any) -> Any:
        return await evaluate(self.frame, *self._script(function, *arguments))

    def _script(self, function: str, *arguments: Any) -> tuple[str, list[Any]]:
        place = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "frame"}
        return f"([place, ...given]) => {SCRIPT}.{function}(place, ...given)", [place, *arguments]
