"""
Judges one schedule: what the log holds, what clients were told, what their replicas held.

Rules of this file:

- Everything is recomputed from the log's changes by ``dstm_naive``, from the first version on.
- A history is one line of epochs: a restored backup continues what it is a copy of, and what came after
  the backup is lost by the operator's own will. ``lineage`` says what counts.
- Each finding begins with its name, so that a mutant's list can say what caught it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from dstm_bank_checker import Point, check_points
from dstm_checker import Read, Transaction, check_lists
from dstm_naive import (
    NOTHING,
    Change,
    Look,
    apply_change,
    apply_op,
    change_of,
    copied,
    find,
    looks_of,
    must_conflict,
    path_of,
)
from dstm_sim_jobs import ACCOUNTS, STOCK, TOTAL, Run


@dataclass
class Entry:
    """A durable commit: ``tx`` is None for what the server did by itself."""

    version: int
    tx: str | None
    changes: list[dict[str, Any]]


@dataclass
class Epoch:
    """
    One epoch of the space.

    :ivar parent: (epoch, version) of which it is a copy; None for one that began empty
    :ivar entries: version -> Entry
    :ivar documents: version -> document, filled by ``replay``
    """

    name: str
    parent: tuple[str, int] | None
    entries: dict[int, Entry] = field(default_factory=dict)
    documents: dict[int, Any] = field(default_factory=dict)

    @property
    def newest(self) -> int:
        return max(self.documents)


def judge(
    epochs: dict[str, Epoch],
    last: str,
    runs: Sequence[Run],
    bodies: dict[str, dict[str, Any]],
    held: Set[str],
    end: float,
) -> list[str]:
    """
    Give what is wrong.

    :param last: the epoch at the end
    :param bodies: tx -> the commit that was sent
    :param held: those of which a session that sent them is still there
    """
    findings: list[str] = []
    for epoch in epochs.values():  # parents stand before their copies
        findings.extend(_replay(epoch, epochs))
        if findings:
            return findings  # there are no documents to look into
        findings.extend(_invariants(epoch))
        findings.extend(_decisions(epoch, bodies))
    findings.extend(_presence(epochs[last], bodies, held))
    if findings:
        return findings  # what follows would only say it again
    lineage = _lineage(epochs, last)
    findings.extend(_told(epochs, runs))
    findings.extend(_effects(epochs[last].documents[epochs[last].newest], lineage, runs))
    findings.extend(_histories(epochs, last, lineage, runs, end))
    return findings


def _replay(epoch: Epoch, epochs: dict[str, Epoch]) -> Iterator[str]:
    version, document = -1, None
    if epoch.parent is None:
        version, document = 0, {}
    else:
        version = epoch.parent[1]
        document = epochs[epoch.parent[0]].documents.get(version)
        if document is None:
            yield f"lost commit: what was saved as version {version} is not in the log"
            return
    epoch.documents[version] = document
    transactions = Counter(entry.tx for entry in epoch.entries.values() if entry.tx is not None)
    for tx, count in transactions.items():
        if count > 1:
            yield f"applied twice: {tx} is {count} times in the log"
    for entry in sorted(epoch.entries.values(), key=lambda entry: entry.version):
        if entry.version != version + 1:
            yield f"versions: {entry.version} follows {version} in the log"
            return
        version, document = entry.version, copied(document)
        for change in entry.changes:
            document = apply_change(document, change_of(change))
        epoch.documents[version] = document


def _invariants(epoch: Epoch) -> Iterator[str]:
    for version, document in epoch.documents.items():
        if "accounts" not in document:
            continue
        if sum(document["accounts"].values()) != TOTAL:
            yield f"wrong sum: version {version} has {document['accounts']}"
        if document["stock"] < 0:
            yield f"bound: version {version} has a stock of {document['stock']}"
        ranks = sorted(document["ranks"].values())
        if ranks != list(range(len(ranks))):
            yield f"phantom: version {version} has the ranks {ranks}"
        folder = dict(document["folder"])
        generation = folder.pop("generation")
        if any(value != generation for value in folder.values()):
            yield f"wrong parent: version {version} has generation {generation} and files {folder}"
        tokens = sorted(token for tokens in document["tokens"].values() for token in tokens)
        if tokens != ["t1", "t2"]:
            yield f"tokens: version {version} has {document['tokens']}"


def _decisions(epoch: Epoch, bodies: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Compare each commit with what its body asks for, at its place in the order."""
    changes_at = {version: list(_effective(epoch, version)) for version in epoch.entries}
    for version, entry in epoch.entries.items():
        body = bodies.get(entry.tx or "")
        if body is None:
            continue
        base = body["base"]
        if body["epoch"] != epoch.name:
            yield f"epoch: {entry.tx} of {body['epoch'][:6]} was committed in {epoch.name[:6]}"
            continue
        if base not in epoch.documents or base >= version:
            yield f"base: version {version} has the base {base}"
            continue
        looks = list(looks_of(epoch.documents[base], body["reads"], body["ops"]))
        for between in range(base + 1, version):
            broken = _broken(looks, changes_at[between])
            if broken is not None:
                yield f"validation: version {version} of base {base} had read {broken}, changed in {between}"
                break
        yield from _wrong_changes(epoch, version, body)


