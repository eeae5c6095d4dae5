"""Decide what is done about a redirect, from what is known of the address that it leads to. Pure."""

from enum import Enum
from typing import NamedTuple

from scrapy_omocaptcha.walls.targets import PAGES, Kind


class Action(Enum):
    """What is done about a redirect."""

    FOLLOW = "Scrapy follows it: whatever is there is the answer to the request"
    KEEP = "Scrapy follows it, and the request is kept: a wall there may have withheld it"
    ASK = "KEEP, but if Scrapy would drop the redirect for a reason that is not known here, LOOK"
    GUESS = "LOOK, unless Scrapy would not fetch the address; ASK then"
    LOOK = "the address is fetched while the request is in hand: a challenge there is the answer to the request"


class Known(NamedTuple):
    """What is known of the address that a redirect leads to."""

    kind: Kind
    is_suspect: bool = False
    """Whether a word in the address, such as ``/captcha``, says that it is a wall's, and nobody has been there."""
    may_be_lost: bool = False
    """Whether what was asked for could be lost if Scrapy follows: a POST that a wall says it has withheld; a GET that
    is redirected to any wall, or again to one for which it was sent again."""
    has_been_wall: bool = False
    """Whether it has shown a challenge and then a page, or shows a page though it is named like a wall."""
    is_through: bool = False
    """Whether the session of the request is through its wall, or no wall was met yet."""
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
    if known.may_be_lost or (known.has_been_wall and not known.is_through):
        return Action.LOOK
    if is_safe:
        return Action.ASK
    is_answer = known.kind in PAGES and not known.has_been_wall
    return Action.FOLLOW if is_answer else Action.KEEP
