"""Signals that a project can connect to; each is sent with ``spider``, ``request`` and ``challenge``."""

challenge_detected = object()
"""A challenge was met. Also with ``verdict``: ``"solve"``, or the reason why it is left alone."""

challenge_solved = object()
"""The page that was asked for is through. Also with ``seconds`` (of the whole passage) and ``cost_usd``."""

challenge_failed = object()
"""The page stays behind its challenge. Also with ``reason``."""
