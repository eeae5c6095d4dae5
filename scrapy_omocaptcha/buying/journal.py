"""Write and read journals: files of JSON lines with one record per job, which several crawls may share.

A record is written before its job is bought, so that the cost of a killed crawl is known, and is updated in place. The
file is locked for each write. No record holds a token.
"""

import errno
import json
import logging
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, get_args
from zlib import crc32

from filelock import FileLock

# It logs each lock that is acquired or released, which is four lines per write.
logging.getLogger("filelock").setLevel(logging.INFO)

Outcome = Literal["accepted", "rejected", "failed", "expired", "unknown", "abandoned"]
"""What became of a job.

- ``accepted``: the site accepted its token.
- ``rejected``: the site rejected its token.
- ``failed``: it gave no token.
- ``expired``: its token was not submitted.
- ``unknown``: its token was handed in, and the answer did not show what the site made of it.
- ``abandoned``: nothing more is known.
"""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

_LOCK_TIMEOUT = 5.0
"""Seconds. A write takes less than a millisecond."""
_PADDING = 96
"""Spaces after a record, for values that are not known yet: the job's id, the seconds, the outcome."""
_BLOCK = 64 * 1024
_CLOCK_SKEW = timedelta(hours=1)
"""How much older a record may be than the one before it, since clocks are sometimes set back."""


@dataclass(frozen=True, slots=True)
class Record:
    """One job, as far as it is known."""

    time: str
    """Time at which it was bought, in ISO 8601 and UTC."""
    spider: str
    crawl: str
    """Id of the crawl, from Scrapyd or Scrapy Cloud if they run it."""
    host: str
    page: str
    """Scheme, host and path of the page with the widget."""
    kind: str
    """``"checkbox"`` or ``"invisible"``."""
    job: str | None = None
    """Id of the job at the service; None if unknown."""
    seconds: float | None = None
    """Time from the create call to the end of the job; None if unknown."""
    questions: int = 0
    """How often the job was polled."""
    outcome: Outcome = "abandoned"
    reason: str = ""
    """Why the job was of no use; empty if it was of use."""
    cost_usd: float = 0.0

    @property
    def at(self) -> datetime:
        """Return the time in UTC."""
        time = datetime.fromisoformat(self.time.replace("Z", "+00:00"))
        try:
            return time.astimezone(timezone.utc)
        except OverflowError:
            # In UTC the time is a few hours before the year 1 or after 9999.
            return time.replace(tzinfo=timezone.utc)


def time_of(at: datetime) -> str:
    """Return a time in the format of ``Record.time``."""
    return at.astimezone(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def read_journal(path: str | os.PathLike[str]) -> tuple[list[Record], list[str]]:
    """Return the records of a journal, and a warning for each line that is not a record.

    :raises OSError: when the file cannot be read.
    """
    records: list[Record] = []
    warnings: list[str] = []
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                records.append(_record(line))
            except ValueError as error:
                torn = "" if line.endswith(b"\n") else "; it has no end, as when a crawl is killed while it writes"
                warnings.append(f"line {number} of {path} is left out: {error}{torn}")
    return records, warnings


def _record(line: bytes) -> Record:
    """Parse a line; raise ``ValueError`` if it is not a record."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    known = {field.name: value[field.name] for field in fields(Record) if field.name in value}
    try:
        record = Record(**known)
    except TypeError:
        raise ValueError("it has not all keys of a record") from None
    for name, valid in _VALID.items():
        if not valid(getattr(record, name)):
            raise ValueError(f"its {name} is {str(getattr(record, name))[:60]!r}")
    return record


def _is_amount(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _is_time(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value.replace("Z", "+00:00")).tzinfo is not None
    except (AttributeError, ValueError):
        return False


_VALID = {
    **dict.fromkeys(("spider", "crawl", "host", "page", "kind", "reason"), lambda value: isinstance(value, str)),
    "time": _is_time,
    "job": lambda value: value is None or isinstance(value, str),
    "seconds": lambda value: value is None or _is_amount(value),
    "questions": _is_amount,
    "outcome": OUTCOMES.__contains__,
    "cost_usd": _is_amount,
}


class Location(NamedTuple):
    """The location of a record in a journal, with a checksum that recognizes the record."""

    offset: int
    length: int
    checksum: int


class Journal:
    """A journal to which a crawl writes.

    Each method raises ``OSError`` when the file cannot be read or written, and so does a lock that is not acquired.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.path.touch()
        # Unbuffered, so that what has been written outlives the process.
        self._file: BinaryIO = self.path.open("r+b", buffering=0)
        self.lock: AbstractContextManager[Any] = FileLock(f"{self.path}.lock", timeout=_LOCK_TIMEOUT)
        """Held for each write; it may be acquired several times."""

    def append(self, record: Record) -> Location:
        line = _line(record)
        with self.lock:
            end = self._file.seek(0, os.SEEK_END)
            if end and self._read(end - 1, 1) != b"\n":
                # A crawl was killed while it wrote.
                self._write(end, b"\n")
                end += 1
            return self._write(end, line)

    def update(self, location: Location, record: Record) -> Location:
        """Replace the record at ``location``; append it if it has become too long, or somebody truncated the file."""
        line = _line(record, location.length)
        with self.lock:
            if len(line) <= location.length and self._is_there(location):
                return self._write(location.offset, line)
            self.withdraw(location)
            return self.append(record)

    def withdraw(self, location: Location) -> None:
        """Overwrite a record with spaces."""
        with self.lock:
            if self._is_there(location):
                self._write(location.offset, b"\n".rjust(location.length))

    def read_since(self, since: datetime, position: int = 0) -> tuple[list[Record], int]:
        """Return the records after ``position`` that are not older than ``since``, and the position of their end."""
        end = self._file.seek(0, os.SEEK_END)
        # A position beyond the end means that somebody truncated the file.
        start = position if 0 < position <= end else self._start(since)
        lines = self._read(start, end - start).splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            end -= len(lines.pop())
        return [record for record in _records(lines) if record.at >= since], end

    def _start(self, since: datetime) -> int:
        """Return a position before the first record from ``since`` on, which need not be the start of a line."""
        start = self._file.seek(0, os.SEEK_END)
        while start:
            start = max(0, start - _BLOCK)
            first = next(_records(self._read(start, _BLOCK).splitlines()), None)
            if first is not None and first.at < since - _CLOCK_SKEW:
                break
        return start

    def close(self) -> None:
        self._file.close()

    def _is_there(self, location: Location) -> bool:
        return crc32(self._read(location.offset, location.length)) == location.checksum

    def _read(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(length)

    def _write(self, offset: int, line: bytes) -> Location:
        self._file.seek(offset)
        if self._file.write(line) != len(line):
            # A full disk takes a part of the line.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return Location(offset, len(line), crc32(line))


def _records(lines: Iterable[bytes]) -> Iterator[Record]:
    for line in lines:
        with suppress(ValueError):
            yield _record(line)


def _line(record: Record, length: int = 0) -> bytes:
    """Return a line of ``length`` bytes, or a longer one with padding if the record does not fit."""
    text = json.dumps(asdict(record)).encode()
    return text.ljust(length - 1 if len(text) < length else len(text) + _PADDING) + b"\n"
