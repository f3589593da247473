"""docs/history.md with a router and Autobahn: its configuration, its code, and what it promises."""

import re
from pathlib import Path
from typing import Any

import yaml
from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.types import PublishOptions, SubscribeOptions
from node_bench import OPEN, Bench, write
from pytest_twisted import ensureDeferred as asynchronous
from twisted.internet.defer import Deferred
from wamp_client import connect, soon, until

PAGE = (Path(__file__).parents[2] / "docs" / "history.md").read_text()
ACKNOWLEDGED = PublishOptions(acknowledge=True)


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def realm() -> dict[str, Any]:
    """Give an open realm with the page's histories."""
    (text,) = blocks("yaml")
    return {**OPEN, **yaml.safe_load(text)}


def functions() -> dict[str, Any]:
    """Give what the page's code defines; its first block stands in a function here."""
    ask, follow = blocks("python")
    names: dict[str, Any] = {"SubscribeOptions": SubscribeOptions}
    exec(follow, names)
    exec("async def ask(session):\n" + "".join(f"    {line}\n" for line in ask.splitlines()), names)
    return names


async def session_of(node: Any) -> Any:
    """Join in this process."""
    session: Any = ApplicationSession()
    joined: Deferred[Any] = Deferred()
    session.onJoin = joined.callback
    node.connect(session, realm="realm1", authid="a component", role="anonymous")
    await soon(joined)
    return session


async def publish(session: Any, topic: str, *values: Any) -> None:
    for value in values:
        await soon(session.publish(topic, value, options=ACKNOWLEDGED))


@asynchronous
async def test_a_client_that_comes_back_misses_nothing(bench: Bench) -> None:
    """What was published before it came, while it was here, and while the router was down for a restart."""
    data_dir = str(bench.directory / "data")
    follow, got = functions()["follow"], []
    node = bench.node({"realm1": realm()}, data_dir=data_dir)
    publisher, follower = await session_of(node), await session_of(node)
    await publish(publisher, "com.example.log.a", 1, 2)
    cursor = await soon(follow(follower, "com.example.log.a", got.append))
    await publish(publisher, "com.example.log.a", 3)
    await until(lambda: got == [1, 2, 3])
    await publish(publisher, "com.example.log.b", 99)
    await node.stopService()
    again = bench.node({"realm1": realm()}, data_dir=data_dir)
    publisher, follower = await session_of(again), await session_of(again)
    await publish(publisher, "com.example.log.a", 4)
    got.clear()
    await soon(follow(follower, "com.example.log.a", got.append, cursor))
    await publish(publisher, "com.example.log.a", 5)
    await until(lambda: got == [3, 4, 5])
    assert (Path(data_dir) / "realm1" / "event_history" / "events.sqlite").stat().st_size > 0


@asynchronous
async def test_the_newest_events_are_printed(bench: Bench, capsys: Any) -> None:
    node = bench.node({"realm1": realm()}, data_dir=str(bench.directory / "data"))
    session = await session_of(node)
    await publish(session, "com.example.log.a", "one")
    await publish(session, "com.example.log.b", "two")
    await soon(functions()["ask"](session))
    lines = [line.partition(" ")[2] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["com.example.log.b ['two']", "com.example.log.a ['one']"]


@asynchronous
async def test_a_changed_file_is_taken_without_a_restart(bench: Bench) -> None:
    """Over a real socket; what is there already stays."""
    node = bench.node({"realm1": realm()}, data_dir=str(bench.directory / "data"))
    client = await (await connect(node.ports["ws"])).join()
    assert (await client.request(16, {"acknowledge": True}, "com.example.price", [1]))[0] == 17
    changed = realm()
    changed["event_history"].append({"uri": "com.example.new", "store": "sqlite"})
    write(bench.directory, {"realm1": changed}, data_dir=str(bench.directory / "data"))
    await soon(node.reload())
    assert (await client.request(16, {"acknowledge": True}, "com.example.new", [2]))[0] == 17
    for topic in ("com.example.price", "com.example.new"):
        subscription = await client.call("wamp.subscription.lookup", topic)
        ((event,),) = (await client.request(48, {}, "wamp.subscription.get_events", [subscription]))[3]
        assert event["args"] == [1 if topic == "com.example.price" else 2]
    await client.leave()


@asynchronous
async def test_a_file_that_cannot_be_used_changes_nothing(bench: Bench) -> None:
    node = bench.node(data_dir=str(bench.directory / "data"))
    directory = bench.directory / "data" / "realm1" / "event_history"
    directory.mkdir(parents=True)
    (directory / "events.sqlite").write_text("no database" * 1000)
    write(bench.directory, {"realm1": realm()}, data_dir=str(bench.directory / "data"))
    await soon(node.reload())
    (line,) = [line for line in bench.log.lines("error") if "not reloaded" in line]
    assert "realm 'realm1': event_history: " in line
    assert line.endswith("events.sqlite: file is not a database")
    client = await (await connect(node.ports["ws"])).join()
    assert await client.call("wamp.subscription.lookup", "com.example.log.", {"match": "prefix"}) is None
    await client.leave()
