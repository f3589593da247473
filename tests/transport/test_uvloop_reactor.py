"""The uvloop reactor listens, stops, hears signals and survives daemonizing; ``twistd`` finds it."""

import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from reactor_process import both, run_script


@both
def test_endpoint_strings_echo_over_tcp(reactor: str) -> None:
    """An endpoint string listens on port 0 and the addresses agree with the client's."""
    report = run_script(
        reactor,
        """
        async def main():
            server = Recorder()
            factory = One(server)
            port = await serverFromString(reactor, "tcp:0:interface=127.0.0.1").listen(factory)
            sock = await deferToThread(client, port)
            await deferToThread(sock.sendall, b"ping")
            await server.got
            t = server.transport
            t.write(b"po")
            t.writeSequence([b"n", b"g"])
            report["echo"] = (await deferToThread(sock.recv, 4, socket.MSG_WAITALL)).decode()
            report["received"] = server.received.decode()
            report["peer"] = (t.getPeer().host, t.getPeer().port) == sock.getsockname()
            report["same peer"] = factory.peer == t.getPeer()
            report["host"] = t.getHost() == port.getHost() and t.getHost().port == sock.getpeername()[1]
            report["interface"] = verifyObject(interfaces.ITCPTransport, t)
            report["prefix"] = "Recorder" in t.logPrefix()
            report["flags"] = [bool(t.connected), bool(t.disconnecting)]
            sock.close()
            await server.lost
            report["flags after"] = [bool(t.connected), t.protocol if hasattr(t, "protocol") else None]
            t.write(b"nobody reads this")
            await port.stopListening()
        run(main)
        """,
    )
    assert report == {
        "echo": "pong",
        "received": "ping",
        "peer": True,
        "same peer": True,
        "host": True,
        "interface": True,
        "prefix": True,
        "flags": [True, False],
        "flags after": [False, None],
        "logged": [],
    }


@both
def test_ipv6(reactor: str) -> None:
    """An IPv6 interface gives IPv6 addresses on every side."""
    report = run_script(
        reactor,
        """
        async def main():
            server = Recorder()
            port = reactor.listenTCP(0, One(server), interface="::1")
            sock = await deferToThread(client, port)
            await server.made
            report["types"] = [type(a).__name__ + a.host for a in
                               (port.getHost(), server.transport.getHost(), server.transport.getPeer())]
            report["port"] = server.transport.getPeer().port == sock.getsockname()[1]
            sock.close()
            await server.lost
        run(main)
        """,
    )
    assert report["types"] == ["IPv6Address::1"] * 3
    assert report["port"]


@both
def test_unix(reactor: str, tmp_path: Path) -> None:
    """A UNIX endpoint honours its mode and lock, and leaves no file behind."""
    report = run_script(
        reactor,
        """
        import os, stat
        async def main():
            path, server = sys.argv[2], Recorder()
            port = await serverFromString(reactor, f"unix:{path}:mode=600:lockfile=1").listen(One(server))
            report["mode"] = oct(stat.S_IMODE(os.stat(path).st_mode))
            report["locked"] = os.path.islink(path + ".lock")
            report["host"] = os.fsdecode(port.getHost().name) == path
            sock = socket.socket(socket.AF_UNIX)
            clients.append(sock)
            await deferToThread(sock.connect, path)
            await deferToThread(sock.sendall, b"ping")
            await server.got
            server.transport.setTcpNoDelay(True)
            report["nodelay"] = server.transport.getTcpNoDelay()
            report["own host"] = os.fsdecode(server.transport.getHost().name) == path
            server.transport.write(b"pong")
            server.transport.loseConnection()
            report["echo"] = (await deferToThread(read_all, sock)).decode()
            await server.lost
            await port.stopListening()
            report["left"] = os.listdir(os.path.dirname(path))
        run(main)
        """,
        tmp_path / "s",
    )
    assert report == {
        "mode": "0o600",
        "locked": True,
        "host": True,
        "nodelay": False,
        "own host": True,
        "echo": "pong",
        "left": [],
        "logged": [],
    }


@both
def test_cannot_listen(reactor: str, tmp_path: Path) -> None:
    """An address in use is refused at once, for TCP and for UNIX."""
    report = run_script(
        reactor,
        """
        import warnings
        warnings.simplefilter("ignore", ResourceWarning)  # Twisted drops a UNIX socket that it cannot bind
        report["raised"] = []
        def attempt(listen, *args, **kwargs):
            try:
                listen(*args, **kwargs)
            except error.CannotListenError as refused:
                report["raised"].append(str(refused)[:17])
        async def main():
            used = listen(Recorder()).getHost().port
            attempt(reactor.listenTCP, used, One(None), interface="127.0.0.1")
            attempt(reactor.listenTCP, 0, One(None), interface="192.0.2.1")
            reactor.listenUNIX(sys.argv[2], One(None))
            attempt(reactor.listenUNIX, sys.argv[2], One(None))
        run(main)
        """,
        tmp_path / "s",
    )
    assert report["raised"] == ["Couldn't listen o"] * 3


