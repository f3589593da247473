"""
What realms do in a second: the difference of two readings.

Rules of this file: times are handed in, in seconds of the monotonic clock.
"""

from collections.abc import Iterable
from typing import Any, Final

from realms.call_times import Histogram
from router.metrics.readings import RealmReading, realm_readings

RATES: Final = ("calls_per_second", "events_per_second", "errors_per_second", "call_p50_ms", "call_p99_ms")


class Rates:
    """Statistics of the realms of ``node`` of which ``only`` is the name, or of all."""

    def __init__(self, node: Any, only: str | None, now: float) -> None:
        self._node = node
        self._only = only
        self._before: dict[str, RealmReading] = {}
        self._time = now
        self._rates: dict[str, dict[str, Any]] = {}  # realm -> its rates, of the last sample

    def sample(self, now: float) -> None:
        """Read the realms again: from now on, rates are those of the time since the last sample."""
        seconds, self._time = now - self._time, now
        readings = {reading.realm: reading for reading in self._read()}
        self._rates = {
            name: rates_of(reading, self._before.get(name), seconds) for name, reading in readings.items()
        }
        for reading in readings.values():
            reading.call_times = _since(reading.call_times, None)
        self._before = readings

    def now(self) -> list[dict[str, Any]]:
        """Give each realm's numbers as they are, with the rates of the last sample; they may be ``None``."""
        unknown = dict.fromkeys(RATES)
        return [{**numbers_of(r), **self._rates.get(r.realm, unknown)} for r in self._read()]

    def _read(self) -> list[RealmReading]:
        return [r for r in realm_readings(self._node) if self._only in (None, r.realm)]


def numbers_of(reading: RealmReading) -> dict[str, Any]:
    """Give one realm's numbers, plain."""
    stats: dict[str, Any] = {
        name: getattr(reading, name)
        for name in (
            *("realm", "sessions", "registrations", "subscriptions", "pending_calls", "queued_calls"),
            *("calls", "events", "queued_bytes", "slow_consumers"),
        )
    }
    stats["errors"] = sum(reading.errors.values())
    stats["errors_by_uri"] = reading.errors
    stats["events_dropped"] = reading.counters.get("events_dropped", 0)
    return stats


def rates_of(reading: RealmReading, before: RealmReading | None, seconds: float) -> dict[str, Any]:
    """Give one realm's rates since the reading ``before``; ``None`` where there is none."""
    if before is None or seconds <= 0:
        return dict.fromkeys(RATES)
    times = _since(reading.call_times, before.call_times)
    median, most = times.quantile(0.5), times.quantile(0.99)
    rates = (
        (reading.calls - before.calls) / seconds,
        (reading.events - before.events) / seconds,
        (sum(reading.errors.values()) - sum(before.errors.values())) / seconds,
        None if median is None else median * 1000,
        None if most is None else most * 1000,
    )
    return {name: None if r is None else round(r, 2) for name, r in zip(RATES, rates, strict=True)}


def _since(histogram: Histogram, before: Histogram | None) -> Histogram:
    """Give the values that came after ``before`` was copied."""
    earlier: Iterable[int] = before.counts if before is not None else [0] * len(histogram.counts)
    difference = Histogram(histogram.bounds)
    difference.counts = [
        now - then if now >= then else now for now, then in zip(histogram.counts, earlier, strict=True)
    ]
    difference.sum = histogram.sum - (before.sum if before is not None else 0.0)
    return difference
