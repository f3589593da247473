"""
The metrics of a node in Prometheus' terms: made when they are asked for, from the router's own counters.

Rules of this file:

- Every entry of ``Node.counters`` and ``Realm.counters`` is a metric, whoever counts it; those of ``ABOUT``
  are there from the start, with 0.
- A label has few values: realm, transport, space, and the URI of an error that the router knows.
- An extension that fails to tell its metrics is logged and left out; the others are told.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from twisted.logger import Logger

from realms.call_times import Histogram
from realms.extension import Measure
from router import __version__
from router.metrics.readings import RealmReading, realm_readings

# What a node counts, and what it is called; the others are called as they are.
ABOUT: Final = {
    "connections": ("connections_opened", "Connections that were accepted."),
    "connections_refused": ("connections_refused", "Connections beyond the limit of their transport."),
    "handshakes_refused": ("handshakes_refused", "Connections that did not speak what they should."),
    "handshake_timeouts": ("handshake_timeouts", "Connections that opened no session in time."),
    "refused_joins": ("joins_refused", "Sessions that were not let in."),
    "heartbeats_missed": ("heartbeats_missed", "Connections that gave no sign of life."),
    "protocol_violations": ("protocol_violations", "Sessions that were ended for a breach of the protocol."),
    "payloads_refused": ("payloads_refused", "Messages whose payload could not be carried."),
    "oversized_incoming": ("oversized_incoming", "Messages from clients that were longer than allowed."),
    "oversized_outgoing": ("oversized_outgoing", "Messages that were longer than their receiver takes."),
    "throttled": ("throttled", "Times that a session sent more messages in a second than it may."),
    "http_requests": ("http_requests", "Requests to HTTP bridges."),
    "webhooks_delivered": ("webhooks_delivered", "Events that a webhook took."),
    "webhooks_retried": ("webhooks_retried", "Attempts of webhooks that are tried again."),
    "webhooks_failed": ("webhooks_failed", "Events that a webhook did not take."),
    "webhooks_dropped": ("webhooks_dropped", "Events that did not fit into the queue of a webhook."),
    "webhooks_lost": ("webhooks_lost", "Events for webhooks that a stop or a reload left over."),
    "slow_consumers_disconnected": ("slow_consumers_disconnected", "Sessions that read too slowly."),
    "defects": ("defects", "Mistakes of the router itself; each is in the log."),
}
ABOUT_REALMS: Final = {
    "sessions": ("sessions_joined", "Sessions that have joined."),
    "events_dropped": ("events_dropped", "Events that did not reach a slow consumer."),
    "history_lost": ("history_lost", "Events that a durable event history could not keep."),
    "publishes_refused": ("publishes_refused", "Publications that were not allowed."),
    "joins_throttled": ("joins_throttled", "Sessions that were refused unheard after too many failures."),
}


class NodeCollector(Collector):
    """Collects the metrics of one ``Node``."""

    log = Logger("router.metrics")

    def __init__(self, node: Any) -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        """Give every metric, as it is now."""
        yield _gauge("info", "The router's version.", [({"version": __version__}, 1)])
        readings = realm_readings(self._node)
        yield from self._of_the_node({*ABOUT_REALMS, *(name for r in readings for name in r.counters)})
        yield from _of_realms(readings)
        yield from _counters_of_realms(readings)
        yield _errors(readings)
        yield _call_times(readings)
        yield from self._of_extensions()

    def describe(self) -> list[Metric]:
        """Say nothing beforehand: realms come and go."""
        return []

    def _of_the_node(self, of_realms: set[str]) -> Iterator[Metric]:
        """Give the node's own; what realms count as well is told for each of them, and not once more."""
        node = self._node
        listeners = [
            ({"transport": listener.settings.name}, len(listener.connections)) for listener in node.listeners
        ]
        yield _gauge("connections", "Open connections.", listeners)
        counted = dict.fromkeys(ABOUT, 0) | dict(node.counters)
        for name in sorted(counted.keys() - of_realms):
            called, help_text = ABOUT.get(name, (name, f"Counter {name} of the router."))
            yield _counter(called, help_text, [({}, counted[name])])
        delay = HistogramMetricFamily(
            "concord_reactor_delay_seconds", "How late the router came to a timer of its own, four a second."
        )
        _add(delay, {}, node.pulse.delays)
        yield delay

    def _of_extensions(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for realm, measure in self._measures():
            family = families.get(measure.name)
            if family is None:
                make = _counter if measure.kind == "counter" else _gauge
                family = families[measure.name] = make(measure.name, measure.help, [])
            suffix = "_total" if measure.kind == "counter" else ""
            family.add_sample(family.name + suffix, {"realm": realm, **measure.labels}, measure.value)
        yield from families.values()

    def _measures(self) -> Iterator[tuple[str, Measure]]:
        """Give what the extensions of each realm tell, with the realm's name."""
        for name, realm in sorted(self._node.directory.realms.items()):
            for extension, running in sorted(realm.extensions.running.items()):
                try:
                    told = list(running.extension.measures())
                except Exception:
                    self.log.failure(
                        "realm {realm}: no metrics of {extension}", realm=name, extension=extension
                    )
                else:
                    for measure in told:
                        yield name, measure


def registry_of(node: Any) -> CollectorRegistry:
    """Make a registry with all there is to tell of ``node`` and of its process."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    registry.register(NodeCollector(node))
    return registry


def _of_realms(readings: Iterable[RealmReading]) -> Iterator[Metric]:
    gauges = {
        "sessions": ("sessions", "Open sessions."),
        "registrations": ("registrations", "Registrations."),
        "subscriptions": ("subscriptions", "Subscriptions, each of one topic or pattern."),
        "pending_calls": ("pending_calls", "Calls that wait for their answer."),
        "queued_calls": ("queued_calls", "Calls that wait for a callee with room."),
        "queued_bytes": ("queued_bytes", "Bytes that wait for sessions which do not take them."),
        "slow_consumers": ("slow_consumers", "Sessions for which something is queued."),
    }
    counters = {
        "calls": ("calls", "Calls that went to a callee or to a procedure of the router."),
        "events": ("events", "Events, one for each receiver."),
    }
    for make, families in ((_gauge, gauges), (_counter, counters)):
        for name, (field, help_text) in families.items():
            yield make(name, help_text, [({"realm": r.realm}, getattr(r, field)) for r in readings])


def _counters_of_realms(readings: Iterable[RealmReading]) -> Iterator[Metric]:
    for name in sorted({*ABOUT_REALMS, *(name for reading in readings for name in reading.counters)}):
        called, help_text = ABOUT_REALMS.get(name, (name, f"Counter {name} of the realm."))
        values = [({"realm": reading.realm}, reading.counters.get(name, 0)) for reading in readings]
        yield _counter(called, help_text, values)


def _errors(readings: Iterable[RealmReading]) -> Metric:
    values = [
        ({"realm": reading.realm, "error": error}, count)
        for reading in readings
        for error, count in sorted(reading.errors.items())
    ]
    return _counter("errors", "ERRORs that clients were told, by URI; their own are 'application'.", values)


def _call_times(readings: Iterable[RealmReading]) -> Metric:
    about = "From a CALL to its answer by a client; of many calls, a sample."
    family = HistogramMetricFamily("concord_call_seconds", about)
    for reading in readings:
        _add(family, {"realm": reading.realm}, reading.call_times)
    return family


def _gauge(name: str, about: str, values: Iterable[tuple[dict[str, str], float]]) -> Metric:
    family = GaugeMetricFamily(f"concord_{name}", about)
    for labels, value in values:
        family.add_sample(family.name, labels, value)
    return family


def _counter(name: str, about: str, values: Iterable[tuple[dict[str, str], float]]) -> Metric:
    family = CounterMetricFamily(f"concord_{name}", about)
    for labels, value in values:
        family.add_sample(f"{family.name}_total", labels, value)
    return family


def _add(family: Metric, labels: dict[str, str], histogram: Histogram) -> None:
    """Add ``histogram`` with its counts summed up, as Prometheus wants them."""
    total = 0
    for bound, count in zip((*histogram.bounds, None), histogram.counts, strict=True):
        total += count
        upper = "+Inf" if bound is None else str(bound)
        family.add_sample(f"{family.name}_bucket", {**labels, "le": upper}, total)
    family.add_sample(f"{family.name}_count", labels, total)
    family.add_sample(f"{family.name}_sum", labels, histogram.sum)


def snapshot(node: Any, realm: str | None) -> dict[str, list[dict[str, Any]]]:
    """Give the metrics of ``realm``, or all of them: name -> labels and values."""
    found: dict[str, list[dict[str, Any]]] = {}
    for family in NodeCollector(node).collect():
        for sample in family.samples:
            if realm is None or sample.labels.get("realm") == realm:
                found.setdefault(sample.name, []).append(
                    {"labels": dict(sample.labels), "value": sample.value}
                )
    return found
