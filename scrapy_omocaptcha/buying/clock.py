"""Tell the time by which a ledger measures a day: a clock that runs no faster than real time, whatever is set."""

import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Reading(NamedTuple):
    """What the clocks of this machine show at one moment, in seconds."""

    wall: float
    """The time of day, which people and NTP may set."""
    uptime: float
    """Since the machine was started, including sleep where the system tells."""
    boot: str
    """Differs after each start of the machine; empty where the system does not tell, as only Linux does."""


def read_clocks() -> Reading:
    clock = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
    uptime = time.monotonic() if clock is None else time.clock_gettime(clock)
    return Reading(time.time(), uptime, _boot_id())


@cache
def _boot_id() -> str:
    with suppress(OSError):
        return _BOOT_ID.read_text(encoding="ascii").strip()
    return ""


def elapsed(last: Reading, now: Reading) -> float:
    """Return the seconds that have passed for certain, or, if the machine was started since, by the time of day.

    A time of day that was set forward while the machine ran is not believed; one that was set back stops the clock.
    """
    seconds = now.wall - last.wall
    if now.boot == last.boot and now.uptime >= last.uptime:
        seconds = min(seconds, now.uptime - last.uptime)
    return max(0.0, seconds)
