"""The ways in which a site withholds its pages, as plain data; ``gate.py`` and ``site.py`` act on it.

A wall is made of choices that go together freely, and :data:`WALLS` names the usual ones::

    WalledSite(service, "redirect")
    WalledSite(service, Wall(widget="explicit", redirect=True, free_pages=3))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Widget = Literal["checkbox", "button", "invisible", "explicit", "callback", "no_key", "enterprise", "data_s"]
"""How the widget stands on the challenge page:

``checkbox``
    a div, and a named submit button that the site wants to have been pressed.
``button``
    bound to the form's button; its callback submits the form.
``invisible``
    a div of size ``invisible`` whose callback submits the form.
``explicit``
    an empty div that a script renders, the key a literal in the script.
``callback``
    a div whose callback fetches ``/verify`` with JSON.
``no_key``
    a div whose key a script brings from elsewhere.
``enterprise``
    reCAPTCHA Enterprise; no v2 token opens it.
``data_s``
    a div with a one-time ``data-s`` value; no v2 token opens it.
"""


@dataclass(frozen=True, slots=True)
class Wall:
    """A rule by which a site withholds its pages."""

    about: str = ""
    """What it is, in a sentence."""
    widget: Widget = "checkbox"
    form: Literal["post", "get", "page", "foreign", "none"] = "post"
    """The form sends POST or GET to ``/verify``, or POST to the page itself (which answers with the page), or
    posts to another site; or there is no form."""
    redirect: bool = False
    """The page answers 302 to ``/gate``, which carries the challenge."""
    after: Literal["back", "thanks", "home"] = "back"
    """A good submission is answered by a redirect to the page, by a page that says thanks, or by a redirect
    to ``/``. (A form that sends to the page itself is answered by the page.)"""
    clearance: Literal["cookie", "session", "none"] = "cookie"
    """A good submission wins a cookie of its own, or marks the session, or wins nothing: a token a page."""
    clearance_pages: int | None = None
    """Pages after which the clearance has run out."""
    clearance_seconds: float | None = None
    """Seconds (of the service's clock) after which the clearance has run out."""
    free_pages: int = 0
    """Pages of a session before the wall goes up."""
    opens: bool = True
    """False: no token is good enough."""


WALLS: dict[str, Wall] = {
    "session": Wall("A form posted with a CSRF field of the session wins a clearance cookie for the whole site."),
    "session_marked": Wall("The session's own cookie is the clearance; a late answer loses it.", clearance="session"),
    "get": Wall("The form sends its fields by GET, in the address.", form="get"),
    "same_url": Wall("The form posts to the page itself; page and clearance are the answer.", form="page"),
    "redirect": Wall("Every page redirects to a captcha page, and that back to where one came from.", redirect=True),
    "per_page": Wall("Each page wants a token of its own; nothing is won.", form="page", clearance="none"),
    "thanks": Wall("A good submission is answered by a page that says thanks.", after="thanks"),
    "home": Wall("A good submission is answered by a redirect to the home page.", after="home"),
    "invisible": Wall("The widget is bound to the form's button.", widget="button"),
    "invisible_div": Wall("An invisible widget whose callback submits the form.", widget="invisible"),
    "explicit": Wall("A script renders the widget.", widget="explicit"),
    "rate": Wall("The first three pages of a session are free.", free_pages=3),
    "expiring": Wall("A clearance is good for three pages.", clearance_pages=3),
    "never": Wall("It never opens, whatever it is given.", opens=False),
    "foreign_form": Wall("The form posts to another site.", form="foreign", opens=False),
    "callback_only": Wall("There is no form; a script sends the token as JSON.", widget="callback", form="none"),
    "no_key": Wall("The page does not show the site key.", widget="no_key"),
    "enterprise": Wall("reCAPTCHA Enterprise, which no v2 token opens.", widget="enterprise", opens=False),
    "data_s": Wall("The widget carries a one-time value (data-s).", widget="data_s", opens=False),
}
"""The usual walls by name."""


def wall_named(name: str) -> Wall:
    """The wall of :data:`WALLS`; ValueError with the names there are."""
    try:
        return WALLS[name]
    except KeyError:
        raise ValueError(f"{name!r} is no wall; there are {', '.join(WALLS)}") from None
