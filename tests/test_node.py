"""A node on real sockets: start, stop, reload, and what it does with one connection."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from node_bench import OPEN, RAWSOCKET, WEBSOCKET, Bench, write
from twisted.internet.error import CannotListenError, ConnectError
from wamp_client import connect, dial, request, sleep, soon, until

from router import __version__
from router.config_directory import load
from router.node import Node


def asynchronous(function: Any) -> Any:
    return pytest_twisted.ensureDeferred(function)


class TestStarting:
    @asynchronous
    async def test_says_what_it_is_and_where(self, bench: Bench) -> None:
        """Version, each transport, the realms; one line each."""
        node = bench.node({"realm1": OPEN, "realm2": OPEN}, transports=[WEBSOCKET, RAWSOCKET])
        websocket, rawsocket = (node.ports[name].getHost().port for name in ("ws", "raw"))
        assert bench.log.lines("info")[-4:] == [
            f"Concord {__version__}",
            f"WebSocket ws://127.0.0.1:{websocket}/ws (json, msgpack, cbor), page http://127.0.0.1:{websocket}/",
            f"RawSocket rs://127.0.0.1:{rawsocket} (json, msgpack, cbor)",
            "realms: realm1, realm2",
        ]

    @asynchronous
    async def test_sockets_are_named_as_clients_name_them(self, bench: Bench, tmp_path: Path) -> None:
        """What the line says can be given to a client."""
        sockets = [
            {**kind, "endpoint": f"unix:{tmp_path}/{kind['name']}.sock"} for kind in (WEBSOCKET, RAWSOCKET)
        ]
        bench.node(transports=sockets)
        assert bench.log.lines("info")[-3:-1] == [
            f"WebSocket ws+unix:{tmp_path}/ws.sock:/ws (json, msgpack, cbor)",
            f"RawSocket unix:{tmp_path}/raw.sock (json, msgpack, cbor)",
        ]

    @asynchronous
    async def test_an_address_in_use_leaves_nothing_open(self, bench: Bench) -> None:
        first = bench.node()
        taken = first.ports["ws"].getHost().port
        other = {**WEBSOCKET, "name": "other", "endpoint": f"tcp:{taken}:interface=127.0.0.1"}
        write(bench.directory, None, transports=[WEBSOCKET, other])
        second = Node(load(bench.directory), first.reactor)
        with pytest.raises(CannotListenError, match=str(taken)):
            second.startService()
        assert second.ports == {}
        client = await connect(first.ports["ws"])
        await client.leave()

    @asynchronous
    async def test_two_nodes_of_one_process_know_nothing_of_each_other(self, bench: Bench) -> None:
        one, two = bench.node(), bench.node()
        first, second = await connect(one.ports["ws"]), await connect(two.ports["ws"])
        await first.join()
        await second.join()
        assert await first.call("wamp.session.list") == [first.session_id]
        await first.leave()
        await second.leave()


@asynchronous
async def test_a_defect_in_a_timer_is_logged_and_the_timer_goes_on(bench: Bench) -> None:
    """Otherwise no late handshake and no dead peer would ever be found again."""
    node = bench.node(transports=[{**WEBSOCKET, "handshake_timeout_ms": 200}])
    watch = node.listeners[0].liveness
    tick = watch.tick

    def fail_once(now: float) -> None:
        watch.tick = tick
        raise RuntimeError("broken")

    watch.tick = fail_once
    dialog = await dial(node.ports["ws"])
    assert await dialog.rest() == b""
    assert bench.log.take_failures() == ["RuntimeError('broken')"]


class TestSessions:
    @asynchronous
    async def test_rpc_and_events_over_each_serializer(self, bench: Bench) -> None:
        """Callee, caller and subscriber each speak another serializer, over the same port."""
        port = bench.node().ports["ws"]
        callee, caller, subscriber = [
            await (await connect(port, name)).join() for name in ("json", "msgpack", "cbor")
        ]
        assert (await callee.request(64, {}, "com.p"))[0] == 65
        assert (await subscriber.request(32, {}, "com.t"))[0] == 33
        caller.send(48, 1, {}, "com.p", ["\u2603"], {"a": [1.5]})
        invocation = await callee.receive()
        assert invocation[4:] == [["\u2603"], {"a": [1.5]}]
        callee.send(70, invocation[1], {}, [2**53])
        assert await caller.receive() == [50, 1, {}, [2**53]]
        caller.send(16, 2, {}, "com.t", ["x"], {"k": None})
        assert (await subscriber.receive())[4:] == [["x"], {"k": None}]
        for client in (callee, caller, subscriber):
            await client.leave()

    @asynchronous
    async def test_goodbye_and_a_new_session_on_the_same_connection(self, bench: Bench) -> None:
        """WAMP BP 'Session Lifetime': a client may join again, also another realm."""
        node = bench.node({"realm1": OPEN, "realm2": OPEN})
        client = await (await connect(node.ports["ws"])).join()
        first = client.session_id
        client.send(6, {}, "wamp.close.normal")
        assert await client.receive() == [6, {}, "wamp.close.goodbye_and_out"]
        assert node.directory.realms["realm1"].sessions == {}
        await client.join("realm2")
        assert client.session_id != first
        assert list(node.directory.realms["realm2"].sessions) == [client.session_id]
        await client.leave()
        await until(lambda: not node.directory.realms["realm2"].sessions)

    @asynchronous
    async def test_a_call_times_out_at_its_deadline(self, bench: Bench) -> None:
        """Not before the deadline, and soon after it; the callee is interrupted, and both live on."""
        port = bench.node().ports["ws"]
        callee, caller = await (await connect(port)).join(), await (await connect(port)).join()
        await callee.request(64, {}, "com.slow")
        delays = []
        for milliseconds in (100, 40, 100, 0):
            begin = time.monotonic()
            if milliseconds:
                answer = await caller.request(48, {"timeout": milliseconds}, "com.slow")
                delays.append(time.monotonic() - begin - milliseconds / 1000)
                assert answer[4] == "wamp.error.timeout"
                assert (await callee.receive())[0] == 68
                assert (await callee.receive())[0] == 69
        assert min(delays) >= 0
        assert min(delays) < 0.05  # the best of three: this machine has other things to do
        await callee.leave()
        await caller.leave()

    @asynchronous
    async def test_the_soonest_of_several_deadlines_counts(self, bench: Bench) -> None:
        port = bench.node().ports["ws"]
        callee, caller = await (await connect(port)).join(), await (await connect(port)).join()
        await callee.request(64, {}, "com.slow")
        for request_id, milliseconds in ((1, 5000), (2, 120), (3, 60)):
            caller.send(48, request_id, {"timeout": milliseconds}, "com.slow")
        assert [(await caller.receive())[2] for _ in range(2)] == [3, 2]
        await callee.leave()
        assert (await caller.receive())[2:5] == [1, {}, "wamp.error.canceled"]
        await caller.leave()

    @asynchronous
    async def test_a_realms_own_heartbeat(self, bench: Bench) -> None:
        """A silent peer of the realm with short times goes; one of another realm on that port stays."""
        quick = {**OPEN, "heartbeat": {"interval_ms": 100, "timeout_ms": 100}}
        node = bench.node({"quick": quick, "slow": OPEN})
        clients = {}
        for realm in ("quick", "slow"):
            clients[realm] = client = await (await connect(node.ports["ws"])).join(realm)
            client.transport.pauseProducing()  # answers no ping
        await until(lambda: not node.directory.realms["quick"].sessions)
        assert list(node.directory.realms["slow"].sessions) == [clients["slow"].session_id]
        assert node.counters["heartbeats_missed"] == 1
        for client in clients.values():
            client.vanish()
        await until(lambda: not node.listeners[0].connections)

    @asynchronous
    async def test_a_heartbeat_that_is_answered_keeps_the_session(self, bench: Bench) -> None:
        quick = {**OPEN, "heartbeat": {"interval_ms": 50, "timeout_ms": 100}}
        node = bench.node({"realm1": quick})
        client = await (await connect(node.ports["ws"])).join()
        await sleep(0.5)
        assert await client.call("wamp.session.count") == 1
        assert node.counters["heartbeats_missed"] == 0
        await client.leave()


class TestStopping:
    @asynchronous
    async def test_says_goodbye_and_waits_for_the_answers(self, bench: Bench) -> None:
        """On every transport and serializer; ``wamp.close.system_shutdown``, then the close handshake."""
        node = bench.node()
        clients = [
            await (await connect(node.ports["ws"], name)).join() for name in ("json", "msgpack", "cbor")
        ]
        begin = time.monotonic()
        await soon(node.stopService())
        assert time.monotonic() - begin < 1.5  # goodbye_timeout_ms is 2,000
        for client in clients:
            assert await client.receive_all() == [[6, {}, "wamp.close.system_shutdown"]]
        assert node.listeners == []

    @asynchronous
    async def test_does_not_wait_longer_than_it_may(self, bench: Bench) -> None:
        node = bench.node(goodbye_timeout_ms=300)
        client = await (await connect(node.ports["ws"])).join()
        client.answers_goodbye = False
        begin = time.monotonic()
        await soon(node.stopService())
        assert 0.3 <= time.monotonic() - begin < 1.5
        assert await client.receive_all() == [[6, {}, "wamp.close.system_shutdown"]]

    @asynchronous
    async def test_does_not_wait_for_those_without_a_session(self, bench: Bench) -> None:
        """Not for silent connections, for open WebSockets without HELLO, or for a browser's idle ones."""
        node = bench.node(goodbye_timeout_ms=60_000, transports=[WEBSOCKET, RAWSOCKET])
        await dial(node.ports["ws"])
        await dial(node.ports["raw"])
        client = await connect(node.ports["ws"])
        browser = await dial(node.ports["ws"], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await browser.until(b"</html>")
        await until(lambda: sum(len(listener.connections) for listener in node.listeners) == 4)
        begin = time.monotonic()
        await soon(node.stopService())
        assert time.monotonic() - begin < 2
        assert await client.receive_all() == []

    @asynchronous
    async def test_lets_nobody_in_any_more(self, bench: Bench) -> None:
        node = bench.node(goodbye_timeout_ms=500)
        deaf = await (await connect(node.ports["ws"])).join()
        deaf.answers_goodbye = False
        port = node.ports["ws"]
        stopped = node.stopService()
        with pytest.raises(ConnectError):
            await connect(port)
        await soon(stopped)
        await soon(deaf.ended)

    @asynchronous
    async def test_can_start_again(self, bench: Bench) -> None:
        node = bench.node()
        await soon(node.stopService())
        node.startService()
        client = await (await connect(node.ports["ws"])).join()
        await client.leave()


class TestWebPage:
    @asynchronous
    async def test_is_served_beside_the_websocket(self, bench: Bench) -> None:
        port = bench.node().ports["ws"]
        answer = await request(port, "/")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert body.rstrip().endswith(b"</html>")
        for header in (
            b"Content-Security-Policy: default-src 'self';",
            b"X-Content-Type-Options: nosniff",
            b"X-Frame-Options: DENY",
            b"Referrer-Policy: no-referrer",
            b"Content-Type: text/html",
        ):
            assert header in head, header
        assert b"Twisted" not in head
        where = await request(port, "/websocket.json")
        assert where.endswith(b'\r\n\r\n{"path": "/ws"}')
        files = re.findall(rb'(?:href|src)="([^"]+)"', body)
        assert {file.rpartition(b".")[2] for file in files} >= {b"css", b"js"}
        for file in files:
            assert (await request(port, f"/{file.decode()}")).startswith(b"HTTP/1.1 200 OK")

    @asynchronous
    async def test_every_page_has_the_client_library(self, bench: Bench) -> None:
        """The router's own, and a directory of somebody's: it is the same, at the same place."""
        (bench.directory / "web").mkdir()
        node = bench.node(transports=[WEBSOCKET, {**WEBSOCKET, "name": "web", "page": "web"}])
        for name in ("ws", "web"):
            head, _, body = (await request(node.ports[name], "/dstm/dstm.js")).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK")
            assert b"Content-Type: text/javascript" in head or b"Content-Type: application/javascript" in head
            assert b"export function open(" in body
            assert (await request(node.ports[name], "/dstm/")).startswith(b"HTTP/1.1 404")

    @asynchronous
    async def test_gives_nothing_outside_its_directory(self, bench: Bench) -> None:
        """No ``..`` in any spelling, no list of a directory, no stack trace."""
        web = bench.directory / "web"
        (web / "empty").mkdir(parents=True)
        (web / "index.html").write_text("the index")
        (bench.directory / "secret.txt").write_text("top secret")
        port = bench.node(transports=[{**WEBSOCKET, "page": "web"}]).ports["ws"]
        assert (await request(port, "/")).endswith(b"the index")
        for path in (
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/..%2fsecret.txt",
            "/%2e%2e%2fsecret.txt",
            "/empty/../../secret.txt",
            "//secret.txt",
            "/..\\secret.txt",
            "/empty/",
            "/nothing",
            "/index.html/x",
            "/%00",
            "/%ff%fe",
            "/" + "x" * 5000,
        ):
            answer = await request(port, path)
            assert answer.startswith(b"HTTP/1.1 40"), (path, answer)
            assert b"secret" not in answer.partition(b"\r\n\r\n")[0]
            assert b"top secret" not in answer
            assert b"Traceback" not in answer
            assert b"X-Frame-Options: DENY" in answer, (path, answer)

    @asynchronous
    async def test_other_methods_are_refused(self, bench: Bench) -> None:
        port = bench.node().ports["ws"]
        assert (await request(port, "/", "HEAD")).startswith(b"HTTP/1.1 200 OK")
        for method in ("POST", "PUT", "DELETE", "NONSENSE"):
            answer = await request(port, "/", method, Content_Length="0")
            assert answer.startswith(b"HTTP/1.1 405 "), answer
            assert b"Allow: GET, HEAD" in answer

    @asynchronous
    async def test_a_body_is_dropped_and_a_long_one_ends_the_connection(self, bench: Bench) -> None:
        """Nothing of it is stored, neither in memory nor in a file."""
        node = bench.node()
        head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        short = await dial(node.ports["ws"], head % 1000 + b"x" * 1000)
        assert (await short.rest()).startswith(b"HTTP/1.1 405 ")
        long = await dial(node.ports["ws"], head % 10**12 + b"x" * 10**6)
        assert await long.rest() == b""
        chunks = b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunked = await dial(node.ports["ws"], chunks + (b"8000\r\n" + b"x" * 0x8000 + b"\r\n") * 3)
        assert await chunked.rest() == b""
        await until(lambda: not node.listeners[0].connections)

    @asynchronous
    async def test_garbage_is_answered_with_an_error_and_a_close(self, bench: Bench) -> None:
        node = bench.node()
        for garbage in (b"\0\xff\xfe\r\n\r\n", b"nonsense\r\n\r\n", b"GET\r\n\r\n", b"\r\n\r\n\r\n\r\n"):
            dialog = await dial(node.ports["ws"], garbage)
            assert (await dialog.rest()).startswith(b"HTTP/1.1 400 Bad Request"), garbage
        endless = await dial(node.ports["ws"], b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000)
        assert (await endless.rest()).startswith(b"HTTP/1.1 431 ")
        await until(lambda: not node.listeners[0].connections)

    @asynchronous
    async def test_there_may_be_none(self, bench: Bench) -> None:
        port = bench.node(transports=[{**WEBSOCKET, "page": "none"}]).ports["ws"]
        answer = await request(port, "/")
        assert answer.startswith(b"HTTP/1.1 4"), answer
        await (await connect(port)).leave()

    @asynchronous
    @pytest.mark.parametrize("path", ["/", "/wss", "/ws/", "/WS", "/ws/x"])
    async def test_a_websocket_elsewhere_is_not_found(self, bench: Bench, path: str) -> None:
        port = bench.node().ports["ws"]
        with pytest.raises(ConnectError, match="404"):
            await connect(port, path=path)

    @asynchronous
    async def test_a_websocket_without_a_wamp_subprotocol_is_refused(self, bench: Bench) -> None:
        port = bench.node().ports["ws"]
        with pytest.raises(ConnectError, match="400"):
            await connect(port, "ubjson")


class TestClientAddress:
    """What ``wamp.session.get`` tells of the connection."""

    async def peer(self, client: Any) -> str:
        details = await client.call("wamp.session.get", client.session_id)
        assert details["transport"]["type"] == "websocket"
        await client.leave()
        peer: str = details["transport"]["peer"]
        return peer

    @asynchronous
    async def test_is_that_of_the_socket(self, bench: Bench) -> None:
        client = await (await connect(bench.node().ports["ws"])).join()
        own = client.transport.getHost()
        assert await self.peer(client) == f"tcp:127.0.0.1:{own.port}"

    @asynchronous
    @pytest.mark.parametrize(
        "preamble",
        [
            b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
            + bytes((192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 1, 0xBB)),
        ],
        ids=["version 1", "version 2"],
    )
    async def test_comes_from_the_proxy_protocol(self, bench: Bench, preamble: bytes) -> None:
        port = bench.node(transports=[{**WEBSOCKET, "proxy_protocol": True}]).ports["ws"]
        client = await (await connect(port, preamble=preamble)).join()
        assert await self.peer(client) == "tcp:192.0.2.7:4711"

    @asynchronous
    async def test_without_the_proxys_header_the_connection_is_closed(self, bench: Bench) -> None:
        node = bench.node(transports=[{**WEBSOCKET, "proxy_protocol": True}])
        dialog = await dial(node.ports["ws"], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await dialog.rest() == b""
        await until(lambda: not node.listeners[0].connections)

    @asynchronous
    @pytest.mark.parametrize(
        ("trusted", "headers", "expected"),
        [
            (["127.0.0.1"], {"X-Forwarded-For": "192.0.2.7"}, " for 192.0.2.7"),
            (["127.0.0.0/8"], {"X-Forwarded-For": "203.0.113.9, 192.0.2.7"}, " for 192.0.2.7"),
            (["127.0.0.1", "192.0.2.7"], {"X-Forwarded-For": "203.0.113.9, 192.0.2.7"}, " for 203.0.113.9"),
            (["127.0.0.1"], {"Forwarded": "for=192.0.2.7;proto=https"}, " for 192.0.2.7"),
            (["10.0.0.1"], {"X-Forwarded-For": "192.0.2.7"}, ""),
            ([], {"X-Forwarded-For": "192.0.2.7"}, ""),
        ],
    )
    async def test_comes_from_the_headers_of_trusted_proxies(
        self, bench: Bench, trusted: list[str], headers: dict[str, str], expected: str
    ) -> None:
        port = bench.node(transports=[{**WEBSOCKET, "trusted_proxies": trusted}]).ports["ws"]
        client = await (await connect(port, headers=headers)).join()
        own = client.transport.getHost()
        assert await self.peer(client) == f"tcp:127.0.0.1:{own.port}{expected}"


class TestRealmsOfATransport:
    @asynchronous
    async def test_others_cannot_be_joined_there(self, bench: Bench) -> None:
        transports = [{**WEBSOCKET, "realms": ["realm2"]}]
        port = bench.node({"realm1": OPEN, "realm2": OPEN}, transports=transports).ports["ws"]
        client = await connect(port)
        client.send(1, "realm1", {"roles": {"caller": {}}})
        (abort,) = await client.receive_all()
        assert abort[2] == "wamp.error.no_such_realm"
        await (await (await connect(port)).join("realm2")).leave()
