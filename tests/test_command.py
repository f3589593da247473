"""The command ``concord``, as a process: what it prints, and what it exits with."""

import json
import re
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from processes import Running, run

from router import __version__

FREE = {
    "transports": [
        {"type": "websocket", "endpoint": "tcp:0:interface=127.0.0.1"},
        {"type": "rawsocket", "endpoint": "tcp:0:interface=127.0.0.1"},
    ]
}
REALM: dict[str, Any] = {
    "roles": {
        "anonymous": {
            "permissions": [
                {"uri": "", "match": "prefix", "allow": ["call", "register", "publish", "subscribe"]}
            ]
        }
    },
    "authentication": {"anonymous": {"role": "anonymous"}},
}


WARNING = (
    "warning: myrouter/realms/realm1.yaml:6:5: roles.anonymous: "
    "may do everything that no other permission of it excepts\n"
)


def write(directory: Path, node: Any = FREE, **realms: Any) -> Path:
    """Write a configuration to ``directory``/myrouter."""
    target = directory / "myrouter"
    (target / "realms").mkdir(parents=True)
    (target / "router.yaml").write_text(yaml.safe_dump(node))
    for name, settings in (realms or {"realm1": REALM}).items():
        (target / "realms" / f"{name}.yaml").write_text(yaml.safe_dump(settings))
    return target


