"""Decide what is done about a redirect, from what is known of the address that it leads to. Pure."""

from enum import Enum
from typing import NamedTuple

from scrapy_omocaptcha.walls.targets import Kind


class Action(Enum):
    """What is done about a redirect."""

    FOLLOW = "Scrapy follows it: whatever is there is the answer to the request"
    KEEP = "Scrapy follows it, and the request is kept: a wall there may have withheld it"
    ASK = "KEEP, but if Scrapy would drop the redirect for a reason that is not known here, LOOK"
    LOOK = "the address is fetched while the request is in hand: a challenge there is the answer to the request"


class Seen(NamedTuple):
    """What is known of the address that a redirect leads to."""

    kind: Kind
    is_named: bool = False
    """Whether a word in the address, such as ``/captcha``, says that it is a wall's."""
    is_claimed: bool = False
    """Whether anything but its challenge says that a request which was redirected there was not executed."""
    has_been_wall: bool = False
    """Whether it has shown a challenge and then a page, or shows a page though it is named like a wall."""
    is_through: bool = False
    """Whether the session of the request is through its wall, or no wall was met yet."""
    may_be_lost: bool = False
    """Whether Scrapy could lose the request by following: to a wall, or to where it was followed before."""
    is_of_another: bool = False
    """Whether it is a page with a challenge in its place that another request solves."""


_ACTIONS = {
    Kind.UNKNOWN: (Action.ASK, Action.KEEP),
    Kind.FOLLOWED: (Action.ASK, Action.KEEP),
    Kind.PAGE: (Action.ASK, Action.FOLLOW),
    Kind.OPEN: (Action.ASK, Action.FOLLOW),
    Kind.WALL: (Action.LOOK, Action.KEEP),
    Kind.GATE: (Action.LOOK, Action.LOOK),
}
"""What is done about the redirect of a GET, which may be sent again, and of a POST, which may have been executed."""


def decide(seen: Seen, *, is_safe: bool) -> Action:
    """Return what is done about a redirect.

    :param is_safe: whether the redirected request may be sent again though it was answered, as GET and HEAD may be.
    """
    if seen.is_of_another:
        return Action.KEEP if is_safe else Action.FOLLOW
    if (seen.has_been_wall and not seen.is_through) or (seen.is_named and seen.kind is Kind.UNKNOWN):
        return Action.LOOK
    is_withheld = seen.is_claimed and seen.kind is Kind.WALL
    if (is_safe and seen.may_be_lost) or (not is_safe and is_withheld):
        return Action.LOOK
    action = _ACTIONS[seen.kind][0 if is_safe else 1]
    return Action.KEEP if action is Action.FOLLOW and seen.has_been_wall else action
