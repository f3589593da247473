"""The scenarios of tests/dstm_scenarios/scenarios.json, which every client of DSTM runs: the Python one."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from realms.dstm.client.core import Core
from realms.dstm.client.link import LinkLost, Reply
from realms.dstm.client.outcomes import Committed, UnknownOutcome
from realms.dstm.client.settings import Settings
from realms.dstm.document import Document
from realms.dstm.errors import DstmError
from realms.dstm.stm import Tx, or_else, run
from realms.dstm.values import normalized

CASES = json.loads((Path(__file__).parents[2] / "dstm_scenarios" / "scenarios.json").read_text())
CLIENT_ID = "0123456789abcdef" * 2
HASH = "0123456789abcdef" * 2


def by_name(kind: str) -> Any:
    return pytest.mark.parametrize("given", CASES[kind], ids=lambda given: given["name"])


def steps(tx: Tx, wanted: list[Any]) -> Any:
    """Do the steps, and give what the last one gave."""
    value: Any = None
    for name, *args in wanted:
        value = _step(tx, name, args, value)
    return value


def _step(tx: Tx, name: str, args: list[Any], before: Any) -> Any:
    more = args[2] if len(args) > 2 else {}
    if name == "has":
        return args[0] in tx
    if name == "set":
        return tx.put(*args[:2], **more)
    if name == "delete":
        return tx.__delitem__(args[0])
    if name == "inc":
        return tx.inc(*args[:2], **more)
    if name == "publish":
        return tx.publish(args[0], *args[1], **args[2])
    if name == "or_else":
        return or_else(*[lambda inner, branch=branch: steps(inner, branch) for branch in args[0]])(tx)
    if name == "nested":
        return _nested(tx, args[0])
    if name == "retry_unless":
        return None if before == args[0] else tx.retry()
    return getattr(tx, name)(*args)


def _nested(tx: Tx, wanted: list[Any]) -> Any:
    try:
        with tx.nested():
            return steps(tx, wanted)
    except DstmError:
        return None


@by_name("transactions")
def test_transaction(given: dict[str, Any]) -> None:
    document = Document.of(normalized(given["document"]))
    raises = given.get("raises")
    if raises:
        with pytest.raises((DstmError, ValueError)) as raised:
            run(lambda tx: steps(tx, given["steps"]), document, 7)
        uri = raised.value.uri if isinstance(raised.value, DstmError) else "value"
        assert uri == raises
        return
    tx, value, ended = run(lambda tx: steps(tx, given["steps"]), document, 7)
    body = tx.wire()
    assert ended == given.get("ended", "done")
    if "waits" in given:
        assert body["reads"] == given["waits"]
        return
    assert body["reads"] == given["reads"]
    assert body["ops"] == given["ops"]
    published = [{**it, "options": it["options"] or None} for it in body.get("publish", ())]
    assert published == [{**it, "options": None} for it in given.get("publish", ())]
    if "value" in given:
        assert value == given["value"]


class Link:
    """A session that keeps what is asked until it is answered."""

    def __init__(self) -> None:
        self.asked: list[list[Any]] = []  # [what, done, seen]
        self.on_event: Any = None

    def call(self, procedure: str, args: list[Any], kwargs: dict[str, Any], done: Any) -> None:
        self.asked.append([["call", procedure, args, kwargs], done, False])

    def subscribe(self, topic: str, on_event: Any, done: Any) -> None:
        self.on_event = on_event
        self.asked.append([["subscribe", topic], done, False])

    def unsubscribe(self) -> None:
        """Nothing is answered."""


class Play:
    """A client whose surroundings stand still."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.core = Core("s", given.get("paths"), Settings(), self, CLIENT_ID)
        self.links: list[Link] = []
        self.timers: list[tuple[float, Any]] = []
        self.now = 0.0
        self.names: dict[str, str] = {}  # tx -> "$1"
        self.outcomes: dict[str, Any] = {}
        self.attached: Any = None

    # Surroundings

    def later(self, seconds: float, function: Any) -> Any:
        self.timers.append((self.now + seconds, function))
        return lambda: None

    def random(self) -> float:
        return 0.0

    def warn(self, text: str) -> None:
        """Scenarios tell of it otherwise."""

    def defect(self, text: str, error: BaseException) -> None:
        raise error

    # Steps

    def step(self, step: dict[str, Any]) -> None:
        for name, value in step.items():
            method = getattr(self, f"on_{name}", None)
            if method is not None:
                method(value, step)

    def on_attach(self, _: Any, step: Any) -> None:
        self.links.append(Link())

        def settle(error: Any) -> None:
            self.attached = error is None

        self.core.attach(self.links[-1], settle)

    def on_attached(self, expected: bool, step: Any) -> None:
        assert self.attached is expected

    def on_expect(self, expected: Any, step: Any) -> None:
        unseen = [asked for asked in self.links[-1].asked if not asked[2]]
        assert unseen, f"nothing was asked, expected {expected}"
        unseen[0][2] = True
        assert self.named(unseen[0][0]) == expected

    def on_silence(self, _: Any, step: Any) -> None:
        assert [asked[0] for asked in self.links[-1].asked if not asked[2]] == []

    def on_answer(self, kwargs: dict[str, Any], step: Any) -> None:
        self.take(step)(Reply([], filled(kwargs)))

    def on_error(self, uri: str, step: Any) -> None:
        if "settled" not in step:
            error = DstmError(uri, "no")
            error.details.update(filled(step["details"]))
            self.take(step)(error)

    def on_event(self, deltas: list[Any], step: Any) -> None:
        self.links[-1].on_event(list(map(delta, deltas)), {"epoch": step.get("epoch", "e")})

    def on_lose(self, reason: str, step: Any) -> None:
        link = self.links[-1]
        for _, done, _ in link.asked:
            done(LinkLost(reason))
        self.core.detach(link, reason)

    def on_begin(self, name: str, step: Any) -> None:
        def settle(outcome: Any) -> None:
            self.outcomes[name] = outcome

        self.core.atomically(lambda tx: steps(tx, step["steps"]), (), step.get("strict", False), settle)

    def on_pending(self, name: str, step: Any) -> None:
        assert name not in self.outcomes

    def on_settled(self, name: str, step: Any) -> None:
        outcome = self.outcomes[name]
        uri = step.get("error") or step.get("unknown")
        if uri:
            assert isinstance(outcome, DstmError), outcome
            assert outcome.uri == uri
            assert isinstance(outcome, UnknownOutcome) is ("unknown" in step)
            return
        assert isinstance(outcome, Committed), outcome
        assert outcome.version == step["version"]
        if "value" in step:
            assert outcome.value == step["value"]

    def on_state(self, expected: str, step: Any) -> None:
        assert self.core.state.value == expected

    def on_version(self, expected: int, step: Any) -> None:
        if "settled" not in step:
            assert self.core.replica is not None
            assert self.core.replica.version == expected

    def on_document(self, expected: Any, step: Any) -> None:
        assert self.core.replica is not None
        assert self.core.replica[""] == expected

    def on_pass_ms(self, ms: float, step: Any) -> None:
        self.now += ms / 1000
        due = [timer for timer in self.timers if timer[0] <= self.now]
        for timer in due:
            self.timers.remove(timer)
            timer[1]()

    def on_close(self, _: Any, step: Any) -> None:
        self.core.close()

    def take(self, step: dict[str, Any]) -> Any:
        return self.links[-1].asked.pop(step.get("answer_to", 0))[1]

    def named(self, what: list[Any]) -> list[Any]:
        """Replace each tx by the name that the scenario has for it."""
        if what[0] == "subscribe" or "tx" not in what[3]:
            return what
        tx = what[3]["tx"]
        assert re.fullmatch(r"[0-9a-f]{32}:\d+", tx)
        name = self.names.setdefault(tx, f"${len(self.names) + 1}")
        return [*what[:3], {**what[3], "tx": name}]


def delta(wire: list[Any]) -> list[Any]:
    return [*wire, {"hash": HASH, "time": 1}]


def filled(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Give deltas their meta."""
    return {**kwargs, "deltas": list(map(delta, kwargs["deltas"]))} if "deltas" in kwargs else kwargs


def beginning(begins: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the steps after which a replica is live, at this version."""
    snapshot = {"epoch": "e", "version": begins["version"], "hash": "hash", "snapshot": begins["document"]}
    return [
        {"attach": True},
        {"expect": ["subscribe", "dstm.s.delta"]},
        {"answer": {}},
        {"expect": ["call", "dstm.s.sync", [], {}]},
        {"answer": snapshot},
    ]


@by_name("sessions")
def test_session(given: dict[str, Any]) -> None:
    play = Play(given)
    for step in [*(beginning(given["begins"]) if "begins" in given else []), *given["steps"]]:
        play.step(step)
