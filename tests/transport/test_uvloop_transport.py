"""
A connection of the uvloop reactor behaves as Twisted's own sockets do.

What is promised of both runs on Twisted's default reactor as well: the same script, the same assertions.
"""

import pytest
from reactor_process import both, run_script


@both
def test_tcp_options_are_those_of_the_socket(reactor: str) -> None:
    """What the getters say is what the kernel says, before and after each setter."""
    report = run_script(
        reactor,
        """
        async def main():
            server = Recorder()
            port = listen(server)
            sock = await deferToThread(client, port)
            await server.made
            t = server.transport
            def kernel():
                handle = t.getHandle()
                return [bool(handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)),
                        bool(handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))]
            for enabled in True, False, True:
                t.setTcpNoDelay(enabled)
                t.setTcpKeepAlive(enabled)
                report.setdefault("seen", []).append([t.getTcpNoDelay(), t.getTcpKeepAlive()] + kernel())
            sock.close()
            await server.lost
        run(main)
        """,
    )
    assert report["seen"] == [[True] * 4, [False] * 4, [True] * 4]


def test_nodelay_is_on_without_asking() -> None:
    """Nagle never delays a frame, also where nobody asked; gone connections have no options."""
    report = run_script(
        "uvloop",
        """
        async def main():
            server = Recorder()
            port = listen(server)
            sock = await deferToThread(client, port)
            await server.made
            t = server.transport
            report["nodelay"] = [t.getTcpNoDelay()]
            sock.close()
            await server.lost
            t.setTcpNoDelay(True)
            report["nodelay"] += [t.getTcpNoDelay(), t.getHandle(), t.get_write_buffer_size()]
        run(main)
        """,
    )
    assert report["nodelay"] == [True, False, None, 0]


@both
def test_lose_connection_flushes(reactor: str) -> None:
    """All that was written arrives before the end, and the end is clean and told once."""
    report = run_script(
        reactor,
        """
        SIZE = 20_000_000
        async def main():
            server = Recorder()
            port = listen(server)
            sock = await deferToThread(client, port)
            await server.made
            server.transport.write(b"x" * SIZE)
            server.transport.loseConnection()
            server.transport.loseConnection()
            report["disconnecting"] = bool(server.transport.disconnecting)
            report["arrived"] = len(await deferToThread(read_all, sock)) == SIZE
            await server.lost
            server.transport.write(b"late")
            server.transport.writeSequence([b"late"])
            server.transport.loseConnection()
            server.transport.abortConnection()
            report["losses"] = server.losses
        run(main)
        """,
    )
    assert report == {"disconnecting": True, "arrived": True, "losses": ["ConnectionDone"], "logged": []}


def test_writes_after_lose_connection_are_ignored() -> None:
    """Nothing follows the goodbye, whether or not there are bytes still to be sent."""
    report = run_script(
        "uvloop",
        """
        async def main():
            for size in 4, 20_000_000:
                server = Recorder()
                sock = await deferToThread(client, listen(server))
                await server.made
                server.transport.write(b"x" * size)
                server.transport.loseConnection()
                server.transport.write(b"late")
                report[str(size)] = len(await deferToThread(read_all, sock))
                await server.lost
        run(main)
        """,
    )
    assert report == {"4": 4, "20000000": 20_000_000, "logged": []}


@both
def test_abort_connection(reactor: str) -> None:
    """Aborting drops what is unsent, resets the peer, and is told once as ConnectionAborted."""
    report = run_script(
        reactor,
        """
        async def main():
            server = Recorder()
            sock = await deferToThread(client, listen(server))
            await server.made
            server.transport.write(b"x" * 20_000_000)
            server.transport.abortConnection()
            server.transport.abortConnection()
            server.transport.write(b"late")
            await server.lost
            report["end"] = (await deferToThread(read_all, sock))[-5:].decode()
            report["losses"] = server.losses
        run(main)
        """,
    )
    assert report == {"end": "RESET", "losses": ["ConnectionAborted"], "logged": []}


@both
def test_peer_resets(reactor: str) -> None:
    """A reset is ConnectionLost, not ConnectionDone."""
    report = run_script(
        reactor,
        """
        async def main():
            server = Recorder()
            sock = await deferToThread(client, listen(server))
            await server.made
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
            await server.lost
            report["losses"] = server.losses
            report["str"] = str(server.reason)[:60]
            report["errno"] = getattr(server.reason, "osError", None)
        run(main)
        """,
    )
    assert report["losses"] == ["ConnectionLost"]
    assert report["str"].startswith("Connection to the other side was lost in a non-clean fashion")
    assert report["errno"] == (104 if reactor == "uvloop" else None)


