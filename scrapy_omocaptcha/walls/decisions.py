"""Decide what is done about a redirect, from what is known of the address that it leads to. Pure."""

from enum import Enum
from typing import NamedTuple

from scrapy_omocaptcha.walls.targets import PAGES, Kind


class Action(Enum):
    """What is done about a redirect."""

    FOLLOW = "Scrapy follows it: whatever is there is the answer to the request"
    KEEP = "Scrapy follows it, and the request is kept: a wall there may have withheld it"
    ASK = "KEEP, but LOOK if Scrapy would drop the redirect as others have asked for the address, or has dropped many"
    GUESS = "LOOK if Scrapy would fetch the address now; if not, LOOK only if it has dropped many redirects there"
    LOOK = "the address is fetched while the request is in hand: a challenge there is the answer to the request"


class Known(NamedTuple):
    """What is known of the address that a redirect leads to."""

    kind: Kind
    is_suspect: bool = False
    """Whether a word in the address, such as ``/captcha``, says that it is a wall's, and nobody has been there."""
    may_have_withheld: bool = False
    """Whether a wall there may have withheld the request: a POST, if the wall says so; a GET that is redirected to any
    wall, or again to one for which it was sent again."""
    has_been_wall: bool = False
    """Whether it has shown a challenge and then a page, or shows a page though it is named like a wall."""
    is_open: bool = False
    """Whether no wall was met yet, or the session of the request is through it."""
    is_of_another: bool = False
    """Whether it is a page with a challenge in its place that another request solves."""


def decide(known: Known, *, is_safe: bool) -> Action:
    """Return what is done about a redirect.

    :param is_safe: whether the redirected request may be sent again though it was answered, as GET and HEAD may be.
    """
    if known.is_of_another:
        return Action.KEEP if is_safe else Action.FOLLOW
    if known.is_suspect:
        return Action.GUESS
    if known.may_have_withheld or (known.has_been_wall and not known.is_open):
        return Action.LOOK
    if is_safe:
        return Action.ASK
    is_answer = known.kind in PAGES and not known.has_been_wall
    return Action.FOLLOW if is_answer else Action.KEEP