def _effective(epoch: Epoch, version: int) -> Iterator[Change]:
    """Give a version's changes; an ``add`` over an existing member is a replace."""
    before = epoch.documents[version - 1]
    for number, wire in enumerate(epoch.entries[version].changes):
        change = change_of(wire)
        if number == 0 and change.op == "add" and change.path:
            parent = find(before, change.path[:-1])
            if isinstance(parent, dict) and change.path[-1] in parent:
                change = change._replace(op="replace")
        yield change


def _broken(looks: Iterable[Look], changes: Iterable[Change]) -> Look | None:
    changes = list(changes)
    return next((look for look in looks if any(must_conflict(look, change) for change in changes)), None)


def _wrong_changes(epoch: Epoch, version: int, body: dict[str, Any]) -> Iterator[str]:
    document = copied(epoch.documents[version - 1])
    try:
        for op in body["ops"]:
            document = apply_op(document, op)
    except (AssertionError, LookupError, TypeError, ValueError) as error:
        yield f"apply: version {version} was committed, its operations do not fit: {error!r}"
        return
    if document != epoch.documents[version]:
        yield f"apply: version {version} is not what {body['ops']} gives"


def _presence(epoch: Epoch, bodies: dict[str, dict[str, Any]], held: Set[str]) -> Iterator[str]:
    """Only what nobody has written over is undone, and in the end all that is due."""
    bound: dict[str, tuple[str, dict[str, Any]] | None] = {}  # pointer -> (tx, op), None: not bound
    for version, entry in sorted(epoch.entries.items()):
        for op in bodies.get(entry.tx or "", {"ops": ()})["ops"]:
            if op["path"].startswith("/desks/"):
                is_bound = "bind" in op or "ttl_ms" in op
                bound[op["path"]] = (entry.tx or "", op) if is_bound else None
        if entry.tx is None:
            for change in entry.changes:
                if bound.get(change["path"], ()) is None:
                    yield f"presence: version {version} undid {change['path']}, which was written over"
                bound[change["path"]] = None
    for pointer, binding in bound.items():
        if binding is not None and ("ttl_ms" in binding[1] or binding[0] not in held):
            yield f"presence: {pointer} of {binding[0]} was never undone"


def _lineage(epochs: dict[str, Epoch], last: str) -> dict[str, int]:
    """Give epoch -> the last version of it that counts."""
    lineage = {last: epochs[last].newest}
    parent = epochs[last].parent
    while parent is not None:
        lineage[parent[0]] = parent[1]
        parent = epochs[parent[0]].parent
    return lineage


