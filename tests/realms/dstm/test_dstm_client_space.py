"""A space over sessions like Autobahn's, on Twisted and on asyncio; what importing the client imports."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import pytest_twisted
import txaio
from autobahn.exception import Disconnected
from autobahn.wamp import ApplicationError
from autobahn.wamp.exception import TransportLost
from autobahn.wamp.types import CallResult
from twisted.internet.defer import CancelledError, Deferred

import realms.dstm.client as dstm
from realms.dstm.client.aio import AsyncioFront
from realms.dstm.client.space import AutobahnsFront
from realms.dstm.client.twisted import TwistedFront

EPOCH = "e" * 32


class Raised(NamedTuple):
    """What is raised at once, in the place of an answer."""

    error: Exception


class Subscription:
    """What Autobahn gives for a SUBSCRIBE."""

    def __init__(self, session: "Session") -> None:
        self.active = True
        self._session = session

    def unsubscribe(self) -> Any:
        self.active = False
        self._session.unsubscribed += 1
        return self._session.make()


class Session:
    """
    A session that answers as the test says.

    ``answers``: procedure -> what a CALL gets: a result, an exception, or a promise.
    """

    def __init__(self, make: Callable[[], Any], resolve: Callable[[Any, Any], None], **answers: Any) -> None:
        self.make = make
        self._resolve = resolve
        self.answers = {"dstm.s.sync": snapshot({"a": 1}, 1), **answers}
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.handlers: dict[str, Any] = {}  # topic or event -> handler
        self.joined = True
        self.unsubscribed = 0

    def is_attached(self) -> bool:
        return self.joined

    def on(self, event: str, handler: Any) -> None:
        self.handlers[event] = handler

    def call(self, procedure: str, *args: Any, **kwargs: Any) -> Any:
        self.calls.append((procedure, args, kwargs))
        return self._answer(self.answers[procedure])

    def subscribe(self, handler: Any, topic: str) -> Any:
        self.handlers[topic] = handler
        return self._answer(self.answers.get(topic, Subscription(self)))

    def _answer(self, answer: Any) -> Any:
        if isinstance(answer, Raised):
            raise answer.error
        promise = self.make()
        if answer is not None:
            self._resolve(promise, answer)
        return promise

    def leave(self) -> None:
        self.joined = False
        self.handlers["leave"](self, None)

    def publish(self, *deltas: Any) -> None:
        self.handlers["dstm.s.delta"](*deltas, epoch=EPOCH)


def snapshot(document: Any, version: int) -> CallResult:
    return CallResult(snapshot=document, version=version, epoch=EPOCH)


def result(version: int) -> CallResult:
    return CallResult(version=version, epoch=EPOCH, time=1)


def increment(tx: dstm.Tx) -> int:
    tx["/a"] = tx["/a"] + 1
    return int(tx["/a"])


def replaced(first: int, value: Any) -> list[Any]:
    change = {"op": "replace", "path": "/a", "value": value}
    return [first, first + 1, [change], {"hash": "ab" * 16, "time": 0}]


def deferred_session(**answers: Any) -> Session:
    def resolve(deferred: Any, answer: Any) -> None:
        (deferred.errback if isinstance(answer, Exception) else deferred.callback)(answer)

    return Session(Deferred, resolve, **answers)


def future_session(**answers: Any) -> Session:
    def resolve(future: Any, answer: Any) -> None:
        (future.set_exception if isinstance(answer, Exception) else future.set_result)(answer)

    return Session(asyncio.get_running_loop().create_future, resolve, **answers)


# Twisted


def result_of(deferred: Any) -> Any:
    """Give what a Deferred has ended with already."""
    ended: list[Any] = []
    deferred.addBoth(ended.append)
    (outcome,) = ended
    return getattr(outcome, "value", outcome) if not isinstance(outcome, int) else outcome


def test_open_gives_a_space_at_the_servers_version() -> None:
    space = result_of(dstm.open(deferred_session(), "s"))
    assert (space.name, space.paths, space.version, space.epoch, space.state) == (
        "s",
        None,
        1,
        EPOCH,
        dstm.State.LIVE,
    )
    assert (space["/a"], space.get("/b", 7), "/b" in space, space.keys()) == (1, 7, False, ["a"])
    assert space.snapshot()[""] == {"a": 1}


def test_atomically_gives_a_version_that_knows_more() -> None:
    session = deferred_session(**{"dstm.s.commit": result(2)})
    space = result_of(dstm.open(session, "s"))
    promise = space.atomically(increment)
    assert isinstance(promise, Deferred)
    assert not promise.called
    session.publish(replaced(1, 2))
    version = result_of(promise)
    assert (version, version.value, space["/a"]) == (2, 2, 2)
    assert space.counters.committed == 1


def test_errors_are_exceptions() -> None:
    refusal = ApplicationError("dstm.error.constraint", "too much", path="/a", text="?")
    session = deferred_session(**{"dstm.s.commit": refusal})
    space = result_of(dstm.open(session, "s"))
    error = result_of(space.atomically(increment))
    assert isinstance(error, dstm.DstmError)
    assert (error.uri, error.text) == ("dstm.error.constraint", "too much")
    assert error.details == {"path": "/a", "text": "?"}
    session.answers["dstm.s.commit"] = ApplicationError("com.example.error")
    assert result_of(space.atomically(increment)).text == ""


def test_what_autobahn_cannot_send_is_invalid() -> None:
    session = deferred_session(**{"dstm.s.commit": Raised(ValueError("too large"))})
    space = result_of(dstm.open(session, "s"))
    assert "Autobahn cannot send this: too large" in result_of(space.atomically(increment)).text


@pytest.mark.parametrize("answer", [7, CallResult(), CallResult(version="2", epoch=EPOCH)])
def test_a_result_that_makes_no_sense_says_nothing(answer: Any) -> None:
    session = deferred_session(**{"dstm.s.commit": answer})
    space = result_of(dstm.open(session, "s"))
    assert isinstance(result_of(space.atomically(increment)), dstm.UnknownOutcome)


def test_canceling_gives_up() -> None:
    session = deferred_session(**{"dstm.s.commit": None})
    space = result_of(dstm.open(session, "s"))
    promise = space.atomically(increment)
    promise.cancel()
    assert isinstance(result_of(promise), CancelledError)
    space.close()


def test_a_subscription_that_is_refused() -> None:
    session = deferred_session(**{"dstm.s.delta": ApplicationError("wamp.error.not_authorized", "no")})
    assert result_of(dstm.open(session, "s")).uri == "wamp.error.not_authorized"
    session = deferred_session(**{"dstm.s.delta": Raised(ValueError("gone"))})
    session.joined = False
    assert "the session ended" in result_of(dstm.open(session, "s")).text


def test_attach_goes_on_where_the_session_before_ended() -> None:
    space = dstm.Space("s")
    first = deferred_session(**{"dstm.s.commit": None})
    assert result_of(space.attach(first, "details of the session")) is space
    promise = space.atomically(increment)
    first.leave()
    assert space.state is dstm.State.DETACHED
    second = deferred_session(
        **{
            "dstm.s.commit": result(2),
            "dstm.s.sync": CallResult(deltas=[replaced(1, 2)], version=2, epoch=EPOCH),
        }
    )
    space.attach(second)
    assert [name for name, _, _ in second.calls] == ["dstm.s.commit", "dstm.s.sync"]
    assert second.calls[0][2] == first.calls[-1][2]
    assert second.calls[1][1] == (1, EPOCH, None)
    assert result_of(promise) == 2
    first.handlers["disconnect"](first, was_clean=False)
    assert space.state is dstm.State.LIVE


def test_an_error_after_the_end_of_the_session_is_no_answer() -> None:
    """Autobahn ends what is open with an ApplicationError of its own, before it says that it left."""
    space = dstm.Space("s")
    session = deferred_session(**{"dstm.s.commit": None})
    space.attach(session)
    promise = space.atomically(increment)
    call = Deferred()  # type: ignore[var-annotated]
    session.make = lambda: call
    second = space.atomically(increment)
    session.joined = False
    call.errback(ApplicationError("wamp.close.transport_lost"))
    assert (promise.called, second.called, space.state) == (False, False, dstm.State.DETACHED)  # type: ignore[attr-defined]
    space.close()
    assert isinstance(result_of(promise), dstm.UnknownOutcome)
    assert isinstance(result_of(second), dstm.UnknownOutcome)


@pytest.mark.parametrize("error", [TransportLost(), Disconnected("Attempt to send on a closed protocol")])
def test_a_connection_that_is_being_closed_is_lost(error: Exception) -> None:
    session = deferred_session(**{"dstm.s.commit": Raised(error)})
    space = result_of(dstm.open(session, "s"))
    promise = space.atomically(increment)
    assert (promise.called, space.state) == (False, dstm.State.DETACHED)
    space.close()
    assert isinstance(result_of(promise), dstm.UnknownOutcome)


def test_closing_undoes_the_subscription_and_leaves_the_session() -> None:
    session = deferred_session()
    space = result_of(dstm.open(session, "s"))
    space.close()
    space.close()
    assert (session.unsubscribed, session.joined, space["/a"]) == (1, True, 1)
    assert result_of(space.atomically(increment)).uri == "dstm.error.unavailable"
    gone = deferred_session()
    space = result_of(dstm.open(gone, "s"))
    gone.joined = False
    space.close()
    assert gone.unsubscribed == 0


def test_without_a_replica_there_is_nothing_to_read() -> None:
    space = dstm.Space("s", ["/a"])
    assert space.paths == ("/a",)
    with pytest.raises(dstm.DstmError, match="await attach first"):
        space["/a"]


def test_watching() -> None:
    session = deferred_session()
    space = result_of(dstm.open(session, "s"))
    told: list[Any] = []
    stop = space.watch("/a", told.append)
    session.publish(replaced(1, 2))
    stop()
    session.publish(replaced(2, 3))
    assert told == [2]


@pytest_twisted.ensureDeferred
async def test_timers_of_twisted() -> None:
    front, ended = TwistedFront(), Deferred()  # type: ignore[var-annotated]
    cancel = front.later(0.001, lambda: ended.callback("late"))
    cancel()
    cancel()
    front.later(0.002, lambda: ended.callback("in time"))
    assert await ended == "in time"
    assert 0 <= front.random() < 1


def test_the_log_of_twisted() -> None:
    from twisted.logger import globalLogPublisher

    told: list[Any] = []
    globalLogPublisher.addObserver(told.append)
    TwistedFront().warn("{strange}")
    TwistedFront().defect("a callback failed", ArithmeticError("no"))
    globalLogPublisher.removeObserver(told.append)
    told = [event for event in told if event["log_namespace"] == "dstm"]
    assert [event["text"] for event in told] == ["{strange}", "a callback failed"]
    assert isinstance(told[1]["log_failure"].value, ArithmeticError)


def test_what_was_canceled_in_the_turn_that_settles_it() -> None:
    """The outcome is known already when another callback gives the transaction up."""
    session = deferred_session(**{"dstm.s.commit": None})
    space = result_of(dstm.open(session, "s"))

    def wait(tx: dstm.Tx) -> None:
        if tx["/a"] == 1:
            tx.retry()

    promises = [space.atomically(wait) for _ in range(2)]
    promises[0].addCallback(lambda version: promises[1].cancel())
    session.publish(replaced(1, 2))
    assert isinstance(result_of(promises[1]), CancelledError)
    space.close()


# asyncio


def test_on_asyncio() -> None:
    async def program() -> None:
        session = future_session(**{"dstm.s.commit": result(2)})
        space = dstm.Space("s", front=AsyncioFront())
        assert await space.attach(session) is space
        promise = space.atomically(increment)
        assert isinstance(promise, asyncio.Future)
        session.publish(replaced(1, 2))
        version = await promise
        assert (version, version.value) == (2, 2)
        session.answers["dstm.s.commit"] = ApplicationError("dstm.error.constraint", "no")
        with pytest.raises(dstm.DstmError, match="no"):
            await space.atomically(increment)
        session.answers["dstm.s.commit"] = asyncio.CancelledError()
        session.joined = False
        assert (await space.atomically(lambda tx: tx["/a"])).value == 2

    asyncio.run(program())


def test_canceling_on_asyncio() -> None:
    async def program() -> None:
        session = future_session(**{"dstm.s.commit": None})
        space = await dstm.Space("s", front=AsyncioFront()).attach(session)
        promise = space.atomically(increment)
        promise.cancel()  # type: ignore[attr-defined]
        with pytest.raises(asyncio.CancelledError):
            await promise
        space.close()  # it has nothing to settle

    asyncio.run(program())


def test_a_call_that_is_canceled_on_asyncio_is_no_answer() -> None:
    async def program() -> None:
        session = future_session(**{"dstm.s.commit": None})
        space = await dstm.Space("s", front=AsyncioFront()).attach(session)
        calls: list[Any] = []
        make = session.make
        session.make = lambda: calls.append(make()) or calls[-1]
        promise = space.atomically(increment)
        session.joined = False
        calls[-1].cancel()
        await asyncio.sleep(0)
        assert space.state is dstm.State.DETACHED
        space.close()
        with pytest.raises(dstm.UnknownOutcome):
            await promise

    asyncio.run(program())


def test_any_exception_of_a_function_is_told_on_asyncio() -> None:
    async def program() -> None:
        space = await dstm.Space("s", front=AsyncioFront()).attach(future_session())
        with pytest.raises(RuntimeError, match="StopIteration"):
            await space.atomically(lambda tx: next(iter(())))
        with pytest.raises(ArithmeticError):
            await space.atomically(lambda tx: 1 / 0)

    asyncio.run(program())


def test_timers_of_asyncio(caplog: pytest.LogCaptureFixture) -> None:
    async def program() -> None:
        front, ended = AsyncioFront(), asyncio.get_running_loop().create_future()
        cancel = front.later(0.001, lambda: ended.set_result("late"))
        cancel()
        front.later(0.002, lambda: ended.set_result("in time"))
        assert await ended == "in time"
        assert 0 <= front.random() < 1
        front.warn("strange")
        front.defect("a callback failed", ArithmeticError("no"))

    with caplog.at_level(logging.WARNING, "dstm"):
        asyncio.run(program())
    assert [record.getMessage() for record in caplog.records] == ["strange", "a callback failed"]
    assert caplog.records[1].exc_info is not None


# Imports


def imported(program: str) -> set[str]:
    """Run a program in an interpreter of its own, and give the modules that it has imported."""
    code = f"{program}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.split())


def test_the_client_imports_no_router_and_no_framework() -> None:
    modules = imported("import realms.dstm.client")
    assert "realms.dstm.client.core" in modules
    unwanted = (
        "router",
        "twisted",
        "asyncio",
        "autobahn",
        "realms.realm",
        "realms.extension",
        "realms.config",
    )
    assert [name for name in modules if name.startswith(unwanted)] == []


@pytest.mark.parametrize(("framework", "front"), [("twisted", "twisted"), ("asyncio", "aio")])
def test_it_takes_the_framework_that_autobahn_uses(framework: str, front: str) -> None:
    program = f"""
import realms.dstm.client as dstm
space = dstm.Space("s")
import autobahn.{framework}.wamp
space._front.random()
"""
    modules = imported(program)
    assert f"realms.dstm.client.{front}" in modules
    assert not [name for name in modules if name.partition(".")[0] == "router"]
    assert "twisted.internet.reactor" not in modules


def test_the_front_is_found_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    for uses, kind in ((True, TwistedFront), (False, AsyncioFront)):
        monkeypatch.setattr(txaio, "using_twisted", uses)
        monkeypatch.setattr(txaio, "using_asyncio", not uses)
        assert isinstance(AutobahnsFront().used, kind)
    monkeypatch.setattr(txaio, "using_asyncio", False)
    with pytest.raises(RuntimeError, match=r"import autobahn\.twisted or autobahn\.asyncio"):
        AutobahnsFront().warn("?")


def test_without_autobahns_framework_it_says_what_to_import() -> None:
    program = """
import realms.dstm.client as dstm
try:
    dstm.Space("s").atomically(print)
except RuntimeError as error:
    assert "import autobahn.twisted or autobahn.asyncio" in str(error)
else:
    raise AssertionError
"""
    imported(program)
