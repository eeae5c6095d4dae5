"""Show on a terminal how far a command is."""

import sys


class ProgressLine:
    """A line on stderr that is overwritten; nothing is written if stderr is a file or a pipe.

    :param done: what is done with each of the ``total``, such as ``"pages inspected"``.
    """

    def __init__(self, total: int, done: str) -> None:
        self._total = total
        self._done = done
        self._width = 0

    def show(self, number: int) -> None:
        """Show that ``number`` of the total are done; a single one needs no line."""
        if self._total > 1 and sys.stderr.isatty():
            line = f"{number:,} of {self._total:,} {self._done}"
            self._width = len(line)
            # The cursor stays at the start of the line, so that a line of the log overwrites this one.
            print(f"{line}\r", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Make room for other output."""
        if self._width:
            print(" " * self._width + "\r", end="", file=sys.stderr, flush=True)
            self._width = 0
