"""Flow control on the uvloop reactor, both ways: producers that write, and pausing what is read."""

from reactor_process import both, run_script


@both
def test_streaming_producer_feels_a_slow_reader(reactor: str) -> None:
    """A push producer is paused when the peer does not read, resumed when it does, stopped at the end."""
    report = run_script(
        reactor,
        """
        @implementer(interfaces.IPushProducer)
        class Firehose:
            def __init__(self, transport):
                self.transport, self.calls, self.sent, self.full = transport, [], 0, defer.Deferred()
            def go(self):
                while self.running and self.sent < 30_000_000:
                    self.sent += 50_000
                    self.transport.write(b"x" * 50_000)
                if self.sent == 30_000_000 and self.running:
                    self.transport.unregisterProducer()
                    self.transport.loseConnection()
            def pauseProducing(self):
                self.running = False
                self.calls.append("pause")
                if not self.full.called:
                    self.full.callback(None)
            def resumeProducing(self):
                self.running = True
                self.calls.append("resume")
                reactor.callLater(0, self.go)
            def stopProducing(self):
                self.running = False
                self.calls.append("stop")
        async def main():
            server = Recorder()
            sock = await deferToThread(client, listen(server))
            await server.made
            hose = Firehose(server.transport)
            server.transport.registerProducer(hose, True)
            try:
                server.transport.registerProducer(hose, True)
            except RuntimeError:
                report["second"] = "refused"
            hose.resumeProducing()
            await hose.full
            report["bounded"] = hose.sent < 30_000_000
            if sys.argv[1] == "uvloop":
                report["unsent"] = server.transport.get_write_buffer_size() > 65536
            report["arrived"] = len(await deferToThread(read_all, sock))
            await server.lost
            report["calls"] = sorted(set(hose.calls))
            server.transport.registerProducer(hose, True)
            report["after"] = hose.calls[-1]
        run(main)
        """,
    )
    assert report.pop("unsent", True)
    assert report == {
        "second": "refused",
        "bounded": True,
        "arrived": 30_000_000,
        "calls": ["pause", "resume"],
        "after": "stop",
        "logged": [],
    }


@both
def test_producer_is_stopped_with_its_connection(reactor: str) -> None:
    """Whoever still produces when the connection is lost is told to stop, before the protocol hears of it."""
    report = run_script(
        reactor,
        """
        @implementer(interfaces.IPushProducer)
        class Quiet:
            def __init__(self, losses):
                self.losses = losses
            def pauseProducing(self):
                pass
            def resumeProducing(self):
                pass
            def stopProducing(self):
                self.losses.append("stop")
        async def main():
            server = Recorder()
            sock = await deferToThread(client, listen(server))
            await server.made
            server.transport.registerProducer(Quiet(server.losses), True)
            sock.close()
            await server.lost
            report["losses"] = server.losses
        run(main)
        """,
    )
    assert report["losses"] == ["stop", "ConnectionDone"]


def test_a_late_producer_is_paused_at_once() -> None:
    """Registering while the buffer is already full pauses: no later write would."""
    report = run_script(
        "uvloop",
        """
        calls = []
        @implementer(interfaces.IPushProducer)
        class Late:
            def pauseProducing(self):
                calls.append("pause")
            def resumeProducing(self):
                calls.append("resume")
                server.transport.unregisterProducer()
                server.transport.loseConnection()
        async def main():
            global server
            server = Recorder()
            sock = await deferToThread(client, listen(server))
            await server.made
            server.transport.write(b"x" * 20_000_000)
            server.transport.registerProducer(Late(), True)
            report["at once"] = list(calls)
            report["arrived"] = len(await deferToThread(read_all, sock))
            report["calls"] = calls
        run(main)
        """,
    )
    assert report == {
        "at once": ["pause"],
        "arrived": 20_000_000,
        "calls": ["pause", "resume"],
        "logged": [],
    }


@both
def test_pull_producer(reactor: str) -> None:
    """A pull producer is asked again each time its bytes are sent, and finished before a pending close."""
    report = run_script(
        reactor,
        """
        import io
        from twisted.protocols.basic import FileSender
        async def main():
            for size in 100, 100_000, 5_000_000:
                server = Recorder()
                sock = await deferToThread(client, listen(server))
                await server.made
                sent = FileSender().beginFileTransfer(io.BytesIO(b"f" * size), server.transport)
                server.transport.loseConnection() if size == 5_000_000 else sent.addCallback(
                    lambda _: (server.transport.write(b"."), server.transport.loseConnection()))
                report[str(size)] = len(await deferToThread(read_all, sock))
                await server.lost
                report["losses"] = server.losses
        run(main)
        """,
    )
    assert report == {
        "100": 101,
        "100000": 100_001,
        "5000000": 5_000_000,
        "losses": ["ConnectionDone"],
        "logged": [],
    }


@both
def test_pausing_stops_reading(reactor: str) -> None:
    """Nothing is delivered between pauseProducing and resumeProducing, not even when paused on connecting."""
    report = run_script(
        reactor,
        """
        class Paused(Recorder):
            def connectionMade(self):
                self.transport.pauseProducing()
                super().connectionMade()
        async def turns(n):
            for _ in range(n):
                await defer.Deferred.fromCoroutine(turn())
        async def turn():
            d = defer.Deferred()
            reactor.callLater(0.002, d.callback, None)
            await d
        async def main():
            server = Paused()
            sock = await deferToThread(client, listen(server))
            sock.sendall(b"one,")
            await server.made
            await turns(5)
            report["paused"] = server.received.decode()
            server.transport.resumeProducing()
            await server.got
            report["resumed"] = server.received.decode()
            server.got = defer.Deferred()
            server.transport.pauseProducing()
            server.transport.pauseProducing()
            sock.sendall(b"two")
            sock.close()
            await turns(5)
            report["paused again"] = [server.received.decode(), server.losses[:]]
            server.transport.resumeProducing()
            server.transport.resumeProducing()
            await server.lost
            report["all"] = [server.received.decode(), server.losses]
        run(main)
        """,
    )
    assert report == {
        "paused": "",
        "resumed": "one,",
        "paused again": ["one,", []],
        "all": ["one,two", ["ConnectionDone"]],
        "logged": [],
    }


@both
def test_paused_on_connecting_then_idle(reactor: str) -> None:
    """Paused before any byte came, a connection reads on after resuming; an end meanwhile is kept."""
    report = run_script(
        reactor,
        """
        class Paused(Recorder):
            def connectionMade(self):
                self.transport.pauseProducing()
                super().connectionMade()
        async def later():
            d = defer.Deferred()
            reactor.callLater(0.01, d.callback, None)
            await d
        async def main():
            server = Paused()
            sock = await deferToThread(client, listen(server))
            await server.made
            await later()
            server.transport.resumeProducing()
            sock.sendall(b"data")
            await server.got
            report["received"] = server.received.decode()
            ended = Paused()
            other = await deferToThread(client, listen(ended))
            other.close()
            await ended.made
            await later()
            report["early"] = list(ended.losses)
            ended.transport.resumeProducing()
            await ended.lost
            report["losses"] = ended.losses
            sock.close()
            await server.lost
        run(main)
        """,
    )
    assert report == {"received": "data", "early": [], "losses": ["ConnectionDone"], "logged": []}
