"""Words of others, without a secret that may have got into them.

Pure. For what comes from outside and is shown to people: the service's messages, the errors of a spider's hook.
"""

from __future__ import annotations

PIECE = 8
"""Length from which a piece of a secret tells something of it."""


def masked(text: str, secret: str) -> str:
    """``text`` with ``***`` in the place of ``secret`` and of every piece of it."""
    length = min(PIECE, len(secret))
    pieces = {secret[at : at + length] for at in range(len(secret) - length + 1)} - {""}
    shown: list[str] = []
    done = 0
    for at in range(len(text) - length + 1):
        if text[at : at + length] in pieces:
            if at >= done:
                shown += (text[done:at], "***")
            done = at + length
    return "".join((*shown, text[done:]))
