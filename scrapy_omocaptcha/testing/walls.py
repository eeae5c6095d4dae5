"""Describe the walls of sites as plain data.

All properties of a wall can be combined, and :data:`WALLS` has the usual combinations::

    WalledSite(service, "redirect")
    WalledSite(service, Wall(widget="explicit", redirect=True, free_pages=3))
"""

from dataclasses import dataclass
from typing import Literal

Widget = Literal["checkbox", "button", "invisible", "explicit", "callback", "no_key", "enterprise", "data_s"]
"""The widget of the challenge page:

- ``checkbox``: a div, with a submit button whose name and value must be sent.
- ``button``: a widget on the form's button, whose callback submits the form.
- ``invisible``: a div of size ``invisible`` whose callback submits the form.
- ``explicit``: an empty div that a script renders, with the site key in the script.
- ``callback``: a div whose callback sends JSON to ``/verify``.
- ``no_key``: a div whose site key comes from an external script.
- ``enterprise``: reCAPTCHA Enterprise, which accepts no v2 token.
- ``data_s``: a div with a one-time ``data-s`` value, which accepts no v2 token.
"""


@dataclass(frozen=True, slots=True)
class Wall:
    """A site's way to protect its pages."""

    about: str = ""
    """Description in one sentence."""
    widget: Widget = "checkbox"
    form: Literal["post", "get", "page", "foreign", "none"] = "post"
    """The form sends POST or GET to ``/verify``, sends POST to the page itself (which answers with the page), or sends
    POST to another site; or there is no form."""
    redirect: bool = False
    """Whether pages redirect to ``/gate``, which shows the challenge."""
    after: Literal["back", "thanks", "home"] = "back"
    """A token is answered by a redirect to the page, by a page of thanks, or by a redirect to ``/``. A form that is
    sent to the page itself is always answered by the page."""
    clearance: Literal["cookie", "session", "none"] = "cookie"
    """A token gives the session a clearance cookie, or marks the session, or opens a single page."""
    clearance_pages: int | None = None
    """Number of pages after which the clearance expires."""
    free_pages: int = 0
    """Number of pages that each session may see without a token."""
    opens: bool = True
    """Whether any token is accepted."""


WALLS: dict[str, Wall] = {
    "session": Wall("A form posted with a CSRF field of the session wins a cookie that opens the whole site."),
    "session_marked": Wall("The session's own cookie is the clearance; a late answer loses it.", clearance="session"),
    "get": Wall("The form sends its fields by GET, in the address.", form="get"),
    "same_url": Wall("The form posts to the page itself; page and clearance are the answer.", form="page"),
    "redirect": Wall("Every page redirects to a captcha page, which then redirects back.", redirect=True),
    "per_page": Wall("Each page needs its own token; there is no clearance.", form="page", clearance="none"),
    "thanks": Wall("A good submission is answered by a page that says thanks.", after="thanks"),
    "home": Wall("A good submission is answered by a redirect to the home page.", after="home"),
    "invisible": Wall("The widget is bound to the form's button.", widget="button"),
    "invisible_div": Wall("An invisible widget whose callback submits the form.", widget="invisible"),
    "explicit": Wall("A script renders the widget.", widget="explicit"),
    "rate": Wall("The first three pages of a session are free.", free_pages=3),
    "expiring": Wall("A clearance expires after three pages.", clearance_pages=3),
    "never": Wall("No token is ever accepted.", opens=False),
    "foreign_form": Wall("The form posts to another site.", form="foreign", opens=False),
    "callback_only": Wall("There is no form; a script sends the token as JSON.", widget="callback", form="none"),
    "no_key": Wall("The page does not show the site key.", widget="no_key"),
    "enterprise": Wall("reCAPTCHA Enterprise, which accepts no v2 token.", widget="enterprise", opens=False),
    "data_s": Wall("The widget carries a one-time value (data-s).", widget="data_s", opens=False),
}
"""The usual walls by name."""
