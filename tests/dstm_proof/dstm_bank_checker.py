"""
Judges a bank: the sum at every version, nothing acknowledged lost, nothing applied twice, no look back.

Rules of this file:

- Pure, and knows no server: it is given what clients were told and what replicas held.
- A transfer is named by its client and that client's number for it; a log of the bank says which transfers
  it holds at which version, as replicas saw it in the changes.
- Times are numbers of one clock; ``returned`` is None where no answer came.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dstm_checker import Anomaly, Outcome


@dataclass(frozen=True)
class Transfer:
    """
    What a client saw of a transfer.

    :ivar version: the version that it was told, where ``outcome`` is ``ok``
    """

    name: str
    source: str
    target: str
    amount: int
    outcome: Outcome
    invoked: float
    returned: float | None
    version: int | None = None


class Applied(NamedTuple):
    """An entry of the bank's log: at ``version`` it holds the transfer ``name``."""

    version: int
    name: str


class State(NamedTuple):
    """What a replica held at a version."""

    replica: str
    version: int
    balances: Mapping[str, int]


class Point(NamedTuple):
    """A request and the version at which it was answered; a write makes that version, a read sees it."""

    name: str
    invoked: float
    returned: float
    version: int
    is_write: bool


def check_bank(
    opening: Mapping[str, int],
    transfers: Sequence[Transfer],
    log: Sequence[Applied],
    states: Iterable[State],
) -> list[Anomaly]:
    """
    Give every anomaly of a bank whose accounts began as ``opening``.

    :param log: all that was applied, from the bank's first version to its last
    :param states: the states of replicas, in any order
    """
    states = list(states)
    return [
        *_wrong_sums(sum(opening.values()), states),
        *_wrong_log(transfers, log),
        *_wrong_states(opening, transfers, log, states),
        *check_points(points_of(transfers)),
    ]


def points_of(transfers: Iterable[Transfer]) -> list[Point]:
    return [
        Point(transfer.name, transfer.invoked, transfer.returned, transfer.version, True)
        for transfer in transfers
        if transfer.outcome == "ok" and transfer.version is not None and transfer.returned is not None
    ]


def _wrong_sums(total: int, states: Iterable[State]) -> Iterator[Anomaly]:
    for state in states:
        found = sum(state.balances.values())
        if found != total:
            text = f"the sum at version {state.version} of {state.replica} is {found}, not {total}"
            yield Anomaly("wrong sum", (state.replica,), text)


def _wrong_log(transfers: Iterable[Transfer], log: Iterable[Applied]) -> Iterator[Anomaly]:
    versions: dict[str, list[int]] = defaultdict(list)
    for applied in log:
        versions[applied.name].append(applied.version)
    for name, times in versions.items():
        if len(times) > 1:
            yield Anomaly("applied twice", (name,), f"{name} is in the log at the versions {times}")
    known = set()
    for transfer in transfers:
        known.add(transfer.name)
        found = versions.get(transfer.name, [])
        if transfer.outcome == "ok" and transfer.version not in found:
            text = f"{transfer.name} was acknowledged as version {transfer.version}, is logged at {found}"
            yield Anomaly("lost commit", (transfer.name,), text)
        if transfer.outcome == "failed" and found:
            text = f"{transfer.name} was rejected, the log has it at {found}"
            yield Anomaly("applied although rejected", (transfer.name,), text)
    for name in versions.keys() - known:
        yield Anomaly("transfer from nowhere", (name,), f"{name} is in the log, and nobody sent it")


def _wrong_states(
    opening: Mapping[str, int],
    transfers: Iterable[Transfer],
    log: Iterable[Applied],
    states: Iterable[State],
) -> Iterator[Anomaly]:
    """Replay the log's order, and compare each state with the balances at its version."""
    by_name = {transfer.name: transfer for transfer in transfers}
    by_version: dict[int, list[State]] = defaultdict(list)
    for state in states:
        by_version[state.version].append(state)
    balances = dict(opening)
    for version, name in sorted(log):
        if transfer := by_name.get(name):
            balances[transfer.source] -= transfer.amount
            balances[transfer.target] += transfer.amount
        for state in by_version[version]:
            if dict(state.balances) != balances:
                text = f"{state.replica} at version {version} holds {dict(state.balances)}, not {balances}"
                yield Anomaly("wrong replica", (state.replica,), text)


def check_points(points: Iterable[Point]) -> list[Anomaly]:
    """
    Compare the order of the versions with the clock.

    What is answered before another is called must come before it: a later write has a greater version, a
    later read at least that one. And no read may see a version before its write was called.
    """
    anomalies = []
    points = list(points)
    answers = sorted(points, key=lambda point: point.returned)
    floor, floor_name, count = -1, "", 0
    for point in sorted(points, key=lambda point: point.invoked):
        while count < len(answers) and answers[count].returned < point.invoked:
            if answers[count].version > floor:
                floor, floor_name = answers[count].version, answers[count].name
            count += 1
        if point.version < floor or (point.is_write and point.version == floor):
            name = "order against the clock" if point.is_write else "stale read"
            text = f"{point.name} got version {point.version} after {floor_name} had got {floor}"
            anomalies.append(Anomaly(name, (floor_name, point.name), text))
    anomalies.extend(_reads_of_the_future(points))
    anomalies.extend(_shared_versions(points))
    return anomalies


def _reads_of_the_future(points: Iterable[Point]) -> Iterator[Anomaly]:
    writes = {point.version: point for point in points if point.is_write}
    for point in points:
        write = writes.get(point.version)
        if not point.is_write and write is not None and point.returned < write.invoked:
            text = f"{point.name} saw version {point.version} before {write.name}, which made it, was called"
            yield Anomaly("read of the future", (write.name, point.name), text)


def _shared_versions(points: Iterable[Point]) -> Iterator[Anomaly]:
    first: dict[int, Point] = {}
    for point in points:
        if point.is_write and first.setdefault(point.version, point) is not point:
            other = first[point.version]
            text = f"{other.name} and {point.name} were both told version {point.version}"
            yield Anomaly("shared version", (other.name, point.name), text)
