"""What a space tells monitoring."""

from collections.abc import Iterator
from typing import Final

from realms.dstm.space import Space
from realms.extension import Measure

COUNTERS: Final = {
    "commits": "Transactions that were committed.",
    "conflicts": "Transactions that were rejected for a conflict.",
    "rejects": "Transactions that were rejected otherwise.",
    "repetitions": "Transactions that were submitted again and answered from memory.",
    "flushes": "Batches that were written to the log.",
    "failures": "Batches that the log did not take.",
}
GAUGES: Final = {
    "waits": ("waiters", "Transactions and calls that wait for a change."),
    "undecided": ("undecided", "Transactions that wait to be decided."),
    "version": ("version", "The newest durable version."),
    "bytes": ("document_bytes", "Size of the document."),
    "remembered": ("remembered_versions", "Versions that are remembered."),
}


def measures_of(name: str, space: Space) -> Iterator[Measure]:
    """Tell how the space ``name`` is; one that never was open has less to tell."""
    labels = {"space": name}
    status = space.status()
    is_open = float(status["state"] == "open")
    yield Measure("dstm_open", "gauge", "1 while the space decides transactions.", is_open, labels)
    for key, about in COUNTERS.items():
        yield Measure(f"dstm_{key}", "counter", about, status[key], labels)
    for key, (called, about) in GAUGES.items():
        if key in status:
            yield Measure(f"dstm_{called}", "gauge", about, status[key], labels)
    if "version" in status:
        about = "Versions that are decided and not yet durable."
        lag = space.version - space.durable_version
        yield Measure("dstm_log_lag_versions", "gauge", about, lag, labels)
