"""
Judges recorded histories of transactions: are they strictly serializable, and does the bank's sum hold?

A history says what clients saw, from outside: when each transaction was called and answered, what it
read, what it appended. Nothing here knows the server, so nothing here can share its mistakes.

Rules of this file:

- Pure: histories in, a list of anomalies out; an empty list is the proof for this history, no more.
- Times are numbers of one clock, in any unit. ``returned`` is None where no answer came.
- Each appended element is unique in the whole history; that is what makes lists so telling: a list that was
  read names every writer before it, in order (Kingsbury and Alvaro, "Elle", VLDB 2020).

The theory. From the lists that were read follow the versions of each key, hence three kinds of
dependency between transactions: ``ww`` (the next to append), ``wr`` (to read what the other appended),
``rw`` (to read what the other then appended to), and with the clock a fourth, ``rt`` (called after the other
was answered). A history is strictly serializable only if these edges have no cycle. The kinds of edges
in the shortest cycle name the anomaly (Adya): only ww is G0, with wr G1c, with one rw G-single, with more G2.
"""

from collections import defaultdict, deque
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

Outcome = Literal["ok", "failed", "unknown"]
Element = Hashable
Key = Hashable


class Append(NamedTuple):
    """The transaction appended ``element`` to the list at ``key``."""

    key: Key
    element: Element


class Read(NamedTuple):
    """The transaction saw exactly ``elements`` in the list at ``key``, its own appended ones among them."""

    key: Key
    elements: tuple[Element, ...]


@dataclass(frozen=True)
class Transaction:
    """
    What one client saw of one transaction.

    :ivar outcome: ``ok``: acknowledged; ``failed``: rejected, it must have no effect; ``unknown``: either
    :ivar steps: its reads and appends in program order
    """

    name: str
    outcome: Outcome
    steps: tuple[Append | Read, ...]
    invoked: float
    returned: float | None


class Anomaly(NamedTuple):
    """Something that no strictly serializable history contains; ``where`` names the transactions."""

    name: str
    where: tuple[str, ...]
    text: str


def check_lists(history: Sequence[Transaction]) -> list[Anomaly]:
    """Give every anomaly that a history of appends and reads shows; at most one cycle for each knot."""
    lists = _Lists(history)
    anomalies = [*lists.anomalies]
    if not any(anomaly.name in _NO_ORDER for anomaly in anomalies):
        anomalies.extend(_cycles(lists.effective, lists.edges()))
    return anomalies


# After these there is no order of versions to draw edges from.
_NO_ORDER = {"duplicate element", "incompatible order", "element from nowhere", "element appended twice"}


