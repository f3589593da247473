"""A space of the shipped configuration, over a node and real sockets, with plain CALL and SUBSCRIBE."""

from pathlib import Path
from typing import Any

import yaml
from node_bench import OPEN
from wamp_client import connect, soon

SHIPPED = Path(__file__).parents[3] / "config" / "realms" / "realm1.yaml"
EPOCH = 32


async def call(client: Any, procedure: str, *args: Any, **kwargs: Any) -> Any:
    """Call, and give the answer without its request id."""
    answer = await client.request(48, {}, procedure, list(args), kwargs)
    assert answer[0] in (50, 8), answer
    return answer[3:] if answer[0] == 50 else answer[4:]


async def test_two_clients_share_an_object(bench: Any) -> None:
    """B sets hello to world; A, which has read the old version, meets a conflict and wins then."""
    node = bench.node({"realm1": yaml.safe_load(SHIPPED.read_text())})
    port = node.ports["ws"]
    a, b = await (await connect(port)).join(), await (await connect(port, "msgpack")).join()
    replicas = []
    for client in (a, b):
        subscribed = await client.request(32, {}, "dstm.demo.delta")
        assert subscribed[0] == 33
        _, synced = await call(client, "dstm.demo.sync")
        replicas.append(synced)
    assert replicas[0] == replicas[1]
    epoch = replicas[0]["epoch"]
    assert (len(epoch), replicas[0]["version"], replicas[0]["snapshot"]) == (EPOCH, 0, {})

    write = {"op": "add", "path": "/hello", "value": "world"}
    b.send(
        48, 3, {}, "dstm.demo.commit", [], {"epoch": epoch, "base": 0, "reads": ["/hello"], "ops": [write]}
    )
    b.requests = 3
    answers = sorted([await b.receive(), await b.receive()], key=lambda wire: wire[0])
    event, result = answers
    assert result[4] == {"version": 1, "epoch": epoch, "time": result[4]["time"]}
    (delta,) = event[4]
    assert delta[:3] == [0, 1, [write]]
    assert event[5] == {"epoch": epoch}
    assert (await a.receive())[4] == [delta]

    late = {"epoch": epoch, "base": 0, "reads": ["/hello"], "ops": [{**write, "value": "code camp"}]}
    uri, args, details = await call(a, "dstm.demo.commit", **late)
    assert uri == "dstm.error.conflict"
    assert "/hello" in args[0]
    assert details == {"version": 1, "paths": ["/hello"], "deltas": [delta]}

    a.requests += 1
    a.send(48, a.requests, {}, "dstm.demo.commit", [], {**late, "base": 1})
    await a.receive()
    await a.receive()
    await b.receive()
    for client in (a, b):
        value, about = await call(client, "dstm.demo.get", "/hello")
        assert (value, about["version"]) == (["code camp"], 2)
        await client.leave()


async def test_the_anonymous_do_not_administer(bench: Any) -> None:
    node = bench.node({"realm1": yaml.safe_load(SHIPPED.read_text())})
    client = await (await connect(node.ports["ws"])).join()
    for procedure in ("create", "drop", "compact", "backup"):
        assert (await call(client, f"dstm.{procedure}", "demo"))[0] == "wamp.error.not_authorized"
    ((spaces,),) = await call(client, "dstm.list")
    assert [space["name"] for space in spaces] == ["demo"]
    await client.leave()


async def test_what_is_durable_survives_a_restart(bench: Any) -> None:
    """On the node's own threads and timers, with a log on the disk; nothing is left open at the end."""
    realm = {**OPEN, "extensions": {"dstm": {"spaces": {"shop": {"log": "sqlite"}}}}}
    data = str(bench.directory / "data")
    node = bench.node({"realm1": realm}, data_dir=data)
    client = await (await connect(node.ports["ws"])).join()
    here = {"op": "add", "path": "/here", "value": 1, "bind": "session"}
    for number in range(20):
        await call(client, "dstm.shop.inc", "/n", number)
    await call(client, "dstm.shop.commit", ops=[here], tx=f"{'0' * 32}:1")
    assert (await call(client, "dstm.backup", "shop", "copy"))[1] == {"file": "copy.sqlite3"}
    client.answers_goodbye = True
    await soon(node.stopService())
    again = bench.node({"realm1": realm}, data_dir=data)
    client = await (await connect(again.ports["ws"], "cbor")).join()
    answer = await call(client, "dstm.shop.commit", ops=[here], tx=f"{'0' * 32}:1")
    assert answer[1]["dup"]
    value, _ = await call(client, "dstm.shop.get", "/n")
    assert value == [190]
    waiting = client.request(48, {}, "dstm.shop.wait", [], {"base": 1, "reads": ["/n"]})
    assert (await waiting)[0] == 50
    await client.leave()
