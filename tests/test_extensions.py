"""Extensions in a running node: found, configured, opened, reloaded, closed; and the documented example."""

import sys
import time
from pathlib import Path
from queue import Full
from threading import Event, current_thread
from typing import Annotated, Any

import pytest
import pytest_twisted
import yaml
from msgspec import Meta
from node_bench import OPEN, Bench, write
from processes import run
from test_command import FREE
from test_command import write as write_configuration
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from wamp_client import connect, soon

from realms.config import RealmConfig, realm_shape
from realms.extension import Extension, ExtensionError, ProcedureCall
from realms.installed import installed, usable
from router.background import Background
from router.config_directory import load, reference_page, schemas
from router.configuration import ConfigurationError, Section, reference
from router.node import Node

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "extension"
asynchronous: Any = pytest_twisted.ensureDeferred


class Probe(Extension):
    """Remembers what happened to it."""

    name = "probe"
    happened: list[str] = []

    class Config(Section, frozen=True, kw_only=True):
        """What the probe is told."""

        word: Annotated[str, Meta(description="A word.", min_length=1)] = "none"
        low: Annotated[int, Meta(description="Not above `high`.", ge=0, le=9)] = 0
        high: Annotated[int, Meta(description="Not below `low`.", ge=0, le=9)] = 9

    @classmethod
    def check(cls, document: Any, path: Any) -> None:
        config = document.values[path]
        if config.low > config.high:
            document.add((*path, "low"), f"must not be above high: {config.low}, {config.high}")

    def open(self) -> None:
        if self.config.word == "locked":
            raise ExtensionError("word", "is locked by another router")
        self.happened.append(f"open {self.host.realm} {self.config.word}")
        self.procedures["probe.word"] = lambda call: call.result([self.config.word])
        self.procedures["probe.thread"] = self.thread
        self.procedures["probe.sleep"] = self.sleep

    def reconfigure(self, config: Any) -> None:
        if config.word == "locked":
            raise ExtensionError("word", "cannot become locked")
        super().reconfigure(config)
        self.happened.append(f"reconfigure {config.word}")

    def thread(self, call: ProcedureCall) -> None:
        self.host.background(lambda: current_thread().name, lambda name, error: call.result([name]))

    def sleep(self, call: ProcedureCall) -> None:
        def wake() -> None:
            self.host.soon(lambda: call.result([self.host.now_ms() - begin]))

        begin = self.host.now_ms()
        self.host.call_later(60, wake).cancel()
        self.host.call_later(0.05, wake)

    def close(self) -> "Deferred[None] | None":
        self.happened.append(f"close {self.host.realm} {self.config.word}")
        if self.config.word not in ("slow", "stuck", "broken"):
            return None
        closed: Deferred[None] = Deferred()
        if self.config.word == "slow":
            self.host.background(lambda: time.sleep(0.1), lambda result, error: closed.callback(None))
        if self.config.word == "broken":
            self.host.soon(lambda: closed.errback(ValueError("broken")))
        return closed


def realm(**probe: Any) -> dict[str, Any]:
    return {**OPEN, "extensions": {"probe": probe}}