class _Lists:
    """
    The versions of each key, as the reads show them.

    :ivar anomalies: what is wrong before any cycle is looked for
    :ivar effective: the transactions that took place: acknowledged, or unknown but seen
    """

    def __init__(self, history: Sequence[Transaction]) -> None:
        self.anomalies: list[Anomaly] = []
        self._writer: dict[tuple[Key, Element], Transaction] = {}
        for transaction in history:
            for step in transaction.steps:
                if isinstance(step, Append):
                    self._note_writer(transaction, step)
        acknowledged = [transaction for transaction in history if transaction.outcome == "ok"]
        for transaction in acknowledged:
            self._check_own(transaction)
            self._check_read(transaction)
        self.versions = self._order(acknowledged)
        seen = {self._writer[key, element].name for key, order in self.versions.items() for element in order}
        self.effective = [
            transaction
            for transaction in history
            if transaction.outcome == "ok" or (transaction.outcome == "unknown" and transaction.name in seen)
        ]

    def _note_writer(self, transaction: Transaction, step: Append) -> None:
        other = self._writer.setdefault((step.key, step.element), transaction)
        if other is not transaction or transaction.steps.count(step) > 1:
            text = f"{step.element} goes to {step.key} twice: elements must be unique"
            self._found("element appended twice", (other, transaction), text)

    def _found(self, name: str, transactions: Iterable[Transaction], text: str) -> None:
        self.anomalies.append(Anomaly(name, tuple(transaction.name for transaction in transactions), text))

    def _check_own(self, transaction: Transaction) -> None:
        """A transaction sees its own appends, and between them nobody else's."""
        expected: dict[Key, tuple[Element, ...]] = {}
        own: dict[Key, tuple[Element, ...]] = defaultdict(tuple)
        for step in transaction.steps:
            if isinstance(step, Append):
                own[step.key] += (step.element,)
                if step.key in expected:
                    expected[step.key] += (step.element,)
                continue
            mine = own[step.key]
            is_right = step.elements == expected.get(step.key, step.elements)
            if not is_right or step.elements[len(step.elements) - len(mine) :] != mine:
                self._found("internal", (transaction,), f"{step} does not follow from its steps before")
            expected[step.key] = step.elements

    def _check_read(self, transaction: Transaction) -> None:
        for key, elements in external_reads(transaction):
            if len(set(elements)) < len(elements):
                self._found("duplicate element", (transaction,), f"{key} was read as {elements}")
            for element in elements:
                writer = self._writer.get((key, element))
                if writer is None:
                    text = f"{element} in {key} was appended by nobody"
                    self._found("element from nowhere", (transaction,), text)
                elif writer.outcome == "failed":
                    text = f"{element} in {key} comes from a rejected transaction"
                    self._found("aborted read", (writer, transaction), text)
            if elements:
                self._check_intermediate(transaction, key, elements[-1])

    def _check_intermediate(self, reader: Transaction, key: Key, last: Element) -> None:
        writer = self._writer.get((key, last))
        if writer is None or writer is reader:
            return
        written = [step.element for step in writer.steps if isinstance(step, Append) and step.key == key]
        if written[-1] != last:
            text = f"{key} was read up to {last}, in the middle of what one transaction appended: {written}"
            self._found("intermediate read", (writer, reader), text)

    def _order(self, acknowledged: Sequence[Transaction]) -> dict[Key, tuple[Element, ...]]:
        """Give key -> the longest list that was read, of which all others must be beginnings."""
        longest: dict[Key, tuple[tuple[Element, ...], Transaction]] = {}
        for transaction in acknowledged:
            for step in transaction.steps:
                if not isinstance(step, Read):
                    continue
                known, other = longest.get(step.key, ((), transaction))
                shorter, longer = sorted((known, step.elements), key=len)
                if longer[: len(shorter)] != shorter:
                    text = f"{step.key} was read as {known} and as {step.elements}"
                    self._found("incompatible order", (other, transaction), text)
                if len(step.elements) >= len(known):
                    longest[step.key] = (step.elements, transaction)
        return {
            key: tuple(element for element in elements if (key, element) in self._writer)
            for key, (elements, _) in longest.items()
        }

    def edges(self) -> "Iterator[_Edge]":
        """Give every dependency between the effective transactions, by their names."""
        appended: dict[Key, list[tuple[Element, str]]] = defaultdict(list)
        for transaction in self.effective:
            for step in transaction.steps:
                if isinstance(step, Append):
                    appended[step.key].append((step.element, transaction.name))
        unseen: dict[Key, list[str]] = {}
        for key, elements in appended.items():
            order = self.versions.get(key, ())
            position = set(order)
            unseen[key] = [name for element, name in elements if element not in position]
            yield from self._edges_of_writers(key, order, unseen[key])
        for transaction in self.effective:
            if transaction.outcome == "ok":
                yield from self._edges_of_reader(transaction, unseen)
        yield from edges_of_time(self.effective)

    def _edges_of_writers(
        self, key: Key, order: Sequence[Element], unseen: Sequence[str]
    ) -> "Iterator[_Edge]":
        names = [self._writer[key, element].name for element in order]
        for before, after in pairwise(names):
            yield _Edge(before, after, "ww", key)
        if names:  # what nobody saw was appended after all that somebody saw
            for name in unseen:
                yield _Edge(names[-1], name, "ww", key)

    def _edges_of_reader(self, reader: Transaction, unseen: Mapping[Key, list[str]]) -> "Iterator[_Edge]":
        for key, elements in external_reads(reader):
            order = self.versions[key]
            if elements:
                yield _Edge(self._writer[key, elements[-1]].name, reader.name, "wr", key)
            if len(elements) < len(order):
                yield _Edge(reader.name, self._writer[key, order[len(elements)]].name, "rw", key)
            else:
                for name in unseen.get(key, ()):
                    yield _Edge(reader.name, name, "rw", key)


def external_reads(transaction: Transaction) -> Iterator[Read]:
    """Give each key's first read, without the elements that the transaction itself had appended before it."""
    mine: dict[Key, int] = defaultdict(int)
    done = set()
    for step in transaction.steps:
        if isinstance(step, Append):
            mine[step.key] += 1
        elif step.key not in done:
            done.add(step.key)
            yield Read(step.key, step.elements[: len(step.elements) - mine[step.key]])


class _Edge(NamedTuple):
    before: str
    after: str
    kind: str
    key: Key


def edges_of_time(transactions: Sequence[Transaction]) -> Iterator[_Edge]:
    """
    Say "answered before the other was called" with few edges.

    A chain of instants, one for each answer, stands between the transactions; otherwise n transactions
    would need n * n edges. An instant's name is no transaction's.
    """
    answered = sorted(
        (transaction.returned, transaction.name)
        for transaction in transactions
        if transaction.outcome == "ok" and transaction.returned is not None
    )
    called = sorted((transaction.invoked, transaction.name) for transaction in transactions)
    instant, count = "", 0
    for invoked, name in called:
        while count < len(answered) and answered[count][0] < invoked:
            following = f"\0{count}"
            yield _Edge(answered[count][1], following, "rt", None)
            if instant:
                yield _Edge(instant, following, "rt", None)
            instant, count = following, count + 1
        if instant:
            yield _Edge(instant, name, "rt", None)