@both
def test_stop_listening(reactor: str) -> None:
    """The factory is started once and stopped once; accepted connections live on, new ones are refused."""
    report = run_script(
        reactor,
        """
        async def main():
            server, calls = Recorder(), []
            factory = One(server)
            factory.startFactory = lambda: calls.append("start")
            factory.stopFactory = lambda: calls.append("stop")
            port = reactor.listenTCP(0, factory, backlog=5, interface="127.0.0.1")
            address = port.getHost()
            sock = await deferToThread(client, port)
            await server.made
            await port.stopListening()
            report["calls"] = calls
            try:
                socket.create_connection((address.host, address.port), timeout=10)
            except ConnectionRefusedError:
                report["refused"] = True
            sock.sendall(b"still here")
            await server.got
            report["received"] = server.received.decode()
            sock.close()
            await server.lost
        run(main)
        """,
    )
    assert report == {"calls": ["start", "stop"], "refused": True, "received": "still here", "logged": []}


@both
def test_stopping_the_reactor_ends_connections(reactor: str) -> None:
    """Open connections hear ConnectionLost when the reactor stops, once, and ports stop their factories."""
    report = run_script(
        reactor,
        """
        server = Recorder()
        factory = One(server)
        factory.stopFactory = lambda: report.update(stopped=True)
        async def main():
            global sock
            port = reactor.listenTCP(0, factory, interface="127.0.0.1")
            sock = await deferToThread(client, port)
            await server.made
            reactor.addSystemEventTrigger("after", "shutdown", lambda: report.update(losses=server.losses))
        run(main)
        """,
    )
    assert report == {"losses": ["ConnectionLost"], "stopped": True, "logged": []}


@both
def test_child_processes_are_reaped(reactor: str) -> None:
    """The end of a child process is noticed."""
    report = run_script(
        reactor,
        """
        class Ends(protocol.ProcessProtocol):
            def __init__(self):
                self.ended = defer.Deferred()
            def processEnded(self, reason):
                self.ended.callback(reason.value.exitCode)
        async def main():
            for code in 3, 4:
                child = Ends()
                # Without pipes there is nothing but SIGCHLD to tell of the end.
                argv = [sys.executable, "-c", f"exit({code})"]
                reactor.spawnProcess(child, sys.executable, argv, childFDs={})
                report.setdefault("codes", []).append(await child.ended)
        run(main)
        """,
    )
    assert report == {"codes": [3, 4], "logged": []}


CROWD = """
import json, socket, sys
address = tuple(json.loads(sys.argv[1]))
crowd = [socket.create_connection(address, timeout=10) for _ in range(60)]
crowd[0].sendall(b"x")
print(crowd[0].recv(1), flush=True)
sys.stdin.read()
"""


def test_full_descriptor_table_does_not_end_the_listener() -> None:
    """Connections that find no descriptor are shed; the port serves again when there are some."""
    report = run_script(
        "uvloop",
        """
        import os, resource
        class Echo(protocol.Protocol):
            def dataReceived(self, data):
                self.transport.write(data)
        async def main():
            port = reactor.listenTCP(0, protocol.Factory.forProtocol(Echo), interface="127.0.0.1")
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            address = json.dumps([port.getHost().host, port.getHost().port])
            from subprocess import PIPE, Popen
            crowd = Popen([sys.executable, "-c", sys.argv[2], address], stdin=PIPE, stdout=PIPE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 20, hard))
            report["first"] = (await deferToThread(crowd.stdout.readline)).decode().strip()
            await deferToThread(crowd.communicate)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            sock = await deferToThread(client, port)
            sock.sendall(b"again")
            report["after"] = (await deferToThread(sock.recv, 5, socket.MSG_WAITALL)).decode()
        run(main)
        """,
        CROWD,
    )
    assert report["first"] == "b'x'"
    assert report["after"] == "again"


def test_tls_takes_twisteds_own_sockets() -> None:
    """listenSSL serves TLS under this reactor, on a port of Twisted's."""
    report = run_script(
        "uvloop",
        """
        import ssl as stdlib_ssl, warnings
        from twisted.internet import ssl, tcp
        warnings.simplefilter("ignore", DeprecationWarning)  # Twisted's own use of pyOpenSSL
        async def main():
            server = Recorder()
            certificate = ssl.KeyPair.generate(size=2048).selfSignedCert(1, commonName="localhost")
            port = reactor.listenSSL(0, One(server), certificate.options(), interface="127.0.0.1")
            report["port"] = type(port) is tcp.Port
            context = stdlib_ssl.SSLContext(stdlib_ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, stdlib_ssl.CERT_NONE
            sock = await deferToThread(client, port)
            sock = await deferToThread(context.wrap_socket, sock)
            await deferToThread(sock.sendall, b"secret")
            await server.got
            report["received"] = server.received.decode()
            sock.close()
            await server.lost
        run(main)
        """,
    )
    assert report == {"port": True, "received": "secret", "logged": []}