class TestRun:
    @pytest.mark.parametrize(("reactor", "number"), [("uvloop", signal.SIGTERM), ("epoll", signal.SIGINT)])
    def test_says_where_it_listens_and_stops_with_0(self, tmp_path: Path, reactor: str, number: int) -> None:
        """Version, addresses and realms; after SIGTERM and Ctrl-C alike it exits with 0."""
        write(tmp_path, FREE, realm1=REALM, realm2=REALM)
        arguments = [] if reactor == "uvloop" else ["--reactor", reactor]
        with Running("concord", "run", "--config", "myrouter", *arguments, cwd=tmp_path) as router:
            router.until("realms: realm1, realm2")
            assert f"Concord {__version__}" in router.text
            port = int(re.findall(r"WebSocket ws://127\.0\.0\.1:(\d+)/ws ", router.text)[0])
            assert re.search(r"RawSocket rs://127\.0\.0\.1:\d+ \(json, msgpack, cbor\)", router.text)
            with socket.create_connection(("127.0.0.1", port), 5) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert client.recv(100).startswith(b"HTTP/1.1 200 OK")
            assert router.stop(number) == 0
        assert "Traceback" not in router.text
        assert "Error" not in router.text

    def test_reloads_on_sighup(self, tmp_path: Path) -> None:
        """Where files are not watched, too; a mistake is reported and the router goes on."""
        directory = write(tmp_path, {**FREE, "reload_interval_ms": 0})
        with Running("concord", "run", "-c", "myrouter", cwd=tmp_path) as router:
            router.until("realms: realm1")
            (directory / "realms" / "realm2.yaml").write_text(yaml.safe_dump(REALM))
            router.kill(signal.SIGHUP)
            router.until("configuration reloaded; realms: realm1, realm2")
            (directory / "realms" / "realm2.yaml").write_text("rolls: {}\n")
            router.kill(signal.SIGHUP)
            router.until("configuration not reloaded, the old one stays")
            router.until("realm2.yaml:1:1: ")
            (directory / "realms" / "realm2.yaml").unlink()
            router.kill(signal.SIGHUP)
            router.until("configuration reloaded; realms: realm1")
            assert router.stop() == 0
        assert "Traceback" not in router.text

    def test_an_address_in_use_is_one_line_and_1(self, tmp_path: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            port = address.partition(":")[2]
            endpoint = f"tcp:{port}:interface=127.0.0.1"
            write(tmp_path, {"transports": [{"type": "websocket", "endpoint": endpoint}]})
            done = run("concord", "run", "-c", "myrouter", cwd=tmp_path)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"concord: Couldn't listen on {address}: ")
        assert line.endswith("Address already in use.")

    def test_a_socket_that_cannot_be_made_is_one_line_and_1(self, tmp_path: Path) -> None:
        endpoint = f"unix:{tmp_path}/nowhere/router.sock"
        write(tmp_path, {"transports": [{"type": "rawsocket", "endpoint": endpoint}]})
        done = run("concord", "run", "-c", "myrouter", cwd=tmp_path)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith("concord: Couldn't listen on ")
        assert "nowhere/router.sock" in line

    def test_a_mistake_starts_nothing(self, tmp_path: Path) -> None:
        write(tmp_path, {"transport": []})
        done = run("concord", "run", "-c", "myrouter", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert "myrouter/router.yaml:1:1: " in done.stderr
        assert "did you mean 'transports'?" in done.stderr
        assert "1 problem: nothing was started" in done.stderr

    def test_a_reactor_that_is_none(self, tmp_path: Path) -> None:
        write(tmp_path)
        done = run("concord", "run", "-c", "myrouter", "--reactor", "fast", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (
            2,
            "concord: no reactor 'fast'; see 'twistd --help-reactors'\n",
        )

    def test_the_log_as_json_from_a_level_on(self, tmp_path: Path) -> None:
        """One JSON object a line, and nothing below the level."""
        write(tmp_path, {**FREE, "log": {"format": "json", "level": "info"}})
        with Running("concord", "run", "-c", "myrouter", cwd=tmp_path) as router:
            router.until("realm1")
            assert router.stop() == 0
        records = [json.loads(line) for line in router.lines]
        assert all(record["level"] in ("info", "warn") for record in records)
        assert any(record.get("fields") == {"version": __version__} for record in records)

    def test_a_quiet_log(self, tmp_path: Path) -> None:
        write(tmp_path, {**FREE, "log": {"level": "error"}})
        with Running("concord", "run", "-c", "myrouter", cwd=tmp_path) as router:
            wait_for_listener(router)
            assert router.stop() == 0
        assert router.lines == []


def wait_for_listener(router: Running) -> None:
    """Wait until a process that logs nothing has a listening socket."""
    import time

    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if "0A" in [line.split()[3] for line in listening(router)]:
            return
        time.sleep(0.02)
    raise AssertionError("it does not listen")


def listening(router: Running) -> list[str]:
    """Give the lines of /proc/net/tcp that are of this process."""
    process = Path("/proc", str(router.pid))
    inodes = set()
    for descriptor in (process / "fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    lines = (process / "net" / "tcp").read_text().splitlines()[1:]
    return [line for line in lines if line.split()[9] in inodes]


class TestCheck:
    def test_five_mistakes_are_five_lines(self, tmp_path: Path) -> None:
        """All at once, each with file and line, the path, what is allowed, the nearest name; exit code 1."""
        directory = tmp_path / "myrouter"
        (directory / "realms").mkdir(parents=True)
        (directory / "router.yaml").write_text(
            "transports:\n  - type: websokket\n    endpoint: tcp:0:interface=127.0.0.1\nlog:\n  level: loud\n"
        )
        (directory / "realms" / "realm1.yaml").write_text(
            "roles:\n"
            "  clerk:\n"
            "    permissions:\n"
            "      - {uri: com.example., match: prefix, allow: [call, subscibe]}\n"
            "authentication:\n"
            "  anonymous: {role: clrk}\n"
            "limits:\n"
            "  sessions: 0\n"
        )
        done = run("concord", "check", "myrouter", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        *problems, summary = done.stderr.splitlines()
        assert summary == "5 problems: nothing was started"
        places = [":".join(problem.split(":")[:2]) for problem in problems]
        assert places == [
            "myrouter/realms/realm1.yaml:4",
            "myrouter/realms/realm1.yaml:6",
            "myrouter/realms/realm1.yaml:8",
            "myrouter/router.yaml:2",
            "myrouter/router.yaml:5",
        ]
        assert "unknown permission 'subscibe': did you mean 'subscribe'?" in problems[0]
        assert "unknown role 'clrk': did you mean 'clerk'?" in problems[1]
        assert "limits.sessions" in problems[2]
        assert "did you mean 'websocket'?" in problems[3]
        assert "log.level" in problems[4]

    def test_a_good_one(self, tmp_path: Path) -> None:
        write(tmp_path)
        done = run("concord", "check", "myrouter", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, "myrouter: good\n")
        assert done.stderr == WARNING

    def test_the_directory_by_either_name(self, tmp_path: Path) -> None:
        """As an argument and as an option: nobody remembers which command takes which."""
        directory = write(tmp_path)
        assert run("concord", "check", "--config", "myrouter", cwd=tmp_path).stdout == "myrouter: good\n"
        (directory / "router.yaml").write_text("no_key: 1")
        for arguments in (["run", "myrouter"], ["run", "--config", "myrouter"], ["check", "-c", "myrouter"]):
            refused = run("concord", *arguments, cwd=tmp_path)
            assert refused.returncode == 1
            assert refused.stderr.startswith("myrouter/router.yaml:1:1: no_key: unknown key")

    def test_the_directory_is_config_or_the_shipped_one_by_default(self, tmp_path: Path) -> None:
        shipped = run("concord", "check", cwd=tmp_path)
        assert shipped.returncode == 0
        assert shipped.stdout.endswith("router/default_config: good\n")
        write(tmp_path).rename(tmp_path / "config")
        assert run("concord", "check", cwd=tmp_path).stdout == "config: good\n"

    def test_everybody_with_all_rights_on_a_public_address_needs_a_flag(self, tmp_path: Path) -> None:
        public = {"type": "websocket", "endpoint": "tcp:0:interface=0.0.0.0"}
        directory = write(tmp_path, {"transports": [public]})
        refused = run("concord", "check", "myrouter", cwd=tmp_path)
        assert refused.returncode == 1
        assert "anonymous clients may do everything in realm 'realm1'" in refused.stderr
        assert "allow_anonymous_full_access: true" in refused.stderr
        allowed = {"transports": [{**public, "allow_anonymous_full_access": True}]}
        (directory / "router.yaml").write_text(yaml.safe_dump(allowed))
        assert run("concord", "check", "myrouter", cwd=tmp_path).returncode == 0


def test_schema_is_a_json_schema(tmp_path: Path) -> None:
    """For editors; it describes what the checked-in configuration holds."""
    for kind, key in (("realm", "roles"), ("router", "transports")):
        done = run("concord", "schema", kind, cwd=tmp_path)
        schema = json.loads(done.stdout)
        assert done.returncode == 0
        assert schema["$schema"].startswith("https://json-schema.org/")
        assert key in json.dumps(schema)
    wrong = run("concord", "schema", "nonsense", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "realm" in wrong.stderr


def test_init_writes_a_configuration_that_is_good(tmp_path: Path) -> None:
    """And never over another one."""
    done = run("concord", "init", "new/router", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout == "new/router/realms/realm1.yaml\nnew/router/router.yaml\n"
    assert run("concord", "check", "new/router", cwd=tmp_path).stdout == "new/router: good\n"
    (tmp_path / "new" / "router" / "router.yaml").write_text("mine")
    again = run("concord", "init", "new/router", cwd=tmp_path)
    assert again.returncode == 1
    assert again.stderr.endswith("is there already: nothing was written\n")
    assert (tmp_path / "new" / "router" / "router.yaml").read_text() == "mine"
    impossible = run("concord", "init", "new/router/router.yaml/x", cwd=tmp_path)
    assert impossible.returncode == 1
    assert impossible.stderr.startswith("concord: ")
    assert len(impossible.stderr.splitlines()) == 1


def test_without_a_command_it_says_which_there_are(tmp_path: Path) -> None:
    done = run("concord", cwd=tmp_path)
    assert done.returncode == 2
    for name in ("run", "check", "schema", "init"):
        assert name in done.stderr
    assert run("concord", "--version", cwd=tmp_path).stdout == f"Concord {__version__}\n"
    assert run("concord", "--help", cwd=tmp_path).returncode == 0