@pytest.fixture
def nodes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench whose nodes have the extension ``probe``."""
    monkeypatch.setattr("node_bench.load", lambda directory: load(directory, extensions={"probe": Probe}))
    Probe.happened.clear()
    return bench


def node_of(bench: Bench, realms: dict[str, Any]) -> Node:
    """Make a node that is not started."""
    write(bench.directory, realms)
    return Node(load(bench.directory, extensions={"probe": Probe}), reactor)


class TestStarting:
    @asynchronous
    async def test_opens_them_and_closes_them(self, nodes: Bench) -> None:
        node = nodes.node({"a": realm(word="x"), "b": OPEN})
        assert Probe.happened == ["open a x"]
        client = await (await connect(node.ports["ws"])).join("a")
        assert await client.call("probe.word") == "x"
        assert (await client.call("probe.thread")).startswith("concord-background-")
        assert await client.call("probe.sleep") >= 45
        await client.leave()
        client = await (await connect(node.ports["ws"])).join("b")
        answer = await client.request(48, {}, "probe.word")
        assert answer[4] == "wamp.error.no_such_procedure"
        await client.leave()
        await soon(node.stopService())
        assert Probe.happened == ["open a x", "close a x"]
        assert not node.configuration.data_directory.exists()
        node.startService()
        assert Probe.happened == ["open a x", "close a x", "open a x"]

    @asynchronous
    async def test_is_refused_and_nothing_stays_open(self, nodes: Bench) -> None:
        node = node_of(nodes, {"a": realm(word="x"), "b": realm(word="locked")})
        with pytest.raises(ExtensionError) as raised:
            node.startService()
        assert str(raised.value) == "realm 'b': extensions.probe.word: is locked by another router"
        assert Probe.happened == ["open a x", "close a x"]
        assert (node.ports, node.directory.realms) == ({}, {})

    @asynchronous
    async def test_an_address_in_use_closes_them(self, nodes: Bench) -> None:
        first = nodes.node({"a": realm(word="first")})
        port = first.ports["ws"].getHost().port
        endpoint = {"type": "websocket", "name": "ws", "endpoint": f"tcp:{port}:interface=127.0.0.1"}
        write(nodes.directory, {"a": realm(word="second")}, transports=[endpoint])
        node = Node(load(nodes.directory, extensions={"probe": Probe}), reactor)
        with pytest.raises(CannotListenError):
            node.startService()
        assert Probe.happened == ["open a first", "open a second", "close a second"]


class TestStopping:
    @asynchronous
    async def test_waits_for_them(self, nodes: Bench) -> None:
        node = nodes.node({"a": realm(word="slow")})
        begin = time.monotonic()
        await soon(node.stopService())
        assert time.monotonic() - begin >= 0.1
        assert nodes.log.lines("error", "critical") == []

    @asynchronous
    async def test_does_not_wait_longer_than_it_may(self, nodes: Bench) -> None:
        node = nodes.node({"a": realm(word="stuck")}, goodbye_timeout_ms=200)
        begin = time.monotonic()
        await soon(node.stopService())
        assert 0.2 <= time.monotonic() - begin < 2
        assert nodes.log.lines("error") == ["extension 'probe' of realm 'a' did not close in time"]

    @asynchronous
    async def test_one_that_fails_to_close(self, nodes: Bench) -> None:
        node = nodes.node({"a": realm(word="broken")})
        await soon(node.stopService())
        assert nodes.log.take_failures() == ["ValueError('broken')"]


class TestReloading:
    async def reload(self, bench: Bench, realms: dict[str, Any]) -> None:
        write(bench.directory, realms)
        for file in (bench.directory / "realms").iterdir():
            if file.stem not in realms:
                file.unlink()
        await soon(bench.nodes[0].reload())

    @asynchronous
    async def test_adds_changes_and_removes_them(self, nodes: Bench) -> None:
        node = nodes.node({"a": OPEN})
        client = await (await connect(node.ports["ws"])).join("a")
        await self.reload(nodes, {"a": realm(word="x")})
        assert await client.call("probe.word") == "x"
        await self.reload(nodes, {"a": realm(word="y")})
        assert await client.call("probe.word") == "y"
        await self.reload(nodes, {"a": OPEN})
        assert (await client.request(48, {}, "probe.word"))[4] == "wamp.error.no_such_procedure"
        await client.leave()
        assert Probe.happened == ["open a x", "reconfigure y", "close a y"]

    @asynchronous
    async def test_with_a_realm(self, nodes: Bench) -> None:
        nodes.node({"a": OPEN})
        await self.reload(nodes, {"a": OPEN, "b": realm(word="x")})
        await self.reload(nodes, {"a": OPEN})
        assert Probe.happened == ["open b x", "close b x"]

    @pytest.mark.parametrize(
        ("refusing", "text"),
        [
            ({"a": realm(word="y"), "b": realm(word="locked")}, "realm 'b': .*word: is locked by another"),
            ({"0": realm(word="z"), "a": realm(word="locked")}, "realm 'a': .*word: cannot become locked"),
        ],
    )
    @asynchronous
    async def test_one_that_refuses_changes_nothing(
        self, nodes: Bench, refusing: dict[str, Any], text: str
    ) -> None:
        node = nodes.node({"a": realm(word="x")})
        client = await (await connect(node.ports["ws"])).join("a")
        await self.reload(nodes, refusing)
        (line,) = nodes.log.lines("error")
        assert line.startswith("configuration not reloaded, the old one stays: realm ")
        assert text.split(".*")[0] in line
        assert text.split(".*")[1] in line
        assert await client.call("probe.word") == "x"
        assert list(node.directory.realms) == ["a"]
        assert node.configuration.realms["a"].extensions["probe"].word == "x"
        await client.leave()
        await self.reload(nodes, {"a": realm(word="again")})
        assert Probe.happened[-1] == "reconfigure again"

    @asynchronous
    async def test_another_data_directory_needs_a_start(self, nodes: Bench) -> None:
        nodes.node({"a": OPEN})
        write(nodes.directory, {"a": OPEN}, data_dir="elsewhere")
        await soon(nodes.nodes[0].reload())
        expected = "changed data_dir in router.yaml: takes effect at the next start"
        assert expected in nodes.log.lines("warn")


class TestDataDirectory:
    @pytest.mark.parametrize(
        ("given", "environ", "expected"),
        [
            ("", {}, "concord-data"),
            ("", {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, "/var/lib/a"),
            ("mine", {"STATE_DIRECTORY": "/var/lib/a"}, "mine"),
            ("/srv/x", {}, "/srv/x"),
        ],
    )
    def test_where_it_is(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        given: str,
        environ: dict[str, str],
        expected: str,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        write(tmp_path, data_dir=given)
        assert load(tmp_path, environ, {}).data_directory == tmp_path / expected

    @asynchronous
    async def test_no_name_of_a_realm_leads_out_of_it(self, nodes: Bench, tmp_path: Path) -> None:
        """URIs may have a slash in them."""
        node = nodes.node({"a": {**realm(), "name": "/etc/x"}}, data_dir=str(tmp_path / "data"))
        host = node.directory.realms["/etc/x"].extensions.running["probe"].host
        assert host.data_directory == tmp_path / "data" / "%2Fetc%2Fx" / "probe"
        assert host.data_directory.is_dir()


class TestConfiguration:
    def problems(self, directory: Path, extensions: Any, **settings: Any) -> list[str]:
        write(directory, {"a": {**OPEN, "extensions": settings}})
        with pytest.raises(ConfigurationError) as raised:
            load(directory, {}, extensions)
        return [f"{p.path}: {p.message}" for p in raised.value.problems]

    def test_defaults(self, tmp_path: Path) -> None:
        """A name alone is enough; what is not named is not there."""
        classes: Any = {"probe": Probe, "other": type("Other", (Extension,), {"name": "other"})}
        for given in ({}, None):
            write(tmp_path, {"a": {**OPEN, "extensions": {"probe": given}}})
            configuration = load(tmp_path, {}, classes)
            assert configuration.realms["a"].extensions == {"probe": Probe.Config()}
            assert type(configuration.realms["a"]) is RealmConfig
            assert configuration == load(tmp_path, {}, classes)
            assert configuration.extension_classes() == classes

    def test_mistakes_have_places_and_nearest_names(self, tmp_path: Path) -> None:
        given = {"probe": {"wrod": "x", "low": 10}, "prove": {}}
        assert sorted(self.problems(tmp_path, {"probe": Probe}, **given)) == [
            "extensions.probe.low: must be 0 to 9, got 10",
            "extensions.probe.wrod: unknown key 'wrod': did you mean 'word'?",
            "extensions.prove: unknown key 'prove': did you mean 'probe'?",
        ]

    def test_values_are_checked_against_each_other(self, tmp_path: Path) -> None:
        given = {"probe": {"low": 5, "high": 4}}
        assert self.problems(tmp_path, {"probe": Probe}, **given) == [
            "extensions.probe.low: must not be above high: 5, 4"
        ]

    def test_one_that_cannot_be_used_is_told_where_it_is_named(self, tmp_path: Path) -> None:
        (problem,) = self.problems(tmp_path, {"probe": Probe, "odd": Probe}, odd={"a": 1})
        assert problem == (
            "extensions.odd: the extension can't be used: Probe.name is 'probe', and it is installed as 'odd'"
        )
        write(tmp_path, {"a": realm()})
        assert load(tmp_path, {}, {"probe": Probe, "odd": Probe}).extension_classes() == {"probe": Probe}

    @pytest.mark.parametrize(
        ("name", "kind", "text"),
        [
            ("probe", "Probe", "'Probe' is no class of realms.extension.Extension"),
            ("probe", Section, "is no class of realms.extension.Extension"),
            ("wamp", Probe, "a name is of a-z, 0-9 and '_', and none of wamp, concord; got 'wamp'"),
            ("com.x", Probe, "a name is of a-z, 0-9 and '_'"),
            ("bare", type("Bare", (Extension,), {}), "Bare.name is None, and it is installed as 'bare'"),
        ],
    )
    def test_what_an_extension_must_be(self, name: str, kind: Any, text: str) -> None:
        problem = usable({name: kind})[name]
        assert isinstance(problem, str)
        assert text in problem

    def test_the_reference_lists_its_settings(self) -> None:
        page = reference(realm_shape({"probe": Probe}), "A realm")
        assert "| `extensions` | section | see below | What else the realm offers. |" in page
        assert "| `probe` | section | none | Remembers what happened to it. |" in page
        assert "### `extensions.probe`\n\nWhat the probe is told.\n" in page
        assert '| `word` | string | `"none"` | A word. |' in page


def install(monkeypatch: pytest.MonkeyPatch, directory: Path, *lines: str, name: str = "some") -> None:
    """Install a distribution whose entry points are ``lines``."""
    metadata = directory / f"{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("\n".join(["[concord.extensions]", *lines]))
    monkeypatch.syspath_prepend(directory)


@pytest.fixture
def fresh() -> Any:
    """Look for extensions anew, in the test and after it."""
    installed.cache_clear()
    yield
    installed.cache_clear()


@pytest.mark.usefixtures("fresh")
class TestInstalled:
    def test_what_does_not_load(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "broken_extension.py").write_text("import no_such_module_at_all")
        install(monkeypatch, tmp_path, "broken = broken_extension:X", "gone = json:Gone", "odd = json:loads")
        found = installed()
        assert found["broken"] == (
            "broken_extension:X does not load: ModuleNotFoundError: No module named 'no_such_module_at_all'"
        )
        assert "json:Gone does not load: AttributeError" in str(found["gone"])
        assert "is no class of" in str(found["odd"])

    def test_two_of_one_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("first", "second"):
            install(monkeypatch, tmp_path / name, "twice = json:loads", name=name)
        assert installed()["twice"] == "two packages bring one of this name"


def entry_points() -> list[str]:
    """Give the entry points of the example as an installation writes them."""
    text = (EXAMPLE / "pyproject.toml").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("counter = ")]
    return [line.replace('"', "")]


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: None) -> Any:
    """The documented example, installed; gives settings of a node that has it."""
    monkeypatch.syspath_prepend(EXAMPLE)
    install(monkeypatch, tmp_path / "site", *entry_points(), name="concord_counter")
    yield {"data_dir": str(tmp_path / "data")}
    sys.modules.pop("counter_extension", None)


class TestExample:
    """``examples/extension``, exactly as it is documented."""

    REALM = {**OPEN, "extensions": {"counter": {"step": 5}}}

    def test_is_what_the_page_shows(self) -> None:
        source = (EXAMPLE / "counter_extension.py").read_text()
        page = (ROOT / "docs" / "extensions.md").read_text()
        assert f"```python\n{source}```" in page
        assert (EXAMPLE / "pyproject.toml").read_text() in page
        lines = [line for line in source.splitlines() if line]
        assert len(lines) <= 45

    @asynchronous
    async def test_counts_and_outlives_the_router(self, bench: Bench, counter: Any, tmp_path: Path) -> None:
        node = bench.node({"realm1": self.REALM}, **counter)
        ann = await (await connect(node.ports["ws"])).join()
        assert (await ann.request(32, {}, "counter.changed"))[0] == 33
        assert (await ann.request(32, {}, "counter.present"))[0] == 33
        assert await ann.call("counter.get") == 0
        assert await ann.call("counter.add") == 5
        assert (await ann.receive())[4] == [5]
        assert (tmp_path / "data" / "realm1" / "counter" / "count").read_text() == "5"
        bob = await (await connect(node.ports["ws"])).join()
        assert (await ann.receive())[4] == [2]
        await bob.leave()
        assert (await ann.receive())[4] == [1]
        for request in (10, 11, 12):
            ann.send(48, request, {}, "counter.add")
        received = [await ann.receive() for _ in range(5)]
        assert [wire[3] for wire in received if wire[0] == 50] == [[10], [15], [20]]
        await ann.leave()
        await soon(node.stopService())

        node.startService()
        ann = await (await connect(node.ports["ws"])).join()
        assert await ann.call("counter.get") == 20
        await ann.leave()

    @asynchronous
    async def test_tells_who_calls_where_it_cannot_save(
        self, bench: Bench, counter: Any, tmp_path: Path
    ) -> None:
        node = bench.node({"realm1": self.REALM}, **counter)
        (tmp_path / "data" / "realm1" / "counter" / "count.new").mkdir()
        ann = await (await connect(node.ports["ws"])).join()
        assert (await ann.request(48, {}, "counter.add"))[4] == "counter.error.not_saved"
        await ann.leave()

    @asynchronous
    async def test_is_reconfigured(self, bench: Bench, counter: Any) -> None:
        node = bench.node({"realm1": self.REALM}, **counter)
        ann = await (await connect(node.ports["ws"])).join()
        write(bench.directory, {"realm1": {**OPEN, "extensions": {"counter": {"step": 7}}}}, **counter)
        await soon(node.reload())
        assert await ann.call("counter.add") == 7
        await ann.leave()

    @asynchronous
    async def test_refuses_the_start_where_its_file_is_damaged(
        self, bench: Bench, counter: Any, tmp_path: Path
    ) -> None:
        directory = tmp_path / "data" / "realm1" / "counter"
        directory.mkdir(parents=True)
        (directory / "count").write_text("many")
        write(bench.directory, {"realm1": self.REALM}, **counter)
        with pytest.raises(
            ExtensionError, match=r"realm 'realm1': extensions\.counter: .*count holds no number"
        ):
            Node(load(bench.directory), reactor).startService()

    def test_schema_reference_and_check_know_it(self, counter: Any, tmp_path: Path) -> None:
        assert "### `extensions.counter`\n\nHow the counter counts.\n" in reference_page()
        schema = schemas()["realm"]["$defs"]["Extensions"]["properties"]
        assert schema["counter"]["description"] == "A counter that outlives the router."
        write(tmp_path, {"realm1": {**OPEN, "extensions": {"counter": {"stpe": 5}}}})
        with pytest.raises(ConfigurationError, match="unknown key 'stpe': did you mean 'step'"):
            load(tmp_path)

    @pytest.mark.parametrize("command", ["concord", "twistd"])
    def test_of_the_commands(self, tmp_path: Path, counter: Any, command: str) -> None:
        """A wrong setting has its line; a start that is refused has one line, and no traceback."""
        directory = tmp_path / "data" / "realm1" / "counter"
        directory.mkdir(parents=True)
        (directory / "count").write_text("many")
        configuration = write_configuration(
            tmp_path, {**FREE, "data_dir": str(tmp_path / "data")}, realm1=self.REALM
        )
        paths = f"{EXAMPLE}:{tmp_path / 'site'}"
        arguments = ["run"] if command == "concord" else ["-n", "router"]
        process = run(command, *arguments, "--config", "myrouter", cwd=tmp_path, PYTHONPATH=paths)
        output = process.stdout + process.stderr
        assert "realm 'realm1': extensions.counter: " in output
        assert "count holds no number" in output
        assert process.returncode == 1
        if command == "concord":
            assert "Traceback" not in output
        file = configuration / "realms" / "realm1.yaml"
        file.write_text(yaml.safe_dump({**OPEN, "extensions": {"counter": {"step": 0}}}))
        process = run("concord", "check", "myrouter", cwd=tmp_path, PYTHONPATH=paths)
        assert process.returncode == 1
        assert "extensions.counter.step: must be 1 to 1000, got 0" in process.stderr


class FromThread:
    """A reactor as far as ``Background`` needs one: what a thread hands over waits for ``turn``."""

    def __init__(self) -> None:
        self.handed_over: list[Any] = []
        self.news = Event()

    def callFromThread(self, function: Any, *args: Any) -> None:
        self.handed_over.append((function, args))
        self.news.set()

    def turn(self, until: Any) -> None:
        """Do what is handed over until ``until()``."""
        while not until():
            assert self.news.wait(10)
            self.news.clear()
            while self.handed_over:
                function, args = self.handed_over.pop(0)
                function(*args)


class TestBackground:
    def test_results_and_exceptions(self) -> None:
        hub, done = FromThread(), []
        background = Background(hub, threads=1)
        background.run(lambda: 42, lambda *outcome: done.append(outcome))
        background.run(lambda: 1 / 0, lambda result, error: done.append((result, repr(error))))
        background.run(lambda: sys.exit(3), lambda result, error: done.append((result, repr(error))))
        hub.turn(lambda: len(done) == 3)
        assert done == [(42, None), (None, "ZeroDivisionError('division by zero')"), (None, "SystemExit(3)")]
        background.close()

    def test_threads_begin_when_they_are_needed_and_end(self) -> None:
        hub, done, go = FromThread(), [], Event()
        background = Background(hub, threads=2)
        threads: set[Any] = set()

        def work() -> None:
            threads.add(current_thread())
            go.wait(10)

        for count in (1, 2, 2):
            background.run(work, lambda *outcome: done.append(outcome))
            assert background._threads == count
        go.set()
        hub.turn(lambda: len(done) == 3)
        assert 1 <= len(threads) <= 2
        assert all(thread.daemon for thread in threads)
        background.close()
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()

    def test_what_waits_is_bounded_and_nothing_is_taken_after_the_end(self) -> None:
        hub, go, outcomes = FromThread(), Event(), []
        background = Background(hub, threads=1, max_waiting=1)
        for _ in range(3):
            background.run(lambda: go.wait(10), lambda *outcome: outcomes.append(outcome))
        hub.turn(lambda: len(outcomes) == 1)
        (refused,) = outcomes
        assert isinstance(refused[1], Full)
        assert str(refused[1]) == "2 pieces of work are under way already"
        go.set()
        hub.turn(lambda: len(outcomes) == 3)
        background.close()
        background.run(lambda: 1, lambda *outcome: outcomes.append(outcome))
        hub.turn(lambda: len(outcomes) == 4)
        assert str(outcomes[3][1]) == "closed"
