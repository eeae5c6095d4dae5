"""Define the signals that a project can connect to.

Each is sent with ``spider``, ``request`` and ``challenge``.
"""

challenge_detected = object()
"""A challenge was found. Also sent: ``verdict``, ``"solve"`` or the reason why it is left alone."""

challenge_solved = object()
"""The requested page came through. Also sent: ``seconds`` since the challenge was found, ``cost_usd``, and ``outcome``:
``"accepted"``, ``"expired"`` if its token was not needed any more, or None if another request has opened the wall."""

challenge_unknown = object()
"""A token was handed in, and whether the site accepted it is not known. Also sent: ``reason``, ``seconds`` and
``cost_usd``."""

challenge_failed = object()
"""The challenge was not solved. Also sent: ``reason``."""
