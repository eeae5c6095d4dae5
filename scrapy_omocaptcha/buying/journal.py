"""The journal: one record a job, as JSON lines in a local file that several crawls may share.

A record is written before its job is bought, so that a killed crawl still has its bill, and is brought up to date in
its place. The file is locked for each write. Nothing here decides anything, and no record holds a token.
"""

from __future__ import annotations

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

# It has a line for each lock that is taken and given back, four for each time that a job is written.
logging.getLogger("filelock").setLevel(logging.INFO)

Outcome = Literal["accepted", "rejected", "failed", "expired", "abandoned"]
"""What became of a job: its token opened a page, or did not; there was no token; it was not used; nobody waited for
the end."""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

_LOCK_SECONDS = 5.0
"""Each write takes a fraction of a thousandth."""
_ROOM = 96
"""Spaces after a record, for what is not known yet: the job's id, the seconds, the outcome."""
_BLOCK = 64 * 1024
_DISORDER = timedelta(hours=1)
"""By how much a record may be older than the one before it: clocks are set."""


@dataclass(frozen=True, slots=True)
class Record:
    """One job, as it is known at the moment."""

    time: str
    """When it was bought: ISO 8601, in UTC."""
    spider: str
    crawl: str
    """Id of the crawl: that of Scrapyd or Scrapy Cloud, else one of its own."""
    host: str
    page: str
    """Scheme, host and path of the page with the widget."""
    kind: str
    """``"checkbox"`` or ``"invisible"``."""
    job: str | None = None
    """Its id at the service; None where it never became known."""
    seconds: float | None = None
    """From the call that bought it to its end; None: the end is not known."""
    questions: int = 0
    """How often its result was asked for."""
    outcome: Outcome = "abandoned"
    reason: str = ""
    """Why it was of no use; empty where it was."""
    cost_usd: float = 0.0

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(self.time.replace("Z", "+00:00"))


def time_of(at: datetime) -> str:
    """A time as records spell it."""
    return at.astimezone(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def read_journal(path: str | os.PathLike[str]) -> tuple[list[Record], list[str]]:
    """The records of a journal, and a sentence for each line that is none.

    :raises OSError: the file cannot be read.
    """
    records: list[Record] = []
    complaints: list[str] = []
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                records.append(_record(line))
            except ValueError as error:
                torn = "" if line.endswith(b"\n") else "; it has no end, as when a crawl is killed while it writes"
                complaints.append(f"line {number} of {path} is left out: {error}{torn}")
    return records, complaints


def _record(line: bytes) -> Record:
    """:raises ValueError: it is none."""
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


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_amount(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _is_time(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value.replace("Z", "+00:00")).tzinfo is not None
    except (AttributeError, ValueError):
        return False


_VALID = {
    **dict.fromkeys(("spider", "crawl", "host", "page", "kind", "reason"), _is_text),
    "time": _is_time,
    "job": lambda value: value is None or _is_text(value),
    "seconds": lambda value: value is None or _is_amount(value),
    "questions": _is_amount,
    "outcome": OUTCOMES.__contains__,
    "cost_usd": _is_amount,
}


class Place(NamedTuple):
    """Where in a journal a record stands, and how to know it again."""

    offset: int
    length: int
    checksum: int


class Journal:
    """A journal that a crawl writes.

    :raises OSError: it cannot be written; so does each method, ``filelock.Timeout`` included.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.path.touch()
        # Unbuffered: what has been written outlives the process.
        self._file: BinaryIO = self.path.open("r+b", buffering=0)
        self._lock = FileLock(f"{self.path}.lock", timeout=_LOCK_SECONDS)

    def locked(self) -> AbstractContextManager[Any]:
        """No other crawl writes meanwhile."""
        lock: AbstractContextManager[Any] = self._lock
        return lock

    def append(self, record: Record) -> Place:
        line = _line(record)
        with self.locked():
            end = self._file.seek(0, os.SEEK_END)
            if end and self._read(end - 1, 1) != b"\n":
                # Of a crawl that was killed while it wrote.
                self._write(end, b"\n")
                end += 1
            return self._write(end, line)

    def update(self, place: Place, record: Record) -> Place:
        """Write ``record`` over the one at ``place``, or at the end where that is not possible."""
        line = _line(record, place.length)
        with self.locked():
            if not self._is_there(place):
                # Somebody has cut the file.
                return self.append(record)
            if len(line) > place.length:
                self.withdraw(place)
                return self.append(record)
            return self._write(place.offset, line)

    def withdraw(self, place: Place) -> None:
        """Blank the record of a job that certainly was not bought."""
        with self.locked():
            if self._is_there(place):
                self._write(place.offset, b"\n".rjust(place.length))

    def read_since(self, since: datetime, position: int = 0) -> tuple[list[Record], int]:
        """The records from ``since`` on that stand behind ``position``, and the position behind the last."""
        end = self._file.seek(0, os.SEEK_END)
        # Where somebody has cut the file, all is new.
        start = position if 0 < position <= end else self._start(since)
        lines = self._read(start, end - start).splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            end -= len(lines.pop())
        return [record for record in _records(lines) if record.at >= since], end

    def _start(self, since: datetime) -> int:
        """Where the records from ``since`` on begin, or somewhat before; not always the beginning of a line."""
        start = self._file.seek(0, os.SEEK_END)
        while start:
            start = max(0, start - _BLOCK)
            first = next(_records(self._read(start, _BLOCK).splitlines()), None)
            if first is not None and first.at < since - _DISORDER:
                break
        return start

    def close(self) -> None:
        self._file.close()

    def _is_there(self, place: Place) -> bool:
        return crc32(self._read(place.offset, place.length)) == place.checksum

    def _read(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(length)

    def _write(self, offset: int, line: bytes) -> Place:
        self._file.seek(offset)
        if self._file.write(line) != len(line):
            # As on a disk that is full.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return Place(offset, len(line), crc32(line))


def _records(lines: Iterable[bytes]) -> Iterator[Record]:
    """Those of ``lines`` that are records."""
    for line in lines:
        with suppress(ValueError):
            yield _record(line)


def _line(record: Record, length: int = 0) -> bytes:
    """``record`` as a line of ``length``; a longer one with room to grow where it does not fit."""
    text = json.dumps(asdict(record)).encode()
    return text.ljust(length - 1 if len(text) < length else len(text) + _ROOM) + b"\n"