TWISTD = "from twisted.scripts.twistd import run; run()"


def twistd(*args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", TWISTD, *map(str, args)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=40)


def test_twistd_lists_the_reactor(tmp_path: Path) -> None:
    """Outside the checkout, the plugin is found and described."""
    done = twistd("--help-reactors", cwd=tmp_path)
    lines = [line for line in done.stdout.splitlines() if line.split()[:1] == ["uvloop"]]
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split(maxsplit=1)[1] for line in lines] == [
        "uvloop: asyncio on libuv, TCP and UNIX servers on its own transports."
    ]


def test_absent_uvloop_is_named(tmp_path: Path) -> None:
    """Without the package, twistd says what is missing and what to do."""
    script = """
    import sys
    sys.modules["uvloop"] = None
    sys.argv = ["twistd", "-n", "--reactor=uvloop", "web"]
    from twisted.scripts.twistd import run
    run()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=40,
    )
    assert done.returncode != 0
    assert "needs the package uvloop, which is not installed here" in done.stdout + done.stderr


TAC = """
import os, signal
from twisted.application.service import Application
from twisted.internet import protocol, reactor

class Echo(protocol.Protocol):
    def connectionMade(self):
        self.transport.write(f"{os.getpid()} {later[0]}\\n".encode())
    def dataReceived(self, data):
        self.transport.write(data)

later = ["before"]
application = Application("echo")
# All of this happens before twistd forks.
reactor.callLater(0, later.__setitem__, 0, "after")
reactor.listenUNIX("echo", protocol.Factory.forProtocol(Echo))
reactor.callWhenRunning(lambda: signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(hup)))
def hup():
    for connection in list(reactor.connections):
        connection.write(b"hup!")
"""


def connect(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(str(path))
    return sock


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_reach_twisted(tmp_path: Path, number: signal.Signals) -> None:
    """SIGHUP reaches the application's handler; SIGTERM and SIGINT shut down, ending open connections."""
    (tmp_path / "echo.tac").write_text(TAC)
    with subprocess.Popen(
        [sys.executable, "-u", "-c", TWISTD, "-n", "--reactor=uvloop", "--pidfile=", "-y", "echo.tac"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "reactor class" in line:
                break
        with connect(tmp_path / "echo") as sock:
            assert sock.recv(64, socket.MSG_PEEK).startswith(str(process.pid).encode())
            sock.recv(64)
            process.send_signal(signal.SIGHUP)
            assert sock.recv(4, socket.MSG_WAITALL) == b"hup!"
            process.send_signal(number)
            assert sock.recv(1) == b""
        log = process.stdout.read()
        code = process.wait(20)
    assert code in (0, -number)
    assert "Server Shut Down" in log
    assert not (tmp_path / "echo").exists()


def test_daemon_serves_after_the_forks(tmp_path: Path) -> None:
    """A port and a delayed call from before the forks live on in the daemon, which ends on SIGTERM."""
    (tmp_path / "echo.tac").write_text(TAC)
    started = twistd("--reactor=uvloop", "--pidfile=pid", "--logfile=log", "-y", "echo.tac", cwd=tmp_path)
    log = (tmp_path / "log").read_text()
    assert (started.returncode, started.stdout, started.stderr) == (0, "", ""), log
    pid = int((tmp_path / "pid").read_text())
    ended = os.pidfd_open(pid)
    try:
        with connect(tmp_path / "echo") as sock:
            assert sock.recv(64) == f"{pid} after\n".encode()
            sock.sendall(b"ping")
            assert sock.recv(4, socket.MSG_WAITALL) == b"ping"
    finally:
        os.kill(pid, signal.SIGTERM)
        readable, _, _ = select.select([ended], [], [], 20)
        os.close(ended)
    assert readable
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert not (tmp_path / "pid").exists()


def test_daemon_serves_web(tmp_path: Path) -> None:
    """A stock twistd plugin with an endpoint string serves as a daemon under this reactor."""
    (tmp_path / "page.txt").write_text("hello")
    started = twistd(
        "--reactor=uvloop", "--pidfile=pid", "--logfile=log",
        "web", "--listen=unix:web", "--path", tmp_path, cwd=tmp_path,
    )  # fmt: skip
    assert started.returncode == 0, started.stderr
    pid = int((tmp_path / "pid").read_text())
    ended = os.pidfd_open(pid)
    try:
        with connect(tmp_path / "web") as sock:
            sock.sendall(b"GET /page.txt HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: sock.recv(65536), b""))
    finally:
        os.kill(pid, signal.SIGTERM)
        readable, _, _ = select.select([ended], [], [], 20)
        os.close(ended)
    assert readable
    assert answer.split(b"\r\n")[0].endswith(b" 200 OK")
    assert answer.endswith(b"hello")