@both
def test_half_close(reactor: str) -> None:
    """A protocol that knows half-closed connections hears of each half, and ends them itself."""
    report = run_script(
        reactor,
        """
        @implementer(interfaces.IHalfCloseableProtocol)
        class Halves(Recorder):
            def __init__(self):
                super().__init__()
                self.halves, self.read_gone, self.write_gone = [], defer.Deferred(), defer.Deferred()
            def readConnectionLost(self):
                self.halves.append("read")
                self.read_gone.callback(None)
            def writeConnectionLost(self):
                self.halves.append("write")
                self.write_gone.callback(None)
        async def main():
            server = Halves()
            sock = await deferToThread(client, listen(server))
            sock.sendall(b"question")
            sock.shutdown(socket.SHUT_WR)
            await server.read_gone
            if sys.argv[1] == "uvloop":  # Twisted would tell of the end again
                server.transport.resumeProducing()
            server.transport.write(b"a" * 20_000_000)
            server.transport.loseWriteConnection()
            report["answer"] = len(await deferToThread(read_all, sock))
            await server.write_gone
            server.transport.write(b"late")
            report["connected"] = bool(server.transport.connected)
            server.transport.loseConnection()
            await server.lost
            report.update(halves=server.halves, losses=server.losses, received=server.received.decode())
        run(main)
        """,
    )
    assert report == {
        "answer": 20_000_000,
        "connected": True,
        "halves": ["read", "write"],
        "losses": ["ConnectionDone"],
        "received": "question",
        "logged": [],
    }


@both
def test_half_close_of_an_idle_connection(reactor: str) -> None:
    """With nothing unsent the write half closes at once; a plain protocol ends when its peer ends."""
    report = run_script(
        reactor,
        """
        async def main():
            server = Recorder()
            sock = await deferToThread(client, listen(server))
            await server.made
            server.transport.loseWriteConnection()
            server.transport.loseWriteConnection()
            report["end"] = len(await deferToThread(read_all, sock))
            sock.sendall(b"still read")
            await server.got
            report["losses before"] = list(server.losses)
            sock.shutdown(socket.SHUT_WR)
            await server.lost
            report["losses"] = server.losses
        run(main)
        """,
    )
    assert report == {"end": 0, "losses before": [], "losses": ["ConnectionDone"], "logged": []}


@both
@pytest.mark.parametrize("raised", ["ValueError", "FileNotFoundError"])
def test_protocol_raises(reactor: str, raised: str) -> None:
    """A bug in dataReceived is logged once and costs that connection, and no other."""
    report = run_script(
        reactor,
        """
        class Buggy(Recorder):
            def dataReceived(self, data):
                raise {"ValueError": ValueError, "FileNotFoundError": FileNotFoundError}[sys.argv[2]]("bug")
        async def main():
            buggy, healthy = Buggy(), Recorder()
            sock = await deferToThread(client, listen(buggy))
            other = await deferToThread(client, listen(healthy))
            sock.sendall(b"x")
            await buggy.lost
            report["end"] = len(await deferToThread(read_all, sock))
            report["losses"] = buggy.losses
            other.sendall(b"fine")
            await healthy.got
            report["healthy"] = healthy.received.decode()
        run(main)
        """,
        raised,
    )
    assert report == {"end": 0, "losses": [raised], "healthy": "fine", "logged": [raised]}


def test_connection_made_raises() -> None:
    """A bug while connecting is logged, and the connection does not stay behind."""
    report = run_script(
        "uvloop",
        """
        class Buggy(Recorder):
            def connectionMade(self):
                raise ValueError("bug")
        class Refusing(One):
            def buildProtocol(self, addr):
                raise KeyError("no")
        async def main():
            buggy = Buggy()
            sock = await deferToThread(client, listen(buggy))
            await buggy.lost
            report["end"] = len(await deferToThread(read_all, sock))
            report["losses"] = buggy.losses
            sock = await deferToThread(client, reactor.listenTCP(0, Refusing(None), interface="127.0.0.1"))
            report["refused"] = len(await deferToThread(read_all, sock))
            report["connections"] = len(reactor.connections)
        run(main)
        """,
    )
    assert report == {
        "end": 0,
        "losses": ["ValueError"],
        "refused": 0,
        "connections": 0,
        "logged": ["ValueError", "KeyError"],
    }


@both
def test_factory_refuses(reactor: str) -> None:
    """A factory that builds None closes the connection quietly."""
    report = run_script(
        reactor,
        """
        async def main():
            sock = await deferToThread(client, listen(None))
            report["end"] = len(await deferToThread(read_all, sock))
        run(main)
        """,
    )
    assert report == {"end": 0, "logged": []}


@both
def test_protocol_is_handed_over(reactor: str) -> None:
    """A protocol assigned inside dataReceived gets the next bytes, and the end."""
    report = run_script(
        reactor,
        """
        second = Recorder()
        class First(Recorder):
            def dataReceived(self, data):
                super().dataReceived(data)
                self.transport.protocol = second
                second.makeConnection(self.transport)
        async def main():
            first = First()
            sock = await deferToThread(client, listen(first))
            sock.sendall(b"one")
            await second.made
            sock.sendall(b"two")
            await second.got
            sock.close()
            await second.lost
            report.update(first=first.received.decode(), second=second.received.decode(), losses=first.losses)
        run(main)
        """,
    )
    assert report == {"first": "one", "second": "two", "losses": [], "logged": []}