def _told(epochs: dict[str, Epoch], runs: Iterable[Run]) -> Iterator[str]:
    """Each acknowledgment names a version that is there, and each run is there at most once."""
    done: dict[str, Counter[int]] = {}
    for name, epoch in epochs.items():
        lists = epoch.documents[epoch.newest].get("done", {})
        done[name] = Counter(identity for identities in lists.values() for identity in identities)
        for identity, count in done[name].items():
            if count > 1:
                yield f"applied twice: run {identity} is {count} times in the document"
    for run in runs:
        if run.outcome == "ok":
            yield from _acknowledged(epochs, run)
        elif run.outcome == "failed" and any(counts[run.identity] for counts in done.values()):
            yield f"applied although rejected: run {run.identity} ({run.kind})"


def _origin(epochs: dict[str, Epoch], committed: tuple[str, int]) -> tuple[str, int]:
    """Give the epoch in which a version was made; a copy of it may have told."""
    name, version = committed
    while name in epochs and (parent := epochs[name].parent) is not None and version <= parent[1]:
        name = parent[0]
    return name, version


def _acknowledged(epochs: dict[str, Epoch], run: Run) -> Iterator[str]:
    assert run.committed is not None
    name, version = _origin(epochs, run.committed)
    document = epochs[name].documents.get(version) if name in epochs else None
    if document is None:
        yield f"lost commit: run {run.identity} ({run.kind}) was acknowledged as {name[:6]}:{version}"
    elif run.only_reads:
        for pointer, value in run.saw.items():
            if find(document, path_of(pointer)) != value:
                yield f"wrong read: run {run.identity} saw another {pointer} than version {version} has"
    elif run.identity not in document["done"][run.client]:
        yield f"lost commit: version {version} does not hold run {run.identity} ({run.kind})"
    elif run.identity in epochs[name].documents.get(version - 1, {}).get("done", {}).get(run.client, ()):
        yield f"wrong version: run {run.identity} is older than the version {version} that was told"
    else:
        for pointer, value in run.expects.items():
            if find(document, path_of(pointer)) != value:
                yield f"wrong copy: {pointer} is not {value}, which was to be copied"


def _effects(document: Any, lineage: dict[str, int], runs: Iterable[Run]) -> Iterator[str]:
    """What stands in the end is the opening and the effects of the runs that took effect, no more."""
    effective = {identity for identities in document["done"].values() for identity in identities}
    expected: Counter[str] = Counter({f"/accounts/{name}": value for name, value in ACCOUNTS.items()})
    expected["/stock"] = STOCK
    for run in runs:
        if run.identity in effective:
            expected.update(run.effect)
    for place in sorted(expected):
        found = _found(document, place)
        if found != expected[place]:
            yield f"effects: {place} is {found}, all that was committed makes {expected[place]}"


def _found(document: Any, place: str) -> Any:
    if place.startswith("row "):
        return next(row["n"] for row in document["rows"] if str(row["id"]) == place[4:])
    if place.startswith("there "):
        return int(find(document, path_of(place[6:])) is not NOTHING)
    if not place.startswith("/"):
        return len(document[place])
    found = find(document, path_of(place))
    return None if found is NOTHING else found


def _histories(
    epochs: dict[str, Epoch], last: str, lineage: dict[str, int], runs: Sequence[Run], end: float
) -> Iterator[str]:
    """The clients' view alone, of what counts, with one last read of everything."""
    epoch = epochs[last]
    document = epoch.documents[epoch.newest]
    history, points = [], []
    for run in runs:
        if run.outcome == "ok":
            assert run.committed is not None
            assert run.returned is not None
            name, version = _origin(epochs, run.committed)
            if version > lineage.get(name, -1):
                continue
            points.append(Point(str(run.identity), run.invoked, run.returned, version, not run.only_reads))
        history.append(
            Transaction(str(run.identity), run.outcome, tuple(run.steps), run.invoked, run.returned)
        )
    final = tuple(Read(key, tuple(elements)) for key, elements in document["lists"].items())
    history.append(Transaction("last read", "ok", final, end, end + 1))
    for anomaly in check_lists(history) + check_points(points):
        yield f"{anomaly.name}: {anomaly.text}"