def _cycles(transactions: Sequence[Transaction], edges: Iterable[_Edge]) -> Iterator[Anomaly]:
    """Give one shortest cycle of each knot, looking for the gravest kind first."""
    all_edges = [edge for edge in edges if edge.before != edge.after]
    for kinds in ({"ww"}, {"ww", "wr"}, {"ww", "wr", "rw"}, {"ww", "wr", "rw", "rt"}):
        onward: dict[str, list[_Edge]] = defaultdict(list)
        for edge in all_edges:
            if edge.kind in kinds:
                onward[edge.before].append(edge)
        knots = list(_knots(onward))
        if knots:
            for knot in knots:
                yield _named(_shortest_cycle(knot, onward))
            return


def _knots(onward: Mapping[str, list[_Edge]]) -> Iterator[set[str]]:
    """Give the strongly connected components that have more than one node (Tarjan, without recursion)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    for start in list(onward):
        if start in index:
            continue
        work = [(start, iter(onward[start]))]
        while work:
            node, rest = work[-1]
            if node not in index:
                index[node] = low[node] = len(index)
                stack.append(node)
                on_stack.add(node)
            deeper = None
            for edge in rest:
                if edge.after not in index:
                    deeper = edge.after
                    break
                if edge.after in on_stack:
                    low[node] = min(low[node], index[edge.after])
            if deeper is not None:
                work.append((deeper, iter(onward.get(deeper, ()))))
                continue
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[node])
            if low[node] == index[node]:
                knot = {stack.pop()}
                while node not in knot:
                    knot.add(stack.pop())
                on_stack -= knot
                if len(knot) > 1:
                    yield knot


def _shortest_cycle(knot: set[str], onward: Mapping[str, list[_Edge]]) -> list[_Edge]:
    """Give the edges of a cycle within ``knot`` that has as few transactions as any; instants are free."""
    best: list[_Edge] = []
    for start in sorted(name for name in knot if not name.startswith("\0")):
        cycle = _cycle_from(start, knot, onward)
        if not best or _weight(cycle) < _weight(best):
            best = cycle
        if _weight(best) <= 2:
            break
    return best


def _weight(cycle: Sequence[_Edge]) -> int:
    return sum(not edge.before.startswith("\0") for edge in cycle)


def _cycle_from(start: str, knot: set[str], onward: Mapping[str, list[_Edge]]) -> list[_Edge]:
    came_by: dict[str, _Edge] = {}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for edge in onward.get(node, ()):
            if edge.after not in knot or edge.after in came_by:
                continue
            came_by[edge.after] = edge
            if edge.after == start:
                cycle = [edge]
                while cycle[-1].before != start:
                    cycle.append(came_by[cycle[-1].before])
                return cycle[::-1]
            if edge.after.startswith("\0"):
                queue.appendleft(edge.after)
            else:
                queue.append(edge.after)
    raise AssertionError(f"{start} is in no cycle of its knot")


def _named(cycle: Sequence[_Edge]) -> Anomaly:
    """Name a cycle by its edges; the chain of instants between two transactions counts as one edge."""
    steps: list[_Edge] = []
    for edge in cycle:
        if edge.kind == "rt" and edge.before.startswith("\0"):
            steps[-1] = _Edge(steps[-1].before, edge.after, "rt", None)
        else:
            steps.append(edge)
    kinds = sorted(edge.kind for edge in steps)
    text = ", ".join(
        f"{edge.before} -{edge.kind}({edge.key})-> {edge.after}"
        if edge.kind != "rt"
        else f"{edge.before} -rt-> {edge.after}"
        for edge in steps
    )
    return Anomaly(_cycle_name(kinds, steps), tuple(edge.before for edge in steps), text)


def _cycle_name(kinds: Sequence[str], steps: Sequence[_Edge]) -> str:
    is_one_key = len({edge.key for edge in steps}) == 1
    shapes = {
        ("rw", "ww"): "lost update" if is_one_key else "G-single",
        ("rw", "rw"): "lost update" if is_one_key else "write skew",
        ("rw", "wr"): "fractured read",
        ("rt", "rw"): "stale read",
        ("rt", "wr"): "read of the future",
        ("rt", "ww"): "order against the clock",
    }
    if tuple(kinds) in shapes:
        return shapes[tuple(kinds)]
    anti = kinds.count("rw")
    name = "G0" if set(kinds) <= {"ww", "rt"} else "G1c"
    if anti:
        name = "G-single" if anti == 1 else "G2"
    return f"{name} with the clock" if "rt" in kinds else name
